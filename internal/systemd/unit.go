package systemd

import (
	"context"
	"fmt"
	"time"
)

// Unit is what systemd says of one unit.
type Unit struct {
	Name        string // by which it was asked for
	ID          string // its own name; another one is an alias
	Description string
	Load        string   // loaded, not-found, masked, bad-setting, error
	Active      string   // active, reloading, activating, deactivating, inactive, failed
	Sub         string   // the same in the words of its type, as running or waiting
	Result      string   // of the last run: success, exit-code, signal, timeout, oom-kill and others
	File        string   // path of its unit file
	DropIns     []string // paths of what is dropped into it
	Program     string   // path of what a service starts; empty: nothing, or not known
	FileState   string   // enabled, disabled, static, masked, generated, transient and others
	Slice       string   // that its control group belongs to, as system.slice
	Cgroup      string   // path of its control group; empty: it has none now, as far as systemd knows
	ExitCode    int32    // of its main process, when that ran last; or the signal that ended it
	MainPID     uint32   // 0: none
	Restarts    uint32   // how often systemd has restarted it by itself
	Started     time.Time
	Stopped     time.Time
	StopLimit   time.Duration // before systemd kills it; Unlimited: never; 0: it is of a type that has none
	User        string        // as whom it runs; empty: root
	Group       string        // likewise; empty: that of the user
	Dynamic     bool          // the user is there only while it runs
	KillMode    string        // control-group, mixed, process, none

	Triggers    []string // a timer: what it starts
	TriggeredBy []string // timers, sockets and paths that start it
	After       []string // units that are started before it, and stopped after it
	WantedBy    []string // units that start it with them, as multi-user.target at boot
	RequiredBy  []string // likewise; and they do not go on without it
	BoundBy     []string // units that do not go on without it
	Parts       []string // units that stop with it (their PartOf=)

	Ends       bool // a service that has done its work when it ends (Type=oneshot without RemainAfterExit=)
	Persistent bool // a timer that runs what it missed
}

// Unlimited is the time limit of a unit that has none.
const Unlimited = time.Duration(1<<63 - 1)

// Runs reports whether anything of the unit runs, as far as systemd knows, or is about to.
func (u Unit) Runs() bool { return u.Active != "inactive" && u.Active != "failed" }

// Unloadable says why nothing can start the unit, in a sentence; empty: its file is in order.
func (u Unit) Unloadable() string {
	switch u.Load {
	case "not-found":
		return u.Name + " is not on this machine: install it, or correct the name"
	case "masked":
		return fmt.Sprintf("%s is masked, so nothing can start it: run systemctl unmask %s", u.Name, u.Name)
	case "bad-setting", "error":
		return fmt.Sprintf("%s has a setting that systemd does not accept: run systemd-analyze verify %s", u.Name, u.Name)
	}
	return ""
}

// Unit returns what systemd says of a unit. One that is not on this machine has Load
// not-found.
func (m *Manager) Unit(ctx context.Context, name string) (Unit, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	all, err := m.conn.GetAllPropertiesContext(ctx, name)
	if err != nil {
		return Unit{}, refusal(name, err)
	}
	p := properties(all)
	return Unit{
		Name: name, ID: p.text("Id"), Description: p.text("Description"), Load: p.text("LoadState"), Active: p.text("ActiveState"), Sub: p.text("SubState"), Result: p.text("Result"),
		File: p.text("FragmentPath"), DropIns: p.list("DropInPaths"), Program: p.program(), FileState: p.text("UnitFileState"), Cgroup: p.text("ControlGroup"), Slice: p.text("Slice"),
		ExitCode: number[int32](p, "ExecMainStatus"),
		MainPID:  number[uint32](p, "MainPID"), Restarts: number[uint32](p, "NRestarts"),
		Started: p.instant("ActiveEnterTimestamp"), Stopped: p.instant("InactiveEnterTimestamp"),
		StopLimit: p.duration("TimeoutStopUSec"), KillMode: p.text("KillMode"),
		User: p.text("User"), Group: p.text("Group"), Dynamic: p["DynamicUser"] == true,
		Triggers: p.list("Triggers"), TriggeredBy: p.list("TriggeredBy"), After: p.list("After"),
		WantedBy: p.list("WantedBy"), RequiredBy: p.list("RequiredBy"),
		BoundBy: p.list("BoundBy"), Parts: p.list("ConsistsOf"),
		Ends:       p["Type"] == "oneshot" && p["RemainAfterExit"] != true,
		Persistent: p["Persistent"] == true,
	}, nil
}

// Sign tells whether a unit is as it was: another value means that it has started, ended or been
// restarted since. It costs a twentieth of what Unit does.
func (m *Manager) Sign(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	value, err := m.conn.GetUnitPropertyContext(ctx, name, "StateChangeTimestampMonotonic")
	if err != nil {
		return "", refusal(name, err)
	}
	return value.Value.String(), nil
}

type properties map[string]any

func (p properties) text(name string) string {
	text, _ := p[name].(string)
	return text
}

// program is the first of ExecStart, an array of (path, arguments, ...).
func (p properties) program() string {
	lines, _ := p["ExecStart"].([][]any)
	if len(lines) == 0 || len(lines[0]) == 0 {
		return ""
	}
	path, _ := lines[0][0].(string)
	return path
}

func (p properties) list(name string) []string {
	list, _ := p[name].([]string)
	return list
}

func number[N int32 | uint32 | uint64](p properties, name string) N {
	n, _ := p[name].(N)
	return n
}

func (p properties) instant(name string) time.Time {
	if n := number[uint64](p, name); n != 0 {
		return time.UnixMicro(int64(n)) //nolint:gosec // microseconds since 1970
	}
	return time.Time{}
}

func (p properties) duration(name string) time.Duration {
	n := number[uint64](p, name)
	if n >= uint64(Unlimited/time.Microsecond) {
		return Unlimited
	}
	return time.Duration(n) * time.Microsecond
}

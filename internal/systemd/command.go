package systemd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// Command is a program that systemd runs as a unit of its own, outside of this daemon: with
// none of its hardening, its priority and its control group. The zero value of a field is
// what systemd does by itself.
type Command struct {
	Unit        string // name of the unit, as baton-mail.service
	Before      string // unit that is stopped first when systemd stops all, as at a shutdown; empty: none
	Description string
	Args        []string // the program, by its whole path, and its arguments
	Called      string   // in errors; empty: the program
	Quiet       bool     // systemd writes nothing of it into its journal
	User, Group string
	Dynamic     bool // the user is there only while something runs as that
	Dir         string
	Env         []string      // NAME=VALUE
	StopWithin  time.Duration // from the signal until it is killed
	Memory      uint64        // bytes; what uses more is killed
	Tasks       uint64        // processes and threads
	Files       uint64        // open files of a process
}

// Run starts a command that goes on. If systemd runs it already, that is an error: stop it first.
func (m *Manager) Run(ctx context.Context, c Command) error {
	// exec: a program that cannot be run fails the start.
	return m.explain(ctx, c, 0, m.transient(ctx, c, property("Type", "exec")))
}

// afterSignal is how long a command that must end within a time may take to end when it is told to,
// if it does not say.
const afterSignal = time.Second

// Try runs a command to its end, which must come within a time, or it is killed. It fails if
// the command does. Its output goes to out, whose other end the caller reads until Try returns:
// else the command waits. Nil: to the journal. If ctx ends first, the command is told to end; one of
// the same name that still runs then is ended first by the next call.
func (m *Manager) Try(ctx context.Context, c Command, within time.Duration, out *os.File) error {
	more := []dbus.Property{property("Type", "oneshot"), property("TimeoutStartUSec", micros(within))}
	if out != nil {
		path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), out.Fd())
		more = append(more, property("StandardOutputFile", path), property("StandardErrorFile", path))
	}
	c.StopWithin = cmp.Or(c.StopWithin, afterSignal)
	patient, cancel := context.WithTimeout(ctx, within+c.StopWithin+killed) // what waits for a disk cannot be killed
	defer cancel()
	err := m.transient(patient, c, more...)
	for ; errors.Is(err, errRuns) && patient.Err() == nil; err = m.transient(patient, c, more...) {
		m.end(ctx, c.Unit)
		const pause = 50 * time.Millisecond
		time.Sleep(pause)
	}
	if patient.Err() == nil {
		return m.explain(ctx, c, within, err)
	}
	m.end(ctx, c.Unit)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &CommandError{Command: c, Result: "timeout", Within: within}
}

// end tells a unit to end, and does not wait; also when ctx has ended.
func (m *Manager) end(ctx context.Context, unit string) {
	const soon = time.Second
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), soon)
	defer cancel()
	_, _ = m.conn.StopUnitContext(ctx, unit, stopMode, nil) // the next call sees whether it has
}

// explain says why the job of a command failed: systemd keeps its unit until it is reset.
func (m *Manager) explain(ctx context.Context, c Command, within time.Duration, err error) error {
	if _, failed := errors.AsType[*JobError](err); !failed {
		return err
	}
	unit, err := m.Unit(ctx, c.Unit)
	_ = m.conn.ResetFailedUnitContext(ctx, c.Unit)
	if err != nil {
		return err
	}
	return &CommandError{Command: c, Result: unit.Result, Code: int(unit.ExitCode), Within: within}
}

// CommandError is a command that was not started, or did not end well.
type CommandError struct {
	Command Command
	Result  string // as of [Unit]
	Code    int    // exit code, or signal
	Within  time.Duration
}

// What systemd ends with if it cannot start a program (systemd.exec(5)).
const (
	exitDir   = 200
	exitExec  = 203
	exitGroup = 216
	exitUser  = 217
)

func (e *CommandError) Error() string {
	program := cmp.Or(e.Command.Called, e.Command.Args[0])
	switch {
	case e.Result == "timeout":
		return fmt.Sprintf("%s does not end within %s", program, e.Within)
	case e.Result == "exit-code" && e.Code == exitDir:
		return fmt.Sprintf("%s cannot be run in %s: see that it is a directory, and that its user may enter it", program, e.Command.Dir)
	case e.Result == "exit-code" && e.Code == exitExec:
		return program + " cannot be run: see that it is a program, and that its user may run it"
	case e.Result == "exit-code" && (e.Code == exitUser || e.Code == exitGroup):
		return fmt.Sprintf("%s cannot be run as %s: see that this machine has that user and group", program, strings.TrimSuffix(e.Command.User+":"+e.Command.Group, ":"))
	case e.Result == "exit-code":
		return fmt.Sprintf("%s ends with exit code %d", program, e.Code)
	case e.Result == "signal", e.Result == "core-dump":
		return fmt.Sprintf("%s is ended by signal %d", program, e.Code)
	case e.Result == "oom-kill":
		return program + " uses more memory than it may"
	}
	return fmt.Sprintf("%s fails (%s)", program, e.Result)
}

func (m *Manager) transient(ctx context.Context, c Command, more ...dbus.Property) error {
	with := slices.Concat(more, []dbus.Property{
		property("ExecStart", executionOf(c.Args...)),
		property("Description", c.Description),
		property("KillMode", "control-group"),
		property("SendSIGKILL", true),
	})
	add := func(set bool, name string, value any) {
		if set {
			with = append(with, property(name, value))
		}
	}
	add(c.Before != "", "Before", []string{c.Before})
	add(c.Quiet, "LogLevelMax", int32(3)) // of syslog(3): errors, and not that each one begins and ends
	add(c.User != "", "User", c.User)
	add(c.Group != "", "Group", c.Group)
	add(c.Dynamic, "DynamicUser", true)
	add(c.Dir != "", "WorkingDirectory", c.Dir)
	add(len(c.Env) > 0, "Environment", c.Env)
	add(c.StopWithin > 0, "TimeoutStopUSec", micros(c.StopWithin))
	add(c.Memory > 0, "MemoryMax", c.Memory)
	add(c.Tasks > 0, "TasksMax", c.Tasks)
	add(c.Files > 0, "LimitNOFILE", c.Files)
	_ = m.conn.ResetFailedUnitContext(ctx, c.Unit) // one that failed stays, so that it can be asked why
	return m.await(ctx, c.Unit, true, func(done chan<- string) (int, error) {
		return m.conn.StartTransientUnitContext(ctx, c.Unit, "fail", with, done)
	})
}

// execution is one program of a unit, as systemd wants it: path, arguments, and whether it may fail.
type execution struct {
	Path  string
	Args  []string
	Fails bool
}

// executionOf runs a program with its arguments as they are: systemd would replace $NAME in them.
func executionOf(args ...string) []execution {
	one := execution{Path: args[0]}
	for _, arg := range args {
		one.Args = append(one.Args, strings.ReplaceAll(arg, "$", "$$"))
	}
	return []execution{one}
}

func property(name string, value any) dbus.Property {
	return dbus.Property{Name: name, Value: godbus.MakeVariant(value)}
}

func micros(d time.Duration) uint64 { return uint64(d.Microseconds()) } //nolint:gosec // no duration here is below zero

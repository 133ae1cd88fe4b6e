package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"

	"baton/internal/cgroup/listening"
)

// Runs reports whether systemd is the service manager of this machine (sd_booted(3)).
func Runs() bool {
	info, err := os.Lstat("/run/systemd/system")
	return err == nil && info.IsDir()
}

// Manager is a connection to systemd. Its methods may be called at the same time.
type Manager struct {
	conn *dbus.Conn

	mu   sync.Mutex
	left map[string][]listening.Socket // still open when a unit was last stopped
}

// Connect returns a connection to systemd that lasts until Close, or ctx ends.
func Connect(ctx context.Context) (*Manager, error) {
	conn, err := dbus.NewConnection(func() (*godbus.Conn, error) { return dial(ctx) })
	if err != nil {
		return nil, fmt.Errorf("systemd does not answer on its own socket, "+ownSocket+": look at it with systemctl status: %w", err)
	}
	return &Manager{conn: conn, left: map[string][]listening.Socket{}}, nil
}

// Close ends the connection. What was asked for goes on.
func (m *Manager) Close() { m.conn.Close() }

// Job returns the type of the job that systemd runs for the unit of a process, as "stop" or
// "restart"; empty: none. Main: the process is the main one of its unit.
func (m *Manager) Job(ctx context.Context, pid int) (job string, main bool, err error) {
	process := uint32(pid) //nolint:gosec // a process number
	unit, err := m.conn.GetUnitNameByPID(ctx, process)
	if err != nil {
		return "", false, err
	}
	number, err := m.conn.GetServicePropertyContext(ctx, unit, "MainPID")
	if err != nil {
		return "", false, err
	}
	jobs, err := m.conn.ListJobsContext(ctx)
	if err != nil {
		return "", false, err
	}
	for _, one := range jobs {
		if one.Unit == unit {
			job = one.JobType
		}
	}
	return job, number.Value.Value() == process, nil
}

// JobError is a job that systemd did not do. Result is its own word: canceled, timeout,
// failed, dependency, skipped.
type JobError struct {
	Unit, Result string
	Start        bool
}

func (e *JobError) Error() string {
	act := "stop"
	if e.Start {
		act = "start"
	}
	switch e.Result {
	case "timeout":
		return fmt.Sprintf("%s did not %s in the time that its unit allows: look at journalctl -u %s", e.Unit, act, e.Unit)
	case "canceled":
		return fmt.Sprintf("%s did not %s: somebody asked systemd for something else meanwhile", e.Unit, act)
	case "dependency":
		return fmt.Sprintf("%s did not %s, because a unit that it needs did not: look at systemctl status %s", e.Unit, act, e.Unit)
	}
	return fmt.Sprintf("%s did not %s: look at journalctl -u %s", e.Unit, act, e.Unit)
}

// await begins a job, and returns once it is done.
func (m *Manager) await(ctx context.Context, unit string, start bool, begin func(done chan<- string) (int, error)) error {
	done := make(chan string, 1)
	if _, err := begin(done); err != nil {
		return refusal(unit, err)
	}
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case result := <-done:
			if result != "done" {
				return &JobError{unit, result, start}
			}
			return nil
		case <-look.C: // the library does not say that a connection has ended
			if !m.conn.Connected() {
				return ErrEnded
			}
		}
	}
}

// ErrEnded is of a connection that systemd has ended, as it does when it is itself replaced
// (systemctl daemon-reexec). The job goes on: connect again, and look at the unit.
var ErrEnded = errors.New("systemd ended the connection")

// errRuns is of a command that is to be run while one of the same name runs.
var errRuns = errors.New("runs already: stop it first")

// answerWithin bounds how long systemd may take to tell how a unit is. After a failure of its own it
// answers no more, and its connections stay.
const answerWithin = 5 * time.Second

// refusal puts what systemd refuses in the words of a person.
func refusal(unit string, err error) error {
	var refused godbus.Error
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("systemd does not answer of %s: look at the machine's console and its kernel's log, journalctl -k", unit)
	}
	if !errors.As(err, &refused) {
		return fmt.Errorf("systemd does not answer of %s: %w", unit, err)
	}
	switch refused.Name {
	case "org.freedesktop.systemd1.NoSuchUnit":
		return errors.New(Unit{Name: unit, Load: "not-found"}.Unloadable())
	case "org.freedesktop.systemd1.UnitMasked":
		return errors.New(Unit{Name: unit, Load: "masked"}.Unloadable())
	case "org.freedesktop.systemd1.OnlyByDependency":
		return fmt.Errorf("%s refuses to be started or stopped by hand (RefuseManualStart=, RefuseManualStop=): choose another unit", unit)
	case "org.freedesktop.systemd1.UnitExists":
		return fmt.Errorf("%s %w", unit, errRuns)
	case "org.freedesktop.systemd1.BadUnitSetting":
		return errors.New(Unit{Name: unit, Load: "bad-setting"}.Unloadable())
	case "org.freedesktop.systemd1.TransactionIsDestructive", "org.freedesktop.systemd1.ShuttingDown":
		return fmt.Errorf("%s cannot be started or stopped now, since the machine shuts down", unit)
	}
	return fmt.Errorf("systemd refuses %s: %w", unit, err)
}

// Connected reports whether systemd has not ended the connection.
func (m *Manager) Connected() bool { return m.conn.Connected() }

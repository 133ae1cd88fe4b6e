package systemd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coreos/go-systemd/v22/dbus"

	"baton/internal/cgroup"
	"baton/internal/cgroup/listening"
)

// StopError is a unit of which something is left after it was told to stop, and killed.
type StopError struct {
	cgroup.Left

	Unit   string
	Active string // what systemd calls it, as deactivating; empty: stopped
}

func (e *StopError) Error() string {
	var left []string
	if !e.Nothing() {
		left = append(left, e.String())
	}
	if e.Active != "" {
		left = append(left, "systemd says that it is "+e.Active)
	}
	return fmt.Sprintf("%s does not stop: %s: look at systemctl status %s", e.Unit, strings.Join(left, ", and "), e.Unit)
}

// Ports lists those that the processes of a unit listen on, and those that systemd holds for it by a socket unit.
func (m *Manager) Ports(ctx context.Context, unit Unit) []string {
	ports := groupOf(unit).Ports()
	for _, name := range unit.TriggeredBy {
		if strings.HasSuffix(name, ".socket") {
			ports = append(ports, m.held(ctx, name)...)
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// killed is how long what was killed may take to be gone: the kernel takes its memory back
// first, and sockets are closed last.
const killed = 2 * time.Second

// Stop stops a unit, what starts it by itself (its timers, sockets and paths), what does not
// go on without it and, of a timer, what it has started. What runs after its own limit, or after
// within if it has none or a longer one, is killed.
// It returns once nothing of them is left in their control groups and no port is open that
// they had opened; else a [StopError]. Each lasts no longer than within and some seconds,
// whatever it does.
func (m *Manager) Stop(ctx context.Context, name string, within time.Duration) error {
	unit, err := m.Unit(ctx, name)
	if err != nil {
		return err
	}
	if unit.Load == "not-found" && !unit.Runs() && m.leftOf(name) == nil {
		return nil
	}
	all, err := m.stopped(ctx, unit)
	if err != nil {
		return err
	}
	for _, one := range all {
		if err := m.stopOne(ctx, one.Name, within); err != nil {
			return err
		}
	}
	return nil
}

// StopLimit is how long [Manager.Stop] of a unit may take with the same within: the sum of the units that it stops.
func (m *Manager) StopLimit(ctx context.Context, unit Unit, within time.Duration) (sum time.Duration, err error) {
	all, err := m.stopped(ctx, unit)
	for _, one := range all {
		if one.Name != unit.Name {
			sum += killed
		}
		sum += one.stopLimit(within)
	}
	return sum, err
}

// stopLimit is after how long what runs of the unit is killed.
func (u Unit) stopLimit(within time.Duration) time.Duration {
	switch {
	case u.StopLimit > 0:
		return min(within, u.StopLimit)
	case strings.HasSuffix(u.Name, ".timer"), strings.HasSuffix(u.Name, ".path"): // they have no processes
		return min(within, answerWithin)
	}
	return within
}

// stopped are the units that are stopped with a unit, in their order.
func (m *Manager) stopped(ctx context.Context, unit Unit) ([]Unit, error) {
	all := related{unit: func(name string) (Unit, error) { return m.Unit(ctx, name) }, known: map[string]bool{}}
	err := all.add(unit)
	return all.order, err
}

// related gathers the units that are stopped with one.
type related struct {
	unit  func(name string) (Unit, error)
	known map[string]bool
	order []Unit
}

// add adds a unit with those that are stopped before and after it, and with those of these in turn. What starts it comes first: a timer
// or a socket would start it again. So would one of a unit that needs it, which would start with that.
func (r *related) add(one Unit) error {
	r.known[one.Name] = true
	before, after := slices.Concat(one.TriggeredBy, one.dependents()), one.Triggers
	if strings.HasSuffix(one.Name, ".target") { // others may be in it that are none of the site
		before, after = nil, nil
	}
	if err := r.addNamed(before); err != nil {
		return err
	}
	r.order = append(r.order, one)
	return r.addNamed(after)
}

func (r *related) addNamed(names []string) error {
	for _, name := range names {
		if r.known[name] {
			continue
		}
		one, err := r.unit(name)
		if err == nil {
			err = r.add(one)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// dependents are the units that stop with it. A target that needs it, as at boot, goes on.
func (u Unit) dependents() (all []string) {
	for _, one := range slices.Concat(u.RequiredBy, u.BoundBy, u.Parts) {
		if !strings.HasSuffix(one, ".target") && !slices.Contains(all, one) {
			all = append(all, one)
		}
	}
	return all
}

// stopMode has systemd stop a unit without regard to the order of units. Otherwise a daemon
// that is being stopped, and whose unit is After= that one, as at a shutdown, would wait for
// it for ever: systemd would stop the one only after the other.
const stopMode = "ignore-dependencies"

func (m *Manager) stopOne(ctx context.Context, name string, within time.Duration) error {
	unit, err := m.Unit(ctx, name)
	if err != nil {
		return err
	}
	group := groupOf(unit)
	opened, err := group.Sockets()
	if err != nil {
		opened = nil // a kernel without sock_diag: the control group has to be proof enough
	}
	opened = append(opened, m.leftOf(name)...) // its group is gone by now
	patient, cancel := context.WithTimeout(ctx, unit.stopLimit(within))
	defer cancel()
	if unit.Runs() {
		err = m.await(patient, name, false, func(done chan<- string) (int, error) {
			return m.conn.StopUnitContext(patient, name, stopMode, done)
		})
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && patient.Err() == nil {
			return err
		}
	}
	return m.verify(ctx, name, group, opened)
}

// verify returns once nothing of a unit is left; it kills what is.
func (m *Manager) verify(ctx context.Context, name string, group cgroup.Group, opened []listening.Socket) error {
	end := time.Now().Add(killed)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		left, err := m.rest(ctx, name, group, opened)
		if err != nil || left.nothing() {
			return err
		}
		if time.Now().After(end) {
			return left
		}
		if len(left.Processes) > 0 {
			m.kill(ctx, name)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// kill has systemd kill all processes of a unit, and gives up if it does not answer: the next look says what is left.
func (m *Manager) kill(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	_ = m.conn.KillUnitWithTarget(ctx, name, dbus.All, int32(unix.SIGKILL))
}

// rest is what is left of a unit now.
func (m *Manager) rest(ctx context.Context, name string, group cgroup.Group, opened []listening.Socket) (*StopError, error) {
	rest, err := group.Left(opened)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	m.keep(name, rest.Sockets)
	left := StopError{Unit: name, Left: rest}
	if left.nothing() {
		left.Active, err = m.active(ctx, name)
	}
	return &left, err
}

func (e *StopError) nothing() bool {
	return e.Nothing() && e.Active == ""
}

// active is what systemd calls a unit that it does not hold for stopped; empty: it does.
func (m *Manager) active(ctx context.Context, name string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	state, err := m.conn.GetUnitPropertyContext(ctx, name, "ActiveState")
	if err != nil {
		return "", refusal(name, err)
	}
	if unit := (Unit{Active: properties{"": state.Value.Value()}.text("")}); unit.Runs() {
		return unit.Active, nil
	}
	return "", nil
}

// leftOf are the sockets that an earlier stop of the unit has left open.
func (m *Manager) leftOf(name string) []listening.Socket {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.left[name]
}

func (m *Manager) keep(name string, open []listening.Socket) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if delete(m.left, name); len(open) > 0 {
		m.left[name] = open
	}
}

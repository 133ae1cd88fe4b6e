package systemd

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/dbus"
)

// StopAfter has systemd stop units only once the unit first has stopped, when it stops all, as at a
// shutdown. What units are in their files stays as it is: a unit of its own, by the name between,
// comes between them in the order, and does nothing else. Without units that one goes. One that is itself After= the unit first
// is left out: systemd would have a circle, and leave any of them out of the order.
func (m *Manager) StopAfter(ctx context.Context, between, first string, units []string) error {
	unit, err := m.Unit(ctx, between)
	if err != nil {
		return err
	}
	if units, err = m.notAfter(ctx, first, units); err != nil {
		return err
	}
	what := "Stop after " + first + ": " + strings.Join(units, " ")
	if unit.Runs() {
		if unit.Description == what {
			return nil
		}
		err := m.await(ctx, between, false, func(done chan<- string) (int, error) {
			return m.conn.StopUnitContext(ctx, between, stopMode, done)
		})
		if err != nil {
			return err
		}
	}
	if len(units) == 0 {
		return nil
	}
	_ = m.conn.ResetFailedUnitContext(ctx, between)
	// Nobody waits for its start: it comes after that of the units.
	_, err = m.conn.StartTransientUnitContext(ctx, between, "fail", []dbus.Property{
		property("Description", what), property("Type", "oneshot"), property("RemainAfterExit", true),
		property("ExecStart", executionOf("/bin/true")),
		property("Before", []string{first}), property("After", units),
	}, nil)
	if err != nil {
		return refusal(between, err)
	}
	return nil
}

// notAfter are those of the units that are not After= another one.
func (m *Manager) notAfter(ctx context.Context, other string, units []string) (rest []string, err error) {
	for _, name := range units {
		unit, err := m.Unit(ctx, name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(unit.After, other) {
			rest = append(rest, name)
		}
	}
	return rest, nil
}

// StopNow has systemd stop the units that [Manager.StopAfter] has put into order, and those of a
// pattern, with what [Manager.Stop] stops with them, and does not wait for any.
func (m *Manager) StopNow(ctx context.Context, between, pattern string) error {
	unit, err := m.Unit(ctx, between)
	if err != nil {
		return err
	}
	named, err := m.conn.ListUnitsByPatternsContext(ctx, nil, []string{pattern})
	if err != nil {
		return refusal(pattern, err)
	}
	units := unit.After
	for _, one := range named {
		units = append(units, one.Name)
	}
	var failed []error
	for _, name := range units {
		unit, err := m.Unit(ctx, name)
		if err != nil || !unit.Runs() || !stoppable(name) {
			continue
		}
		all, err := m.stopped(ctx, unit)
		if err != nil {
			failed, all = append(failed, err), []Unit{unit}
		}
		failed = append(failed, m.tellToStop(ctx, all))
	}
	return errors.Join(failed...)
}

// tellToStop tells those of the units that run to stop, and does not wait.
func (m *Manager) tellToStop(ctx context.Context, units []Unit) error {
	var failed []error
	for _, one := range units {
		if !one.Runs() {
			continue
		}
		if _, err := m.conn.StopUnitContext(ctx, one.Name, stopMode, nil); err != nil {
			failed = append(failed, refusal(one.Name, err))
		}
	}
	return errors.Join(failed...)
}

// stoppable reports whether a unit is of the kinds that services are: every unit comes after some
// that systemd itself needs.
func stoppable(name string) bool {
	return strings.HasSuffix(name, ".service") || strings.HasSuffix(name, ".timer")
}

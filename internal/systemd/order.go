package systemd

import (
	"context"
	"strings"

	"github.com/coreos/go-systemd/v22/dbus"
)

// StopAfter has systemd stop units only once the unit first has stopped, when it stops all, as at a
// shutdown. What units are in their files stays as it is: a unit of its own, by the name between,
// comes between them in the order, and does nothing else. Without units that one goes.
func (m *Manager) StopAfter(ctx context.Context, between, first string, units []string) error {
	unit, err := m.Unit(ctx, between)
	if err != nil {
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
		property("ExecStartEx", []execution{{"/bin/true", []string{"/bin/true"}, nil}}),
		property("Before", []string{first}), property("After", units),
	}, nil)
	if err != nil {
		return refusal(between, err)
	}
	return nil
}

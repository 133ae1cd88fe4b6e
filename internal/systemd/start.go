package systemd

import "context"

// Start starts a unit, and returns once systemd holds it for started. An error is a sentence
// for a person. If ctx ends first, the job goes on: Stop ends it.
func (m *Manager) Start(ctx context.Context, name string) error {
	_ = m.conn.ResetFailedUnitContext(ctx, name) // a start limit that was hit before is none of this start; most units have not failed
	return m.await(ctx, name, true, func(done chan<- string) (int, error) {
		return m.conn.StartUnitContext(ctx, name, "replace", done)
	})
}

package unit

import (
	"context"
	"fmt"
	"os"
	"time"

	"baton/internal/cause"
	"baton/internal/service"
	"baton/internal/service/program"
	"baton/internal/systemd"
)

// Try implements keeper.Runner. The last line of what the check writes is why it fails.
func (r *runner) Try(ctx context.Context, line string, within time.Duration) error {
	return r.machine.do(ctx, func(conn *systemd.Manager) error {
		check := r.command("baton-check-"+r.service.Name+".service", []string{"/bin/sh", "-c", line})
		check.Called, check.Quiet = "the check "+line, true
		if r.service.Kind() == service.UnitKind {
			unit, err := conn.Unit(ctx, r.unit)
			if err == nil && len(unit.Triggers) > 0 { // a timer has no user: what it starts has
				unit, err = conn.Unit(ctx, unit.Triggers[0])
			}
			if err != nil {
				return err
			}
			check.User, check.Group, check.Dynamic = unit.User, unit.Group, unit.Dynamic
		}
		const most = 200
		said, err := program.Output(2*most, func(out *os.File) error { return conn.Try(ctx, check, within, out) }) // a line break and spaces may follow
		if why := program.LastLine(said, most); err != nil && ctx.Err() == nil && why != "" && !cause.Rough(why) {
			return fmt.Errorf("%w: %s", err, why)
		}
		return err
	})
}

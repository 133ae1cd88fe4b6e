package unit

import (
	"context"
	"errors"
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
		said, err := output(ctx, conn, check, within, 2*most) // a line break and spaces may follow
		if why := program.LastLine(said, most); err != nil && ctx.Err() == nil && why != "" && !cause.Rough(why) {
			return fmt.Errorf("%w: %s", err, why)
		}
		return err
	})
}

// output runs a command to its end, and returns the last bytes that it wrote: at most so many.
func output(ctx context.Context, conn *systemd.Manager, command systemd.Command, within time.Duration, most int) ([]byte, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("read what %s writes: %w", command.Args[0], err)
	}
	said := make(chan []byte, 1)
	go func() { said <- program.LastOf(read, most) }()
	err = conn.Try(ctx, command, within, write)
	const rest = 100 * time.Millisecond // for what it has written and nobody has read; some other program may still hold the pipe
	_ = errors.Join(write.Close(), read.SetReadDeadline(time.Now().Add(rest)))
	defer func() { _ = read.Close() }()
	return <-said, err
}

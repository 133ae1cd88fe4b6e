package unit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"baton/internal/cause"
	"baton/internal/service"
	"baton/internal/systemd"
)

// Try implements keeper.Runner. The last line of what the check writes is why it fails.
func (r *runner) Try(ctx context.Context, line string, within time.Duration) error {
	return r.machine.do(ctx, func(conn *systemd.Manager) error {
		check := r.command("baton-check-"+r.service.Name+".service", []string{"/bin/sh", "-c", line})
		check.Called, check.Quiet = "the check "+line, true
		if r.service.Kind() == service.UnitKind {
			unit, err := conn.Unit(ctx, r.unit)
			if err != nil {
				return err
			}
			check.User, check.Group = unit.User, unit.Group
		}
		read, write, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("read what a check writes: %w", err)
		}
		said := make(chan string, 1)
		go func() { said <- lastLine(read) }()
		err = conn.Try(ctx, check, within, write)
		const rest = 100 * time.Millisecond // for what it has written and nobody has read; some other program may still hold the pipe
		_ = errors.Join(write.Close(), read.SetReadDeadline(time.Now().Add(rest)))
		why := <-said
		_ = read.Close()
		if err != nil && ctx.Err() == nil && why != "" && !cause.Rough(why) {
			return fmt.Errorf("%w: %s", err, why)
		}
		return err
	})
}

// lastLine reads to the end, however much that is, and returns the last line of it that is not
// empty, as one may show it.
func lastLine(from *os.File) string {
	const most = 200
	var end []byte
	for chunk := make([]byte, 32<<10); ; {
		n, err := from.Read(chunk)
		end = append(end, chunk[:n]...)
		if len(end) > 2*most { // a line break and spaces may follow
			end = append(end[:0], end[len(end)-2*most:]...)
		}
		if err != nil {
			break
		}
	}
	end = bytes.TrimSpace(end)
	end = bytes.TrimSpace(end[bytes.LastIndexByte(end, '\n')+1:])
	end = end[max(0, len(end)-most):]
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(end), "?"))
}

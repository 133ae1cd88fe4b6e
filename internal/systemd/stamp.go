package systemd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// stamps is where systemd keeps when a persistent timer last ran: as the time of an empty
// file. It reads it when the timer starts, and runs at once what was missed since.
const stamps = "/var/lib/systemd/timers"

// Stamp returns when a persistent timer last ran here; zero: never.
func Stamp(timer string) (time.Time, error) {
	info, err := os.Lstat(filepath.Join(stamps, "stamp-"+timer))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	} else if err != nil {
		return time.Time{}, fmt.Errorf("read when %s last ran: %w", timer, err)
	}
	return info.ModTime(), nil
}

// SetStamp has a persistent timer hold for run then, as it did on the other appliance. The timer must not
// run now: systemd reads the time when it starts. A time to come counts as now: systemd would
// disregard it, and run the job.
func SetStamp(timer string, ran time.Time) error {
	path := filepath.Join(stamps, "stamp-"+timer)
	if now := time.Now(); ran.After(now) {
		ran = now
	}
	if err := os.MkdirAll(stamps, 0o755); err != nil { //nolint:gosec // as systemd makes it
		return fmt.Errorf("keep when %s last ran: %w", timer, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644) //nolint:gosec // likewise
	if err != nil {
		return fmt.Errorf("keep when %s last ran: %w", timer, err)
	}
	err = errors.Join(os.Chtimes(path, ran, ran), file.Sync(), file.Close())
	if err != nil {
		return fmt.Errorf("keep when %s last ran: %w", timer, err)
	}
	return nil
}

package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Beat notes that the appliance is alive, as the time of a file: so the next run
// knows when this one ended, if it cannot say so itself.
func (l *Store) Beat(now time.Time) error {
	path := l.file("alive")
	err := os.Chtimes(path, now, now)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.WriteFile(path, nil, 0o600); err == nil {
			err = os.Chtimes(path, now, now)
		}
	}
	if err != nil {
		return fmt.Errorf("note that this appliance is alive: %w", err)
	}
	return nil
}

// LastBeat returns the time of the newest Beat; zero if there was none.
func (l *Store) LastBeat() time.Time {
	info, err := os.Stat(l.file("alive"))
	if err != nil {
		return time.Time{} // only a report is less exact for it
	}
	return info.ModTime()
}

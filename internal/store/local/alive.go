package local

import (
	"fmt"
	"os"
	"time"

	"baton/internal/durable"
)

// syncEvery is how many signs of life there are for one that waits for the disk.
const syncEvery = 10

// Beat notes that the appliance is alive, as the time of a file: so the next run
// knows when this one ended, if it cannot say so itself. An error says that a Save would
// fail as well. One caller at a time.
func (l *Store) Beat(now time.Time) error {
	err := durable.Touch(l.file("alive"), l.file("state.json"), now)
	if err == nil && l.beats%syncEvery == 0 {
		err = durable.SyncDir(l.dir)
	}
	l.beats++
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

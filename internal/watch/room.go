package watch

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	"baton/internal/pair"

	"golang.org/x/sys/unix"
)

// How little room the file system of data_dir may have before that is told: what
// is left then still takes the state, and some hours of history.
const (
	leastRoom   = 64 << 20 // bytes
	leastInodes = 1000
)

// Room watches the file system of data_dir. It is looked at beside the loop, which
// a disk that hangs must not stop.
type Room struct {
	Dir    string
	Copies func() int64 // bytes of the diverged copies there
	Log    *slog.Logger
	lack   atomic.Pointer[string] // what there is too little of; nil: nothing
}

// Measure measures the room that is left.
func (r *Room) Measure() {
	var disk unix.Statfs_t
	if err := unix.Statfs(r.Dir, &disk); err != nil {
		r.Log.Warn("the room in data_dir cannot be measured", slog.Any("error", err))
		return
	}
	r.lack.Store(lacks(disk, leastRoom, leastInodes))
}

// Lacks reports whether too little room is left, as of the last look.
func (r *Room) Lacks() bool { return r.lack.Load() != nil }

// lacks says what a file system has too little of, or nil: fewer bytes or inodes than that, but at most
// a twentieth of the whole.
func lacks(disk unix.Statfs_t, room, inodes uint64) *string {
	free, whole := disk.Bavail*uint64(disk.Bsize), disk.Blocks*uint64(disk.Bsize) //nolint:gosec // the size of a block
	switch {
	case free < min(room, whole/20):
		return new(pair.BytesText(int64(free)) + " are left") //nolint:gosec // less than room
	case disk.Files > 0 && disk.Ffree < min(inodes, disk.Files/20):
		return new(fmt.Sprintf("room for %d more files is left", disk.Ffree))
	}
	return nil
}

// Conditions tells of a file system that is nearly full, before anything fails.
func (r *Room) Conditions() []pair.Condition {
	lack := r.lack.Load()
	if lack == nil {
		return nil
	}
	by := ""
	if copies := r.Copies(); copies > 0 {
		by = " Diverged copies take " + pair.BytesText(copies) + " of it; each is kept until it is deleted."
	}
	return []pair.Condition{{
		ID: "data-dir-full", Severity: pair.Critical,
		Text:     "The file system of " + r.Dir + " is nearly full: " + *lack + ". A role can still change, but history, data syncs and diverged copies need room." + by,
		NextStep: "Free some space there, or delete old diverged copies: baton diverged list.",
	}}
}

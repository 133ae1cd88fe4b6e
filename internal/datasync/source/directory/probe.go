package directory

import (
	"errors"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/disk"
	"baton/internal/pair"
)

// Disk is the file system on which a protected directory lies.
type Disk struct {
	Place    string // the directory
	Room     unix.Statfs_t
	ReadOnly bool  // it was not tried
	Full     bool  // root may be able to write there still, and a program of the site is not
	Failed   error // why root cannot write there; nil: it can
}

// Probe finds out whether the file system on which data lies takes writes, unless it is one of those that have been
// tried. It may take as long as the disk does. Data that is not there, or may not be touched on this machine, has none.
func (k *Kind) Probe(data pair.Data, tried map[uint64]bool) (found Disk, is bool) {
	dir, err := k.open(data, source.Serve)
	if err != nil {
		return found, false // the data sync tells that
	}
	defer func() { _ = dir.Close() }()
	found.Place = dir.Path()
	device, room, err := disk.About(dir.Dir())
	if err != nil {
		found.Failed = err
		return found, true
	}
	if tried[device] {
		return found, false
	}
	tried[device] = true
	found.Room, found.ReadOnly = room, room.Flags&unix.ST_RDONLY != 0
	if found.ReadOnly {
		return found, true
	}
	if err := disk.TryWrite(dir.Dir()); errors.Is(err, unix.EROFS) {
		found.ReadOnly = true
	} else {
		found.Failed = err
	}
	found.Full = isFull(room) || errors.Is(found.Failed, unix.ENOSPC) || errors.Is(found.Failed, unix.EDQUOT)
	return found, true
}

// isFull reports whether a file system takes nothing more from those who are not root.
func isFull(room unix.Statfs_t) bool {
	return room.Blocks > 0 && room.Bavail == 0 || room.Files > 0 && room.Ffree == 0
}

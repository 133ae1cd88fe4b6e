package directory

import (
	"errors"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/source"
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
func (k *Kind) Probe(data pair.Data, tried map[uint64]bool) (disk Disk, is bool) {
	dir, err := k.open(data, source.Serve)
	if err != nil {
		return disk, false // the data sync tells that
	}
	defer func() { _ = dir.Close() }()
	disk.Place = dir.Path()
	device, room, err := dir.About()
	if err != nil {
		disk.Failed = err
		return disk, true
	}
	if tried[device] {
		return disk, false
	}
	tried[device] = true
	disk.Room, disk.ReadOnly = room, room.Flags&unix.ST_RDONLY != 0
	if disk.ReadOnly {
		return disk, true
	}
	if err := dir.TryWrite(); errors.Is(err, unix.EROFS) {
		disk.ReadOnly = true
	} else {
		disk.Failed = err
	}
	disk.Full = isFull(room) || errors.Is(disk.Failed, unix.ENOSPC) || errors.Is(disk.Failed, unix.EDQUOT)
	return disk, true
}

// isFull reports whether a file system takes nothing more from those who are not root.
func isFull(room unix.Statfs_t) bool {
	return room.Blocks > 0 && room.Bavail == 0 || room.Files > 0 && room.Ffree == 0
}

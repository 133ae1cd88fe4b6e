package disk

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"baton/internal/pinned"
)

// About says on which file system a directory lies, and how full that is.
func About(dir *pinned.Dir) (device uint64, about unix.Statfs_t, err error) {
	var stat unix.Stat_t
	if err := errors.Join(unix.Fstatfs(dir.Fd(), &about), unix.Fstat(dir.Fd(), &stat)); err != nil {
		return 0, about, fmt.Errorf("measure room at %s: %w", dir.Real(), err)
	}
	return stat.Dev, about, nil
}

// Room is what a file system still takes.
type Room struct {
	Bytes  int64
	Files  int64  // inodes; as many as there can be on a file system that makes them as needed
	Device uint64 // tells file systems apart, as long as they are mounted
}

// Free returns what can be written to the file system of a directory.
func Free(dir *pinned.Dir) (room Room, err error) {
	device, free, err := About(dir)
	room = Room{Bytes: int64(free.Bavail) * free.Bsize, Files: int64(free.Ffree), Device: device} //nolint:gosec // far below 2^63
	if free.Files == 0 {
		room.Files = math.MaxInt64
	}
	return room, err
}

// probeBytes is how much a probe of the disk writes.
const probeBytes = 4096

// TryWrite writes a little to the file system of a directory and makes it durable. What it writes has no name: no
// one else sees it, and it is gone afterwards. Where there can be no such file, or this process may make none
// in the directory, nothing is tried.
func TryWrite(dir *pinned.Dir) error {
	f, err := dir.OpenFile(".", unix.O_TMPFILE|unix.O_WRONLY, 0o600)
	if err != nil {
		if of, is := errors.AsType[unix.Errno](err); is && slices.Contains(broken(), of) {
			return fmt.Errorf("write to the disk of %s: %w", dir.Real(), err)
		}
		return nil
	}
	return errors.Join(writeDurably(dir, f), f.Close())
}

// broken are the errors that a disk is to blame for, and not what one may do there.
func broken() []unix.Errno {
	return []unix.Errno{
		unix.EIO, unix.EROFS, unix.ENOSPC, unix.EDQUOT, unix.EUCLEAN, unix.ENXIO, unix.ENODEV, unix.EREMOTEIO,
		unix.ESTALE, unix.ETIMEDOUT, unix.EHOSTDOWN, unix.ENOTCONN, unix.ESHUTDOWN,
	}
}

func writeDurably(dir *pinned.Dir, f *os.File) error {
	if _, err := f.Write(make([]byte, probeBytes)); err != nil {
		return fmt.Errorf("write to the disk of %s: %w", dir.Real(), err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("make durable what is written to the disk of %s: %w", dir.Real(), err)
	}
	return nil
}

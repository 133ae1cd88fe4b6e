package tree

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// About says of which file system the tree is a part, and how full that is.
func (t *Tree) About() (device uint64, about unix.Statfs_t, err error) {
	err = t.withDir(".", func(fd int) error {
		var stat unix.Stat_t
		err := errors.Join(unix.Fstatfs(fd, &about), unix.Fstat(fd, &stat))
		device = stat.Dev
		return err
	})
	if err != nil {
		err = fmt.Errorf("measure room at %s: %w", t.path, err)
	}
	return device, about, err
}

// probeBytes is how much a probe of the disk writes.
const probeBytes = 4096

// TryWrite writes a little to the tree's file system and makes it durable. What it writes has no name: no
// one else sees it, and it is gone afterwards. Where there can be no such file, or this process may make none
// in the directory, nothing is tried.
func (t *Tree) TryWrite() error {
	f, err := t.root.OpenFile(".", unix.O_TMPFILE|unix.O_WRONLY, 0o600)
	if err != nil {
		if of, is := errors.AsType[unix.Errno](err); is && slices.Contains(broken(), of) {
			return fmt.Errorf("write to the disk of %s: %w", t.path, err)
		}
		return nil
	}
	return errors.Join(t.writeDurably(f), f.Close())
}

// broken are the errors that a disk is to blame for, and not what one may do there.
func broken() []unix.Errno {
	return []unix.Errno{
		unix.EIO, unix.EROFS, unix.ENOSPC, unix.EDQUOT, unix.EUCLEAN, unix.ENXIO, unix.ENODEV, unix.EREMOTEIO,
		unix.ESTALE, unix.ETIMEDOUT, unix.EHOSTDOWN, unix.ENOTCONN, unix.ESHUTDOWN,
	}
}

func (t *Tree) writeDurably(f *os.File) error {
	if _, err := f.Write(make([]byte, probeBytes)); err != nil {
		return fmt.Errorf("write to the disk of %s: %w", t.path, err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("make durable what is written to the disk of %s: %w", t.path, err)
	}
	return nil
}

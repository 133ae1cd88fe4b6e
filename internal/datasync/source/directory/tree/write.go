package tree

import (
	"errors"
	"fmt"
	"os"

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
// one else sees it, and it is gone afterwards. A file system on which a file without a name cannot be is
// not tried.
func (t *Tree) TryWrite() error {
	f, err := t.root.OpenFile(".", unix.O_TMPFILE|unix.O_WRONLY, 0o600)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINVAL):
		return nil
	case err != nil:
		return fmt.Errorf("write to the disk of %s: %w", t.path, err)
	}
	return errors.Join(t.writeDurably(f), f.Close())
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

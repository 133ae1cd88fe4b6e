package image

import (
	"errors"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/pinned"
)

// Glance is what tells, at no cost and without a lock, that a database may have changed: two that are equal, and nothing was written
// in between.
type Glance struct {
	file, log, journal stamp
	index              index
	changes            uint32 // counts transactions of one with a rollback journal
	unsettled          int64  // when it was taken, in Unix nanoseconds, if something was written too lately to tell it from what follows; 0: nothing was
}

// Glance looks at the database.
func (d *Database) Glance(dir *pinned.Dir) (g Glance, err error) {
	for suffix, to := range map[string]*stamp{"": &g.file, Log: &g.log, Journal: &g.journal} {
		s, err := dir.Stat(d.name + suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return g, err
		}
		if *to = stampFrom(&s); to.settled() != nil {
			g.unsettled = time.Now().UnixNano()
		}
	}
	if file, err := dir.OpenFile(d.name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0); err == nil {
		if h, err := readHeader(file); err == nil {
			g.changes = h.changes
		}
		_ = file.Close()
	}
	f, err := dir.OpenFile(d.name+Index, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return g, nil
	}
	if err != nil {
		return g, err
	}
	defer func() { _ = f.Close() }()
	x, err := readIndex(f)
	if errors.Is(err, errUnsettled) { // the next one is another
		return g, nil
	}
	x.marks, x.backfilled = [readerSlots]uint32{}, 0 // they say nothing of the content
	g.index = x
	return g, err
}

// Lock keeps every program from a database that is about to be replaced, until the file is closed; nil: there is none. It fails with ErrLocked if a
// program has it open with a log, or is in a transaction.
func (d *Database) Lock(dir *pinned.Dir) (io.Closer, error) {
	d.dir = dir
	index, err := d.openIfThere(Index)
	if errors.Is(err, ErrNoDatabase) { // what lies there is no index
		err = nil
	}
	if err != nil {
		return nil, err
	}
	if index != nil {
		is, err := held(index, useLock, 1)
		if err = errors.Join(err, index.Close()); err != nil {
			return nil, err
		}
		if is {
			return nil, ErrLocked
		}
	}
	f, err := dir.OpenFile(d.name, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENXIO) {
		return nil, nil //nolint:nilnil // as the comment says
	}
	if err != nil {
		return nil, err
	}
	if _, err = flock(f, unix.F_OFD_SETLK, unix.F_WRLCK, pendingByte, sharedFirst+sharedSize-pendingByte); err != nil {
		_ = f.Close()
		if errors.Is(err, errHeld) {
			err = ErrLocked
		}
		return nil, err
	}
	return f, nil
}

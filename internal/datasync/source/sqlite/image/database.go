package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"baton/internal/pinned"

	"golang.org/x/sys/unix"
)

// Why a database cannot be read.
var (
	ErrNoDatabase = errors.New("it is no SQLite database, or an encrypted one")
	ErrEmpty      = errors.New("it is empty: its program has written nothing to it yet")
	ErrLocked     = errors.New("its program keeps it locked")
	ErrDamaged    = errors.New("its log or journal is damaged")
	ErrHalf       = errors.New("its program was killed in a transaction over several databases")
	ErrBusy       = errors.New("its program writes to it faster than it can be read")
	ErrChanged    = errors.New("its program wrote to it while it was read")
)

// IsUnreadable reports whether an error says that what is there is no database whose newest transaction can be known, whoever looks again.
func IsUnreadable(err error) bool {
	return errors.Is(err, ErrNoDatabase) || errors.Is(err, ErrEmpty) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrHalf)
}

// What is added to the name of a database for the files beside it.
const (
	Log     = "-wal"
	Index   = "-shm"
	Journal = "-journal"
)

// Database is a database in a directory, and what changed in it from one image to the next. It is used by one goroutine, and has one
// image at a time.
type Database struct {
	name string
	dir  *pinned.Dir // while an image is made or used

	log       *log                // as far as it was read; nil: none yet, or it has none
	alone     stamp               // of the file, when all there was, was in it
	changes   uint32              // the same, of one with a rollback journal
	changed   map[uint32]struct{} // pages
	isUnknown bool                // any page may have changed
	ino       uint64              // of the file
	disturbed int                 // images in a row that were written to
}

// New returns the database that has a name in some directory.
func New(name string) *Database {
	return &Database{name: name, changed: map[uint32]struct{}{}, isUnknown: true}
}

// patience is how long Read waits for a lock, or an index that is being written.
const (
	patience = 2 * time.Second
	waitLock = 2 * time.Millisecond
)

// Read returns the database in a directory, which must stay open meanwhile, as its newest transaction has left it. It waits up to two seconds for a lock that another
// program has, and fails with ErrLocked then. The image has to be closed within about a second: until then no checkpoint ends.
func (d *Database) Read(ctx context.Context, dir *pinned.Dir) (*Image, error) {
	d.dir = dir
	for end := time.Now().Add(patience); ; {
		if time.Until(end) < patience/2 { // it is never calm
			d.disturbed = mostDisturbed
		}
		image, err := d.try()
		if err == nil || !errors.Is(err, errHeld) && !errors.Is(err, errUnsettled) {
			return image, err
		}
		if time.Now().After(end) {
			return nil, fmt.Errorf("%w: %w", ErrLocked, err)
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(waitLock):
		}
	}
}

// Changed returns the pages, counted from 1, that may be other than they were when Keep was called last. It reports false if any may be.
func (d *Database) Changed() (map[uint32]struct{}, bool) { return d.changed, !d.isUnknown }

// Keep has Changed count from the image on that was read last.
func (d *Database) Keep() {
	clear(d.changed)
	d.isUnknown = false
}

// Done notes that all of an image was read, so that the next one need not be locked.
func (d *Database) Done() { d.disturbed = 0 }

func (d *Database) note(page, _ uint32) { d.changed[page] = struct{}{} }

// try reads once. Of what it has opened, it leaves open what the image needs.
func (d *Database) try() (_ *Image, err error) {
	i := &Image{of: d}
	defer func() {
		if err != nil {
			_ = i.Close()
		}
	}()
	if i.file, err = d.open(""); err != nil {
		return nil, err
	}
	if i.before, err = stampOf(i.file); err != nil {
		return nil, err
	}
	if i.before.size == 0 {
		return nil, ErrEmpty
	}
	if i.header, err = readHeader(i.file); err != nil {
		return nil, err
	}
	if i.before.ino != d.ino {
		d.ino, d.log, d.isUnknown = i.before.ino, nil, true
	}
	if !i.header.wal {
		return i, i.beginPlain()
	}
	if err := shareDatabase(i.file); err != nil {
		return nil, err
	}
	if i.header, err = readHeader(i.file); err != nil || !i.header.wal {
		return nil, errors.Join(err, errUnsettled)
	}
	if i.before, err = stampOf(i.file); err != nil {
		return nil, err
	}
	return i, i.beginLogged()
}

// open opens a file of the database, as itself and no link. One that is not there is fs.ErrNotExist.
func (d *Database) open(suffix string) (*os.File, error) {
	f, err := d.dir.OpenFile(d.name+suffix, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%w: %s is a link", ErrNoDatabase, d.name+suffix)
	}
	if err != nil {
		return nil, err
	}
	if s, err := stampOf(f); err != nil || s.mode&unix.S_IFMT != unix.S_IFREG {
		_ = f.Close()
		return nil, errors.Join(err, fmt.Errorf("%w: %s is no file", ErrNoDatabase, f.Name()))
	}
	return f, nil
}

// openIfThere is open, or nil for what is not there.
func (d *Database) openIfThere(suffix string) (*os.File, error) {
	f, err := d.open(suffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // as its name says
	}
	return f, err
}

// isStill reports whether a name is that of an open file, or is not there if the file is nil.
func (d *Database) isStill(suffix string, f *os.File) (bool, error) {
	s, err := d.dir.Stat(d.name + suffix)
	if errors.Is(err, fs.ErrNotExist) {
		return f == nil, nil
	}
	if err != nil || f == nil {
		return false, err
	}
	is, err := stampOf(f)
	return err == nil && is.dev == s.Dev && is.ino == s.Ino, err
}

// IsDatabase reports whether an open file is a database.
func IsDatabase(f *os.File) bool {
	_, err := readHeader(f)
	return err == nil
}

func readHeader(f *os.File) (header, error) {
	var b [headerSize]byte
	if n, _ := f.ReadAt(b[:], 0); n < len(b) {
		return header{}, ErrNoDatabase
	}
	return parseHeader(b[:])
}

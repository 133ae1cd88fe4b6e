package image

import (
	"errors"
	"io"
	"os"
	"time"
)

// Image is a database as one transaction has left it. It implements io.ReaderAt: its content is that of a database without a log and
// without a journal.
type Image struct {
	of     *Database
	header header

	file    *os.File
	before  stamp // of the file
	log     *os.File
	index   *os.File
	journal *os.File
	pages   uint32

	isAlone bool             // all of it is in the file
	putBack map[uint32]int64 // by page: where the journal has what a killed program has overwritten
	isSafe  bool             // nothing of it can change until it is closed
}

// PageSize returns the size of its pages, in bytes.
func (i *Image) PageSize() int64 { return i.header.pageSize }

// Size returns its length, in bytes.
func (i *Image) Size() int64 { return int64(i.pages) * i.header.pageSize }

// HasLog reports whether the database has a write-ahead log, and not a rollback journal.
func (i *Image) HasLog() bool { return i.header.wal }

// mostLocked is for how long the writers of a database with a rollback journal wait that has been written to each time it was read.
const mostLocked = 5 * time.Second

// Patience returns for how long the image may be kept, if that is usually so long.
func (i *Image) Patience(usual time.Duration) time.Duration {
	if i.isSafe && !i.header.wal {
		return mostLocked
	}
	return usual
}

// File returns the file of the database, which stays the image's own.
func (i *Image) File() *os.File { return i.file }

// Identity tells which file it is: its device and its number.
func (i *Image) Identity() [2]uint64 { return [2]uint64{i.before.dev, i.before.ino} }

// Close gives its locks back.
func (i *Image) Close() error {
	var errs []error
	for _, f := range []*os.File{i.index, i.log, i.journal, i.file} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// ReadAt implements io.ReaderAt.
func (i *Image) ReadAt(b []byte, offset int64) (n int, err error) {
	for n < len(b) {
		at := offset + int64(n)
		if at >= i.Size() {
			return n, io.EOF
		}
		from, start, size := i.stretch(at, int64(len(b)-n))
		part := b[n : n+int(size)]
		got, err := from.ReadAt(part, start)
		if errors.Is(err, io.EOF) && from == i.file {
			if start+int64(got) < i.before.size { // it was cut off meanwhile
				return n, ErrChanged
			}
			clear(part[got:]) // pages that were never written, as the one with the locks
			err = nil
		}
		if err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

// stretch returns the file that has the content from an offset on, where in it, and for how many bytes, at most so many: pages that are one after
// the other in the file of the database are read at once.
func (i *Image) stretch(at, most int64) (from *os.File, start, size int64) {
	page, within := uint32(at/i.header.pageSize)+1, at%i.header.pageSize //nolint:gosec // a database has fewer than 2^32 pages
	from, start = i.where(page)
	size = i.header.pageSize - within
	for from == i.file && size < most {
		page++
		if also, _ := i.where(page); also != i.file {
			break
		}
		size += i.header.pageSize
	}
	return from, start + within, min(size, most, i.Size()-at)
}

// where returns the file that has a page, and where in it.
func (i *Image) where(page uint32) (*os.File, int64) {
	if at, is := i.putBack[page]; is {
		return i.journal, at
	}
	if i.log != nil && !i.isAlone {
		if frame, is := i.of.log.at[page]; is {
			return i.log, i.of.log.frame(frame) + frameHeader
		}
	}
	return i.file, int64(page-1) * i.header.pageSize
}

// Check reports whether what was read of the image is worth something: it fails if the database was written to meanwhile, which
// happens only to one that could not be locked. Read it again then.
func (i *Image) Check() error {
	if i.isSafe {
		return nil
	}
	err := i.areStillThere()
	if err == nil {
		err = i.isUnwritten()
	}
	if err == nil && i.log != nil && !i.isAlone && !i.of.log.isThere(i.log) {
		err = errUnsettled
	}
	if errors.Is(err, errUnsettled) {
		i.of.disturbed++
		return ErrChanged
	}
	return err
}

// areStillThere fails with errUnsettled if a file has been replaced, made or removed meanwhile.
func (i *Image) areStillThere() error {
	files := map[string]*os.File{"": i.file}
	if i.header.wal {
		files[Log], files[Index] = i.log, i.index
	} else {
		files[Journal] = i.journal
	}
	for suffix, f := range files {
		if is, err := i.of.isStill(suffix, f); err != nil {
			return err
		} else if !is {
			return errUnsettled
		}
	}
	return nil
}

// isUnwritten fails with errUnsettled if the file of the database is not as it was.
func (i *Image) isUnwritten() error {
	now, err := stampOf(i.file)
	if err != nil {
		return err
	}
	h, err := readHeader(i.file)
	switch {
	case now != i.before, errors.Is(err, ErrNoDatabase), h.changes != i.header.changes:
		return errUnsettled
	case err != nil:
		return err
	}
	writes, err := isWritten(i.file)
	if writes {
		err = errUnsettled
	}
	return err
}

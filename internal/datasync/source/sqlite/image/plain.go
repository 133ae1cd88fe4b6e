package image

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
)

// beginPlain begins with a database that has a rollback journal. Its program is not kept from writing, unless it has written each time
// the database was read.
func (i *Image) beginPlain() error {
	if i.isSafe = i.of.disturbed >= mostDisturbed; i.isSafe {
		if err := shareDatabase(i.file); err != nil {
			return err
		}
	} else if err := i.isCalm(); err != nil {
		return err
	}
	var err error
	if i.before, err = stampOf(i.file); err != nil { // as it is now that nobody writes
		return err
	}
	if i.header, err = readHeader(i.file); err != nil || i.header.wal {
		return errors.Join(err, errUnsettled)
	}
	if i.pages = i.header.pages; i.pages == 0 {
		i.pages = uint32(i.before.size / i.header.pageSize) //nolint:gosec // a database has fewer than 2^32 pages
	}
	if err := errors.Join(i.checkNoLog(), i.beginJournal()); err != nil {
		return err
	}
	if err := i.isPossible(int64(len(i.putBack))); err != nil {
		return err
	}
	d := i.of
	if d.log != nil || d.alone != i.before || d.changes != i.header.changes || i.putBack != nil {
		d.isUnknown = true
	}
	d.log, d.alone, d.changes = nil, i.before, i.header.changes
	i.isAlone = true
	return nil
}

// beginJournal reads a journal that a killed program left. One that is in use says nothing of the newest transaction.
func (i *Image) beginJournal() (err error) {
	if i.journal, err = i.of.openIfThere(Journal); err != nil || i.journal == nil {
		return err
	}
	begun, err := held(i.file, reservedByte, 1)
	if err != nil || begun {
		return err
	}
	return i.readJournal() // nobody will put back what it has but the next program that opens the database
}

// checkNoJournal fails if the next program would put back a journal before it looks at the log, as after a .restore that was killed.
func (i *Image) checkNoJournal() error {
	f, err := i.of.openIfThere(Journal)
	if err != nil || f == nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var b [len(journalMagic)]byte
	if n, _ := f.ReadAt(b[:], 0); n < len(b) || string(b[:]) != journalMagic {
		return nil
	}
	if begun, err := held(i.file, reservedByte, 1); err != nil || begun {
		return errors.Join(err, errUnsettled)
	}
	return fmt.Errorf("%w: a journal of a transaction that did not end lies beside its log", ErrDamaged)
}

// checkNoLog fails if the next program would read a log, whatever the file says of itself.
func (i *Image) checkNoLog() error {
	f, err := i.of.openIfThere(Log)
	if err != nil || f == nil {
		return err
	}
	defer func() { _ = f.Close() }()
	l, err := openLog(f)
	if errors.Is(err, errNoLog) {
		return nil
	}
	if err == nil {
		err = l.read(f, math.MaxUint32, func(uint32, uint32) {})
	}
	if err != nil || l.frames == 0 {
		return err
	}
	if writes, err := isWritten(i.file); err != nil || writes {
		return errors.Join(err, errUnsettled)
	}
	return fmt.Errorf("%w: a log lies beside it, and it says that it has none", ErrDamaged)
}

// mostDisturbed is how often in a row somebody may write to the database while it is read, before writers have to wait.
const mostDisturbed = 20

// isCalm fails with errUnsettled if somebody writes to the file, or did so lately.
func (i *Image) isCalm() error {
	if writes, err := isWritten(i.file); err != nil || writes {
		return errors.Join(err, errUnsettled)
	}
	if now, err := stampOf(i.file); err != nil || now != i.before {
		return errors.Join(err, errUnsettled)
	}
	return i.before.settled()
}

const (
	journalMagic  = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
	journalHeader = 28
	unknownCount  = 0xffffffff
	superSize     = 16 // of what ends a journal that names another file, besides the name
)

// journalPart is what a part of a journal begins with.
type journalPart struct {
	count, nonce, pages uint32
	pageSize, sector    int64
}

// readPart reads what a part of the journal begins with. It reports false if there is none: all of it was read, or its end was not durable
// yet, and then nothing of that was written over.
func (i *Image) readPart(at int64) (p journalPart, is bool, err error) {
	var b [journalHeader]byte
	if _, err := i.journal.ReadAt(b[:], at); errors.Is(err, io.EOF) || string(b[:8]) != journalMagic {
		return p, false, nil
	} else if err != nil {
		return p, false, err
	}
	p = journalPart{
		count: binary.BigEndian.Uint32(b[8:]), nonce: binary.BigEndian.Uint32(b[12:]), pages: binary.BigEndian.Uint32(b[16:]),
		sector: int64(binary.BigEndian.Uint32(b[20:])), pageSize: int64(binary.BigEndian.Uint32(b[24:])),
	}
	if p.count == unknownCount {
		p.count = math.MaxUint32
	}
	return p, p.sector >= 32 && p.sector <= maxPage && p.sector&(p.sector-1) == 0, nil
}

// isOfOne fails with ErrHalf if the journal belongs to a transaction of several databases.
func (i *Image) isOfOne() error {
	s, err := stampOf(i.journal)
	if err != nil {
		return err
	}
	names, err := namesSuper(i.journal, s.size)
	if names {
		return ErrHalf
	}
	return err
}

// readJournal finds the pages that a journal would put back.
func (i *Image) readJournal() error {
	if err := i.isOfOne(); err != nil {
		return err
	}
	putBack := map[uint32]int64{}
	for at, whole := int64(0), true; whole; {
		part, is, err := i.readPart(at)
		if err != nil {
			return err
		}
		if !is {
			break
		}
		if at == 0 {
			if part.pageSize != i.header.pageSize && part.pageSize != 0 {
				return fmt.Errorf("%w: its journal has pages of another size", ErrDamaged)
			}
			i.pages = part.pages
		}
		if at, whole, err = i.readRecords(putBack, at+part.sector, part.count, part.nonce); err != nil {
			return err
		}
		at = (at + part.sector - 1) / part.sector * part.sector
	}
	if len(putBack) > 0 {
		i.putBack = putBack
	}
	return nil
}

// readRecords finds the pages of one part of a journal, and reports whether it has all of them.
func (i *Image) readRecords(putBack map[uint32]int64, at int64, count, nonce uint32) (end int64, whole bool, err error) {
	size := i.header.pageSize
	b := make([]byte, 4+size+4)
	for range count {
		if _, err := i.journal.ReadAt(b, at); errors.Is(err, io.EOF) {
			return at, false, nil
		} else if err != nil {
			return at, false, err
		}
		page, sum := binary.BigEndian.Uint32(b), nonce
		for n := size - 200; n > 0; n -= 200 {
			sum += uint32(b[4+n])
		}
		if page == 0 || sum != binary.BigEndian.Uint32(b[4+size:]) {
			return at, false, nil
		}
		if _, is := putBack[page]; !is {
			putBack[page] = at + 4
		}
		at += int64(len(b))
	}
	return at, true, nil
}

// namesSuper reports whether a journal belongs to a transaction of several databases.
func namesSuper(f *os.File, size int64) (bool, error) {
	var b [8]byte
	if size < superSize {
		return false, nil
	}
	if _, err := f.ReadAt(b[:], size-8); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	return string(b[:]) == journalMagic, nil
}

package image

import (
	"errors"
	"fmt"
	"math"
)

// beginLogged begins with a database that has a write-ahead log, whose reader's lock is taken.
func (i *Image) beginLogged() (err error) {
	if err := i.checkNoJournal(); err != nil {
		return err
	}
	if i.log, err = i.of.openIfThere(Log); err != nil {
		return err
	}
	if i.index, err = i.of.openIfThere(Index); err != nil {
		return err
	}
	inUse, err := i.isInUse()
	if err != nil {
		return err
	}
	if inUse {
		return i.beginInUse()
	}
	if i.index != nil {
		if err := share(i.index, readLocks, 1); err != nil { // as of now no checkpoint changes the file
			return err
		}
		if inUse, err = i.isInUse(); err != nil {
			return err
		} else if inUse { // since when?
			return errUnsettled
		}
	}
	if elsewhere, err := held(i.file, sharedFirst, sharedSize); err != nil || elsewhere { // by a program whose -shm is another one, or gone
		return errors.Join(err, errUnsettled)
	}
	if i.before, err = stampOf(i.file); err != nil {
		return err
	}
	if err := i.before.settled(); err != nil {
		return err
	}
	return errors.Join(i.readLog([8]byte{}, math.MaxUint32), i.areStillThere())
}

// isInUse reports whether a program has the database open.
func (i *Image) isInUse() (bool, error) {
	if i.index == nil {
		return false, nil
	}
	return held(i.index, useLock, 1)
}

// beginInUse reads what the index says is committed.
func (i *Image) beginInUse() error {
	x, err := i.lockLog()
	if err != nil {
		return err
	}
	if err := i.areStillThere(); err != nil {
		return err
	}
	if err := i.locked(); err != nil {
		return err
	}
	if x.frames == 0 { // what the log holds is of the one before
		return i.withoutLog(x.salt)
	}
	if err := i.readLog(x.salt, x.frames); err != nil {
		return err
	}
	if !i.of.log.is(x) { // what was read before is not of this log
		i.of.log, i.of.isUnknown = nil, true
		if err := i.readLog(x.salt, x.frames); err != nil {
			return err
		}
	}
	if l := i.of.log; !l.is(x) {
		return fmt.Errorf("%w: of %d committed frames, %d are whole", ErrDamaged, x.frames, l.frames)
	}
	return nil
}

// locked notes that nothing of the image changes any more, and how the file is from now on.
func (i *Image) locked() (err error) {
	i.isSafe = true
	i.before, err = stampOf(i.file)
	return err
}

// lockLog takes a lock by which neither the frames that the index names change, nor what is in the file below them.
// It writes no mark of its own, as a reader of SQLite does, but shares one that is there: an old one holds back a checkpoint a little more.
func (i *Image) lockLog() (index, error) {
	x, err := readIndex(i.index)
	if err != nil {
		return index{}, err
	}
	slot := x.slot()
	if x.frames > 0 && slot == 0 {
		return index{}, errUnsettled
	}
	if err := share(i.index, readLocks+int64(slot), 1); err != nil {
		return index{}, err
	}
	now, err := readIndex(i.index)
	if err == nil && (now.salt != x.salt || now.marks[slot] != x.marks[slot] || slot == 0 && now.frames != 0) {
		err = errUnsettled
	}
	return now, err
}

// readLog reads what is new in the log up to a frame. The salt, if any, says which log it has to be.
func (i *Image) readLog(salt [8]byte, upTo uint32) error {
	d := i.of
	now, err := i.openLog()
	switch {
	case err != nil:
		return err
	case salt != [8]byte{} && now.salt != salt:
		return fmt.Errorf("%w: it belongs to another log", ErrDamaged)
	case d.log == nil || !d.log.goesOn(now, i.log, upTo):
		d.turnTo(i, now)
	}
	if d.log.pageSize > 0 {
		if err := d.log.read(i.log, upTo, d.note); err != nil {
			return err
		}
	}
	if d.log.frames == 0 {
		return i.withoutLog(d.log.salt)
	}
	i.pages = d.log.pages
	return i.isPossible(int64(d.log.frames))
}

// openLog reads what the log begins with; of none, it returns one without a salt.
func (i *Image) openLog() (*log, error) {
	none := &log{at: map[uint32]uint32{}}
	if i.log == nil {
		return none, nil
	}
	l, err := openLog(i.log)
	switch {
	case errors.Is(err, errNoLog):
		return none, nil
	case err == nil && l.pageSize != i.header.pageSize:
		return nil, fmt.Errorf("%w: it has pages of another size", ErrDamaged)
	}
	return l, err
}

// withoutLog takes the file alone, as all of the log is in it. The salt is that of the log that begins next, if it is known.
func (i *Image) withoutLog(salt [8]byte) error {
	if err := i.before.settled(); err != nil { // the next checkpoint might leave it with the same times
		return err
	}
	d := i.of
	if d.log == nil || d.log.salt != salt || d.log.frames > 0 || d.alone != i.before {
		d.turnTo(i, &log{salt: salt, at: map[uint32]uint32{}})
	}
	d.alone = i.before
	i.isAlone = true
	i.pages = uint32(i.before.size / i.header.pageSize) //nolint:gosec // a database has fewer than 2^32 pages
	return nil
}

// isPossible refuses more pages than the file has room for, and so many that lie elsewhere.
func (i *Image) isPossible(elsewhere int64) error {
	if most := i.before.size/i.header.pageSize + elsewhere; int64(i.pages) > most {
		return fmt.Errorf("%w: it says that it has %d pages, and there are %d at most", ErrDamaged, i.pages, most)
	}
	return nil
}

// turnTo goes over to another log. What is known to have changed stays known only if nothing of the one before was missed.
func (d *Database) turnTo(i *Image, now *log) {
	isKnown := d.log != nil && (d.log.frames == 0 && d.alone == i.before || d.ended(i, now))
	d.isUnknown = d.isUnknown || !isKnown
	d.log = now
}

// ended reads what is left of the log that was read, once the next one has begun to write over it, and reports whether it is sure
// to have all of it. By then all of it is in the file.
func (d *Database) ended(i *Image, now *log) bool {
	was := d.log
	if was.frames == 0 || i.log == nil || now.salt != nextSalt(was.salt, now.salt) || !was.hasLast(i.log) {
		return false
	}
	last := *was
	if err := was.read(i.log, math.MaxUint32, d.note); err != nil {
		return false
	}
	return last.hasLast(i.log) // what is written over it begins at the front
}

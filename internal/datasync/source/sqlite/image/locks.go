package image

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Where SQLite locks a database.
const (
	pendingByte  = 0x40000000
	reservedByte = pendingByte + 1
	sharedFirst  = pendingByte + 2
	sharedSize   = 510
)

// Where SQLite locks a -shm.
const (
	readLocks   = 123 // five of them
	readerSlots = 5
	useLock     = 128 // everybody who uses the -shm has it
)

// errHeld says that another program has a lock, so that ours has to wait.
var errHeld = errors.New("another program has locked it")

func flock(f *os.File, command int, kind int16, from, length int64) (unix.Flock_t, error) {
	l := unix.Flock_t{Type: kind, Whence: 0, Start: from, Len: length}
	err := unix.FcntlFlock(f.Fd(), command, &l)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return l, errHeld
	}
	if err != nil {
		return l, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return l, nil
}

// share takes a read lock, or fails with errHeld.
func share(f *os.File, from, length int64) error {
	_, err := flock(f, unix.F_OFD_SETLK, unix.F_RDLCK, from, length)
	return err
}

func unlock(f *os.File, from, length int64) error {
	_, err := flock(f, unix.F_OFD_SETLK, unix.F_UNLCK, from, length)
	return err
}

// held reports whether anybody has a lock that a write lock would have to wait for, besides this open file.
func held(f *os.File, from, length int64) (bool, error) {
	l, err := flock(f, unix.F_OFD_GETLK, unix.F_WRLCK, from, length)
	return l.Type != unix.F_UNLCK, err
}

// shareDatabase takes the lock of a reader of a database: nobody may write to the file of one with a rollback journal.
func shareDatabase(f *os.File) error {
	if err := share(f, pendingByte, 1); err != nil { // a writer that waits for its readers lets no new one in
		return err
	}
	err := share(f, sharedFirst, sharedSize)
	return errors.Join(err, unlock(f, pendingByte, 1))
}

// isWritten reports whether anybody writes to the file of a database, or is about to.
func isWritten(f *os.File) (bool, error) {
	for _, part := range [][2]int64{{pendingByte, 1}, {sharedFirst, sharedSize}} {
		l, err := flock(f, unix.F_OFD_GETLK, unix.F_RDLCK, part[0], part[1])
		if err != nil || l.Type != unix.F_UNLCK {
			return true, err
		}
	}
	return false, nil
}

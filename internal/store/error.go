package store

import (
	"errors"
	"fmt"
	"syscall"

	"baton/internal/pair"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// explain wraps an error with the act and, where the disk is to blame, the next
// step. What is said to a person already stays as it is.
func (d *database) explain(act string, err error) error {
	if err == nil {
		return nil
	}
	if pair.RefusalOf(err) != nil {
		return err
	}
	failed, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return fmt.Errorf("%s: %w", act, err)
	}
	switch failed.Code() & 0xff {
	case sqlitelib.SQLITE_FULL:
		return fmt.Errorf("%s: no room on the disk that holds %s: free some space: %w: %w", act, d.path, syscall.ENOSPC, err)
	case sqlitelib.SQLITE_READONLY:
		return fmt.Errorf("%s: %s cannot be written: make its disk and file writable: %w", act, d.path, err)
	case sqlitelib.SQLITE_IOERR, sqlitelib.SQLITE_CANTOPEN:
		return fmt.Errorf("%s: the disk that holds %s fails or is full: look at the kernel's log: %w", act, d.path, err)
	case sqlitelib.SQLITE_CORRUPT, sqlitelib.SQLITE_NOTADB:
		return fmt.Errorf("%s: %s is damaged: stop baton and put it back (baton backup restore): %w", act, d.path, err)
	}
	return fmt.Errorf("%s: %w", act, err)
}

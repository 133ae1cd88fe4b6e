package store

import (
	"errors"
	"fmt"
	"syscall"

	"baton/internal/pair"

	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// What callers branch on. The error that wraps one is a sentence for a person.
var (
	ErrConflict    = errors.New("changed meanwhile")
	ErrExists      = errors.New("exists already")
	ErrNotFound    = errors.New("not found")
	ErrCredentials = errors.New("user name, password or token not valid")
	ErrRefused     = errors.New("refused")
	ErrBusy        = errors.New("too many sign-ins at a time")
)

// refusal is a sentence for a person, of one of the kinds above.
type refusal struct {
	kind  error
	field string // whose value is in the way; empty: none by itself
	text  string
}

func (r *refusal) Error() string { return r.text }

// Unwrap returns the kind and, for a field, the pair.FieldError.
func (r *refusal) Unwrap() []error {
	if r.field == "" {
		return []error{r.kind}
	}
	return []error{r.kind, pair.FieldError{Field: r.field, Text: r.text}}
}

func refuse(kind error, format string, args ...any) error {
	return &refusal{kind: kind, text: fmt.Sprintf(format, args...)}
}

// refuseValue refuses a field's value because of what is there already.
func refuseValue(kind error, field, format string, args ...any) error {
	return &refusal{kind: kind, field: field, text: fmt.Sprintf(format, args...)}
}

// explain wraps an error with the act and, where the disk is to blame, the next
// step. What is said to a person already stays as it is.
func (s *Site) explain(act string, err error) error {
	if err == nil {
		return nil
	}
	_, refused := errors.AsType[*refusal](err)
	_, field := errors.AsType[pair.FieldError](err)
	if refused || field {
		return err
	}
	failed, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return fmt.Errorf("%s: %w", act, err)
	}
	switch failed.Code() & 0xff {
	case sqlitelib.SQLITE_FULL:
		return fmt.Errorf("%s: no room on the disk that holds %s: free some space: %w: %w", act, s.path, syscall.ENOSPC, err)
	case sqlitelib.SQLITE_READONLY:
		return fmt.Errorf("%s: %s cannot be written: make its disk and file writable: %w", act, s.path, err)
	case sqlitelib.SQLITE_IOERR, sqlitelib.SQLITE_CANTOPEN:
		return fmt.Errorf("%s: the disk that holds %s fails or is full: look at the kernel's log: %w", act, s.path, err)
	case sqlitelib.SQLITE_CORRUPT, sqlitelib.SQLITE_NOTADB:
		return fmt.Errorf("%s: %s is damaged: stop baton and put it back (baton backup restore): %w", act, s.path, err)
	}
	return fmt.Errorf("%s: %w", act, err)
}

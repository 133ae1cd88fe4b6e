package source

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"baton/internal/cause"
	"baton/internal/pair"
)

// Sentinels that the data sync tells apart.
var (
	ErrNoRoom     = errors.New("not enough room")
	ErrBlocked    = errors.New("data cannot be changed here")
	ErrReadOnly   = errors.New("the disk is read-only")
	ErrMissing    = errors.New("protected data is missing")
	ErrChanging   = errors.New("a file changes all the time")
	ErrUnsafe     = errors.New("what the peer sent is damaged or not safe to use")
	ErrNotAllowed = pair.Refuse(pair.Refused, "data may not be protected on this machine")
	ErrMismatch   = errors.New("content does not match its hash")
	ErrSums       = errors.New("it takes the sums of the old content to tell what differs")
)

// Sentence returns an error that wraps the kind and reads as one sentence for a person.
// Errors among the arguments are put in words of a person.
func Sentence(kind error, format string, args ...any) error {
	for i, arg := range args {
		if err, is := arg.(error); is {
			args[i] = Bare(err)
		}
	}
	return &pair.Refusal{Code: pair.CodeOf(kind), Text: fmt.Sprintf(format, args...), Cause: kind}
}

// Bare returns an error in words of a person, without the full stop, to stand within
// another sentence.
func Bare(err error) string { return strings.TrimRight(cause.Of(err), ". ") }

// Explain turns what the system reports of a place on this machine into a sentence.
func Explain(err error, where string) error {
	switch {
	case err == nil, pair.RefusalOf(err) != nil:
		return err
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return Sentence(ErrNoRoom, "The disk of %s is full (%v): make room there, or remove files if there are too many (df -i), then sync again; nothing was lost.", where, err)
	case errors.Is(err, syscall.EROFS):
		return Sentence(ErrReadOnly, "%s is on a read-only disk (%v): mount it writable, then sync again.", where, err)
	case errors.Is(err, fs.ErrPermission):
		return Sentence(fs.ErrPermission, "Baton may not do in %s what a sync needs (%v): run it as root, or give it CAP_DAC_OVERRIDE, CAP_CHOWN and CAP_FOWNER.", where, err)
	}
	_, byLink := errors.AsType[*net.OpError](err)
	if _, ok := errors.AsType[syscall.Errno](err); ok && !byLink {
		return Sentence(err, "%s cannot be read or written as a data sync needs it (%v): look at that file and its disk, then sync again.", where, err)
	}
	return err
}

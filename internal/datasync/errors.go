package datasync

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"baton/internal/cause"
	"baton/internal/datasync/source/directory"
	"baton/internal/pair"
)

// Sentinels that a caller may branch on. What is returned is one sentence for a
// person that wraps one of them.
var (
	ErrRunning    = errors.New("a data sync is running already")
	ErrStaleEpoch = pair.Refuse(pair.Refused, "the data is of an older epoch")
	ErrSetBack    = errors.New("the primary was set back")
	ErrNotPrimary = pair.Refuse(pair.Refused, "the peer does not offer its data")
	ErrShrink     = pair.Refuse(pair.Refused, "the primary's data shrank by more than half")
	ErrNoRoom     = errors.New("not enough room")
	ErrBlocked    = errors.New("a file or directory cannot be changed")
	ErrReadOnly   = errors.New("the disk is read-only")
	ErrMissing    = errors.New("a protected directory is missing")
	ErrChanging   = errors.New("a file changes all the time")
	ErrUnsafe     = errors.New("what the peer sent is damaged or not safe to use")
	ErrNotAllowed = pair.Refuse(pair.Refused, "a directory may not be protected on this machine")
	ErrRefused    = errors.New("the peer refused the data sync")
	ErrStalled    = errors.New("the peer stopped sending")
	ErrNotFound   = pair.Refuse(pair.NotFound, "no such diverged copy")
)

// sentence has errors among the arguments in words of a person.
func sentence(kind error, format string, args ...any) error {
	for i, arg := range args {
		if err, is := arg.(error); is {
			args[i] = strings.TrimRight(cause.Of(err), ". ")
		}
	}
	return &pair.Refusal{Code: pair.CodeOf(kind), Text: fmt.Sprintf(format, args...), Cause: kind}
}

// explain turns what the file system or the scan reports into a sentence.
func explain(err error, where string) error {
	var blocked *directory.BlockedError
	switch {
	case err == nil, pair.RefusalOf(err) != nil:
		return err
	case untrusted(err) != nil:
		return untrusted(err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return sentence(ErrNoRoom, "The disk of %s is full (%v): make room there, or remove files if there are too many (df -i), then sync again; nothing was lost.", where, err)
	case errors.Is(err, syscall.EROFS):
		return sentence(ErrReadOnly, "%s is on a read-only disk (%v): mount it writable, then sync again.", where, err)
	case errors.Is(err, directory.ErrMissing):
		return sentence(ErrMissing, "Protected directory %s does not exist: mount or restore it, or remove it from the protected data.", where)
	case errors.As(err, &blocked):
		return sentence(ErrBlocked, "%s %s, so that a data sync cannot change it: %s; the sync is tried again by itself.", blocked.Path, blocked.Why, blocked.Remedy)
	case errors.Is(err, directory.ErrChanging):
		return sentence(ErrChanging, "A file in %s cannot be copied (%v): stop its writer during the sync, or do not protect it.", where, err)
	case errors.Is(err, fs.ErrPermission):
		return sentence(fs.ErrPermission, "Baton may not do in %s what a sync needs (%v): run it as root, or give it CAP_DAC_OVERRIDE, CAP_CHOWN and CAP_FOWNER.", where, err)
	}
	_, byLink := errors.AsType[*net.OpError](err)
	if _, ok := errors.AsType[syscall.Errno](err); ok && !byLink {
		return sentence(err, "%s cannot be read or written as a data sync needs it (%v): look at that file and its disk, then sync again.", where, err)
	}
	return err
}

// wireCodes name sentinels on the wire.
func wireCodes() map[string]error {
	return map[string]error{
		"stale-epoch": ErrStaleEpoch,
		"set-back":    ErrSetBack,
		"not-primary": ErrNotPrimary,
		"missing":     ErrMissing,
		"changing":    ErrChanging,
		"no-room":     ErrNoRoom,
		"read-only":   ErrReadOnly,
		"unsafe":      ErrUnsafe,
		"not-allowed": ErrNotAllowed,
	}
}

// refusal is how one side tells the other why it does not go on.
type refusal struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

func refusalOf(err error) refusal {
	r := refusal{Code: "refused", Text: cause.Of(err)}
	for code, kind := range wireCodes() {
		if errors.Is(err, kind) {
			r.Code = code
		}
	}
	return r
}

// maxSentence bounds what a peer can put before a person.
const maxSentence = 1000

func (r refusal) asError() error {
	kind, ok := wireCodes()[r.Code]
	if !ok {
		kind = ErrRefused
	}
	return sentence(kind, "The primary says: %s", r.Text[:min(len(r.Text), maxSentence)])
}

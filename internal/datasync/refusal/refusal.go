// Package refusal is why a data sync does not go on: sentinels to branch on, and how one
// side tells the other.
package refusal

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"baton/internal/cause"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
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
	ErrRefused    = errors.New("the peer refused the data sync")
	ErrStalled    = errors.New("the peer stopped sending")
)

// wireCodes name sentinels on the wire.
func wireCodes() map[string]error {
	return map[string]error{
		"stale-epoch": ErrStaleEpoch,
		"set-back":    ErrSetBack,
		"not-primary": ErrNotPrimary,
		"missing":     source.ErrMissing,
		"changing":    source.ErrChanging,
		"no-room":     source.ErrNoRoom,
		"read-only":   source.ErrReadOnly,
		"unsafe":      source.ErrUnsafe,
		"not-allowed": source.ErrNotAllowed,
	}
}

// Refusal is how one side tells the other why it does not go on.
type Refusal struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

// Of returns what the other side is told of an error.
func Of(err error) Refusal {
	r := Refusal{Code: "refused", Text: cause.Of(err)}
	for code, kind := range wireCodes() {
		if errors.Is(err, kind) {
			r.Code = code
		}
	}
	return r
}

// Read returns the error that a frame of the primary says, by which it ends a stream.
func Read(payload []byte) error { return ReadFrom(Primary)(payload) }

// ReadFrom is Read for a frame of another peer, which begins a sentence.
func ReadFrom(who string) func(payload []byte) error {
	return func(payload []byte) error {
		var r Refusal
		if json.Unmarshal(payload, &r) != nil {
			return wire.Unsafe("a refusal that cannot be read")
		}
		return r.From(who)
	}
}

// In returns the error that an answer tells which is no good one, and closes it. Who gave it begins a sentence.
func In(answer *http.Response, who string) error {
	defer func() { _ = answer.Body.Close() }()
	var r Refusal
	if json.NewDecoder(io.LimitReader(answer.Body, wire.MaxRequest)).Decode(&r) != nil || r.Text == "" {
		r.Text = "HTTP " + answer.Status
	}
	return r.From(who)
}

// Primary is who answers a backup.
const Primary = "The primary"

// maxSentence bounds what a peer can put before a person.
const maxSentence = 1000

// From returns the sentence as an error to branch on. Who says it begins a sentence.
func (r Refusal) From(who string) error {
	kind, ok := wireCodes()[r.Code]
	if !ok {
		kind = ErrRefused
	}
	return source.Sentence(kind, "%s says: %s", who, r.Text[:min(len(r.Text), maxSentence)])
}

// SetBack is the sentence for both sides: the backup holds a snapshot with a number that the primary
// has never offered in this epoch.
func SetBack(newer, offered uint64) error {
	return source.Sentence(ErrSetBack, "The backup holds snapshot %d of this epoch, and this primary has never offered one above %d: its disk was set back to an older state. Nothing is synced until an administrator chooses whose data stays: run baton become primary on the backup, or baton become primary --force on the primary; the other's data is set aside.", newer, offered)
}

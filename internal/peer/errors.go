package peer

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"baton/internal/cause"
	"baton/internal/pair"
	"baton/internal/peer/channel"
	"baton/internal/peer/wire"
)

// Sentinels for callers. Every error of this package that concerns the peer wraps one of
// them.
var (
	ErrKeyMismatch     = pair.Refuse(pair.Refused, "the pre-shared keys of the two appliances differ: save the same key on both")
	ErrIdentityChanged = pair.Refuse(pair.Refused, "the peer shows another certificate than the one it was paired with: if it was reinstalled, break the relationship and pair again")
	ErrVersion         = pair.Refuse(pair.Refused, "the two appliances speak no common protocol version: bring both to the same release")
	ErrAlreadyPaired   = pair.Refuse(pair.Refused, "already paired with another appliance: break that relationship first")
	ErrNotPaired       = pair.Refuse(pair.Refused, "not paired: pair the two appliances first, on the one that holds the data: baton pair HOST")
	ErrUnreachable     = channel.ErrUnreachable
	ErrNotTold         = errors.New("the peer does not learn that the relationship is broken")
	ErrHoldsData       = pair.Refuse(pair.Refused, "the other appliance holds site data that would be replaced: run this on the one whose data stays, or confirm the replacement, on the command line with --replace")
	ErrThrottled       = pair.Refuse(pair.Refused, "too many failed attempts with a wrong key: wait, or save the pre-shared key anew")
	ErrNoKey           = pair.Refuse(pair.Refused, "no pre-shared key is saved: save the same key on both appliances first: baton key set")
	ErrReverse         = pair.Refuse(pair.Refused, "the other appliance cannot reach this one under the reverse connection details: correct them")
	ErrBusy            = pair.Refuse(pair.Refused, "a pairing is already under way: try again in a moment")
	ErrSenseless       = pair.Refuse(pair.Refused, "the peer tells of itself what cannot be: bring both appliances to the same release, and look at its state")
	ErrRefused         = pair.Refuse(pair.Refused, "the other appliance refused")
	ErrNotKnownThere   = pair.Refuse(pair.Refused, "the version of Baton on the peer does not know what it was asked: install the same version on both appliances")
)

// Unanswered returns the sentence for a person that a call got no answer. Why it failed goes to the log.
func Unanswered(err error) string {
	if restarted, ok := errors.AsType[channel.RestartedError](err); ok {
		return restarted.Error()
	}
	return "the peer does not answer: look at the peer machine, its cable and its network, then try again"
}

// RemoteError is a refusal that the peer sent: in the handshake, or as the
// problem answer of a call. It unwraps to the sentinel of its code, if there is one.
type RemoteError struct {
	Code string `json:"code"` // stable word, as "holds-data"
	Text string `json:"text"` // one sentence for a person
}

// Error implements error.
func (e *RemoteError) Error() string { return e.Text }

// Unwrap returns the sentinel that belongs to the code.
func (e *RemoteError) Unwrap() error {
	for _, known := range codes() {
		if known.code == e.Code {
			return known.err
		}
	}
	return ErrRefused
}

// IdentityError carries both pins when the peer's certificate is not the pinned one.
type IdentityError struct {
	Want string // pin of the peer that this appliance is paired with
	Got  string // pin that was shown
}

// Error implements error.
func (e *IdentityError) Error() string {
	return fmt.Sprintf("%v (paired with %s, shown %s)", ErrIdentityChanged, shortPin(e.Want), shortPin(e.Got))
}

// Unwrap returns ErrIdentityChanged.
func (e *IdentityError) Unwrap() error { return ErrIdentityChanged }

func shortPin(pin string) string { return pin[:min(16, len(pin))] }

type codedError struct {
	code string
	err  error
	told string // the sentence for the appliance that is refused; empty: that of err
}

// codes lists the sentinels that are sent over the link, each under its stable word.
func codes() []codedError {
	return []codedError{
		{"key-mismatch", ErrKeyMismatch, ""},
		{"identity-changed", ErrIdentityChanged, ""},
		{"version", ErrVersion, ""},
		{"already-paired", ErrAlreadyPaired, "the other appliance is already paired with another one: break that relationship there first"},
		{"not-paired", ErrNotPaired, "the other appliance is not paired with this one: break the relationship here too (baton unpair --force), then pair again, on the one that holds the data: baton pair HOST"},
		{"holds-data", ErrHoldsData, ""},
		{"throttled", ErrThrottled, "the other appliance refuses for a while after too many attempts with a wrong key: wait, or save the pre-shared key there anew"},
		{"no-key", ErrNoKey, "no pre-shared key is saved on the other appliance: save the same key there first: baton key set"},
		{"reverse", ErrReverse, ""},
		{"senseless", ErrSenseless, "this appliance tells of itself what cannot be: bring both to the same release, and look at its state"},
		{"busy", ErrBusy, "a pairing is already under way at the other appliance: try again in a moment"},
	}
}

// remote returns what the peer is told about an error.
func remote(err error) *RemoteError {
	if told := (*RemoteError)(nil); errors.As(err, &told) {
		return told
	}
	if version := (*wire.VersionError)(nil); errors.As(err, &version) {
		return &RemoteError{Code: "version", Text: version.Error()}
	}
	for _, known := range codes() {
		if errors.Is(err, known.err) {
			return &RemoteError{Code: known.code, Text: strings.Replace(cause.Of(err), known.err.Error(), cmp.Or(known.told, known.err.Error()), 1)}
		}
	}
	return &RemoteError{Code: "failed", Text: cause.Of(err)}
}

// refusesUs reports whether somebody answered and turned us away, so that
// trying again at once is of no use.
func refusesUs(err error) bool {
	return Classify(err) != pair.NoAnswer
}

// Classify says which kind of failed poll an error is. Everything but NoAnswer
// means that somebody is alive at the peer's address.
func Classify(err error) pair.PollFailure {
	switch {
	case errors.Is(err, ErrKeyMismatch), errors.Is(err, ErrThrottled), errors.Is(err, ErrNoKey):
		return pair.KeyMismatch
	case errors.Is(err, ErrIdentityChanged), errors.Is(err, ErrNotPaired), errors.Is(err, ErrAlreadyPaired):
		return pair.IdentityChanged
	case errors.Is(err, ErrVersion), errors.Is(err, ErrSenseless), errors.As(err, new(*wire.VersionError)):
		return pair.VersionMismatch
	}
	return pair.NoAnswer
}

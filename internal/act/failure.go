package act

import (
	"context"
	"errors"
	"net/url"
	"syscall"

	"baton/internal/cause"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
)

// Failure turns an error of an edge, or a refusal of the decision, into what a person
// reads. Errors that nobody can read pass as they are, for the log.
func Failure(err error) error {
	refusal := pair.RefusalOf(err)
	remote, fromPeer := errors.AsType[*peer.RemoteError](err)
	_, called := errors.AsType[*url.Error](err)
	reason, decided := errors.AsType[failover.Reason](err)
	switch {
	case err == nil, err == error(refusal): //nolint:errorlint // the refusal itself, not wrapped
		if decided {
			return advised(reason, err)
		}
		return err
	case fromPeer: // how it came here is for the log
		return &pair.Refusal{Code: pair.CodeOf(remote), Text: cause.Of(remote), Cause: err}
	case called && errors.Is(err, peer.ErrUnreachable):
		return &pair.Refusal{Code: pair.Unreachable, Text: peer.Unanswered(err), Cause: err}
	case refusal != nil:
		return &pair.Refusal{Code: refusal.Code, Text: cause.Of(err), Fields: refusal.Fields, Cause: err}
	case errors.Is(err, syscall.ENOSPC):
		return &pair.Refusal{Code: pair.Failed, Text: "the disk of this appliance's data directory is full: free some space there, then try again", Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &pair.Refusal{Code: pair.Unreachable, Text: cause.Of(err), Cause: err}
	}
	return err
}

// RefusedFor is a refusal of the decision, with its reason alone.
func RefusedFor(reason failover.Reason) error {
	return advised(reason, pair.Refuse(pair.Refused, "%w", reason))
}

// advised replaces the sentence of some reasons by one that says what to do.
func advised(reason failover.Reason, refusal error) error {
	advice := map[failover.Reason]*pair.Refusal{
		failover.PeerSilent: pair.Refuse(pair.Unreachable,
			"the peer does not answer: look at it, or repeat with --force to serve with the data that is here"),
		failover.AddressAnswers: pair.Refuse(pair.Refused,
			"the shared IP still answers, so its machine is alive: switch that machine off or pull its cable, then repeat"),
		failover.OtherSharedIPs: pair.Refuse(pair.Refused,
			"the shared IPs that are enabled on the two appliances are not the same, so the site would lose an address: compare what baton shared-ip list says on both and enable the same ones, or run baton become primary --force on the backup"),
		failover.NoPrimary: pair.Refuse(pair.Refused,
			"both appliances are backups, so nobody can hand over: repeat with --force on the one that handed over last, or whose data is newer"),
		failover.NotPaired: pair.Refuse(pair.Refused,
			"this appliance has no relationship: on the one that holds the data, run baton pair HOST"),
	}
	if better := advice[reason]; better != nil {
		return better
	}
	return refusal
}

// NotYet says that a later version will do what was asked.
func NotYet(what string) error {
	return pair.Refuse(pair.Refused, "%s is not available yet in this version", what)
}

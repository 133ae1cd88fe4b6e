package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"

	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/datasync"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/store"
)

// backend answers the API for this appliance. The files backend_*.go hold its
// methods by subject.
type backend struct {
	*Appliance
	tasks  *tasks
	gate   *gate // in front of the sign-in
	looks  *looks
	token  string // of the one-time setup
	newest glance

	inspected inspected
	setUp     sync.Mutex // two that know the token make one administrator
}

var _ api.Backend = (*backend)(nil)

func newBackend(a *Appliance) *backend {
	return &backend{Appliance: a, tasks: newTasks(a.log), gate: newGate(time.Now), looks: newLooks(), token: peer.Generate()}
}

// failure gives an error of an edge, or the decision's no, the code and the
// sentence that a person meets. Others pass as they are, for the log.
func failure(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*api.Error](err); ok {
		return err
	}
	if no, ok := errors.AsType[agent.RefusedError](err); ok {
		return refused(no)
	}
	text := cause.Of(err)
	remote, fromPeer := errors.AsType[*peer.RemoteError](err)
	if errors.Is(err, syscall.ENOSPC) && !fromPeer {
		return &api.Error{Code: api.Failed, Text: "the disk of this appliance's data directory is full: free some space there, then try again", Err: err}
	}
	if fromPeer {
		text = cause.Of(remote) // how it came here is for the log
	} else if _, called := errors.AsType[*url.Error](err); called && errors.Is(err, peer.ErrUnreachable) {
		text = peer.Unanswered(err)
	}
	var fields []pair.FieldError
	refused := api.RefusedFields(err)
	if refused != nil {
		fields = refused.Fields
	}
	switch code := codeOf(err); {
	case code != "":
		return &api.Error{Code: code, Text: text, Fields: fields, Err: err}
	case fromPeer:
		return &api.Error{Code: api.Refused, Text: text, Err: err}
	case refused != nil:
		return refused
	}
	return err
}

// codeOf returns the code of what an edge refuses; empty if the edges do not tell.
func codeOf(err error) api.Code {
	for _, known := range []struct {
		code  api.Code
		cause []error
	}{
		{api.Unreachable, []error{peer.ErrUnreachable, context.DeadlineExceeded}},
		{api.Usage, []error{peer.ErrUnfitKey}},
		{api.Conflict, []error{store.ErrConflict}},
		{api.TooMany, []error{store.ErrBusy}},
		{api.NotFound, []error{store.ErrNotFound, datasync.ErrNotFound}},
		{api.Unauthorized, []error{store.ErrCredentials}},
		{api.Refused, []error{
			store.ErrRefused, store.ErrExists, agent.ErrNotNow, peer.ErrKeyMismatch, peer.ErrIdentityChanged, peer.ErrVersion,
			peer.ErrAlreadyPaired, peer.ErrNotPaired, peer.ErrHoldsData, peer.ErrThrottled, peer.ErrNoKey, peer.ErrReverse,
			peer.ErrBusy, peer.ErrRefused, peer.ErrNotKnownThere, datasync.ErrShrink, datasync.ErrNotPrimary, datasync.ErrStaleEpoch, datasync.ErrNotAllowed,
		}},
	} {
		if slices.ContainsFunc(known.cause, func(cause error) bool { return errors.Is(err, cause) }) {
			return known.code
		}
	}
	return ""
}

func refusedReason(reason failover.Reason) error { return refused(agent.RefusedError{Reason: reason}) }

func refused(no agent.RefusedError) error {
	if no.Reason == failover.PeerSilent {
		return api.Errorf(api.Unreachable, "the peer does not answer: look at it, or repeat with --force to serve with the data that is here")
	}
	if no.Reason == failover.AddressAnswers {
		return api.Errorf(api.Refused, "the shared IP still answers, so its machine is alive: switch that machine off or pull its cable, then repeat")
	}
	if no.Reason == failover.NotPaired {
		return api.Errorf(api.Refused, "this appliance has no relationship: on the one that holds the data, run baton pair HOST")
	}
	return api.Errorf(api.Refused, "%s", no)
}

// by names who asks, for the audit. In a browser, the first administrator is made
// by nobody who has a name yet.
func by(ctx context.Context) pair.Actor {
	caller, known := api.CallerFrom(ctx)
	if !known {
		return pair.Actor{Name: "baton"}
	}
	return pair.Actor{Name: cmp.Or(caller.Name, "setup"), From: caller.From}
}

// audit records that somebody changed something.
func (b *backend) audit(ctx context.Context, format string, args ...any) {
	b.history.Record(pair.Event{
		Kind: pair.KindSettingChanged, Text: by(ctx).String() + " " + fmt.Sprintf(format, args...) + ".",
		Detail: by(ctx).Note(),
	})
}

package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"baton/internal/act"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/stream"
	"baton/internal/peer/wire"
	"baton/internal/sharedip"
)

// partner is the peer, as the agent needs it.
type partner struct {
	link    *peer.Link
	check   func(pair.View) error
	notice  func(pair.View)
	seq     atomic.Uint64
	ack     atomic.Uint64 // newest poll of ours whose answer came
	refusal atomic.Pointer[error]
}

// Poll implements agent.Peer.
func (p *partner) Poll(ctx context.Context, view pair.View) (pair.View, error) {
	poll := wire.Poll{Seq: p.seq.Add(1), Ack: p.ack.Load(), View: view}
	answer, err := peer.Call[wire.Poll, wire.Answer](ctx, p.link.Control(), wire.PathPoll, poll)
	if err != nil {
		p.noteRefusal(err)
		return pair.View{}, err
	}
	if err := p.check(answer.View); err != nil {
		return pair.View{}, err
	}
	p.notice(answer.View)
	p.ack.Store(answer.Seq)
	return answer.View, nil
}

// noteRefusal keeps why the peer refused us, with the fingerprint of the key here
// beside that of the peer's, which it tells.
func (p *partner) noteRefusal(err error) {
	if peer.Classify(err) == pair.KeyMismatch {
		if told, ok := errors.AsType[*peer.RemoteError](err); ok {
			err = told
		}
		p.refusal.Store(new(fmt.Errorf("%w; the key here has the fingerprint %s", err, p.link.KeyState().Fingerprint)))
	}
}

// Refused implements agent.Peer.
func (p *partner) Refused() error {
	if why := p.refusal.Load(); why != nil {
		return *why
	}
	return nil
}

// Failure implements agent.Peer.
func (p *partner) Failure(err error) pair.PollFailure { return peer.Classify(err) }

// Hold implements agent.Peer.
func (p *partner) Hold(ctx context.Context, epoch pair.Epoch) error {
	return plainly(peer.Ask(ctx, p.link.Control(), wire.PathHold, wire.Hold{Epoch: epoch}))
}

// EndHold implements agent.Peer.
func (p *partner) EndHold(ctx context.Context) error {
	return peer.Ask(ctx, p.link.Control(), wire.PathEndHold, wire.Plain{})
}

// Commit implements agent.Peer.
func (p *partner) Commit(ctx context.Context, ask failover.CommitAsked) error {
	return plainly(peer.Ask(ctx, p.link.Control(), wire.PathCommit, wire.Commit{
		Next: ask.Next, Snapshot: ask.Snapshot, Final: ask.Final, Forward: ask.Forward,
	}))
}

// Release implements agent.Peer.
func (p *partner) Release(ctx context.Context, epoch pair.Epoch) error {
	return plainly(peer.Ask(ctx, p.link.Control(), wire.PathRelease, wire.Release{Epoch: epoch}))
}

// plainly leaves of an error of the link what a person can use: the peer's own words,
// or that it does not answer.
func plainly(err error) error {
	if told, fromPeer := errors.AsType[*peer.RemoteError](err); fromPeer {
		return told
	}
	if errors.Is(err, peer.ErrUnreachable) || errors.Is(err, context.DeadlineExceeded) {
		return errors.New(peer.Unanswered(err))
	}
	return err
}

// Take implements agent.Peer. It lasts as long as the switch, so it keeps off
// the connection of the polls.
func (p *partner) Take(ctx context.Context, become failover.BecomePrimary) error {
	return peer.Ask(ctx, p.link.Bulk(), wire.PathTake, wire.Take{
		Final: become.FinalSync, Automatic: become.Automatic, Stops: become.Stops, WithinMS: become.Within.Milliseconds(),
	})
}

// handlePeer answers the peer's messages.
func (a *Appliance) handlePeer() {
	done := wire.Plain{}
	a.link.Handle("POST "+wire.PathPoll, peer.Serve(func(ctx context.Context, q wire.Poll) (wire.Answer, error) {
		if err := a.checkView(q.View); err != nil {
			return wire.Answer{}, err
		}
		a.exchange.Notice(q.View)
		view, err := a.agent.Polled(ctx, q.Seq, q.Ack, q.View)
		return wire.Answer{Seq: q.Seq, View: view}, err
	}))
	a.link.Handle("POST "+wire.PathHold, peer.Serve(func(ctx context.Context, q wire.Hold) (wire.Plain, error) {
		err := a.agent.Asked(ctx, failover.HoldAsked{Epoch: q.Epoch})
		if err == nil {
			a.lead.Finish()
		}
		return done, act.Remote(err)
	}))
	a.link.Handle("POST "+wire.PathEndHold, peer.Serve(func(context.Context, wire.Plain) (wire.Plain, error) {
		a.agent.Tell(failover.HoldEnded{})
		return done, nil
	}))
	a.link.Handle("POST "+wire.PathCommit, peer.Serve(func(ctx context.Context, q wire.Commit) (wire.Plain, error) {
		return done, act.Remote(a.agent.Asked(ctx, failover.CommitAsked{Next: q.Next, Snapshot: q.Snapshot, Final: q.Final, Forward: q.Forward}))
	}))
	a.link.Handle("POST "+wire.PathRelease, peer.Serve(func(ctx context.Context, q wire.Release) (wire.Plain, error) {
		return done, act.Remote(a.agent.Asked(ctx, failover.ReleaseAsked{Epoch: q.Epoch}))
	}))
	a.link.Handle(wire.PathSite, a.doors.PassedOn())
	a.link.Handle("POST "+wire.PathTake, peer.Serve(func(ctx context.Context, q wire.Take) (wire.Plain, error) {
		return done, act.Remote(a.agent.Do(ctx, failover.BecomePrimary{
			FinalSync: q.Final, Automatic: q.Automatic, Stops: q.Stops, Within: time.Duration(q.WithinMS) * time.Millisecond,
		}))
	}))
	a.link.Handle("POST "+wire.PathExchange, peer.Serve(a.exchange.Answer))
	a.link.Handle("POST "+wire.PathSettings, peer.Serve(a.acts.settings.Asked))
	a.link.Handle("POST "+wire.PathRestore, stream.Serve(a.acts.diverged.RestoreAsked))
	a.link.Handle("POST "+wire.PathRoom, peer.Serve(a.allowing.PlaceAsked))
	a.link.Handle("POST "+wire.PathPing, peer.Serve(a.acts.addresses.PingAsked))
	a.link.Handle("POST "+wire.PathSync, peer.Serve(func(ctx context.Context, q wire.Sync) (wire.Plain, error) {
		return done, act.Remote(a.agent.SyncNow(ctx, q.AcceptShrink))
	}))
	a.link.Handle("POST "+wire.PathCancel, peer.Serve(func(context.Context, wire.Plain) (wire.Plain, error) {
		return done, a.acts.syncs.CancelAsked()
	}))
	a.link.Handle("POST "+wire.PathUnsynced, peer.Serve(a.acts.roles.UnsyncedAsked))
	a.link.Handle("POST "+wire.PathEndMaintenance, peer.Serve(a.acts.upkeep.EndMaintenanceAsked))
	a.link.Handle("POST "+wire.PathReport, peer.Serve(a.exchange.Report))
	a.link.Handle(wire.Prefix+"data/", http.StripPrefix(strings.TrimSuffix(wire.Prefix, "/"), a.engine.Handler()))
}

// maxEpochJump is by how much a peer's epoch may be ahead of ours: more takeovers
// than there can have been.
const maxEpochJump = 1 << 32

// checkView refuses what a peer with the pinned identity cannot tell of itself: a
// damaged state, or an intruder who has its identity and key, must neither use
// up the epochs nor bend our timeouts. Such a peer is alive all the same.
func (a *Appliance) checkView(view pair.View) error {
	pinned, paired := a.link.Paired()
	own := a.local.State().Record.Epoch
	switch {
	case !paired:
		return peer.ErrNotPaired
	case view.ID != pinned.ID:
		return fmt.Errorf("%w (it calls itself %.8q, and its certificate is that of %s)", peer.ErrSenseless, string(view.ID), pinned.ID.Short())
	case view.Epoch.Above(own) && view.Epoch.Counter-own.Counter > maxEpochJump:
		return fmt.Errorf("%w (epoch %s)", peer.ErrSenseless, view.Epoch)
	case view.Timeout < pair.MinTimeout || view.Timeout > pair.MaxTimeout:
		return fmt.Errorf("%w (a timeout of %s)", peer.ErrSenseless, view.Timeout)
	}
	a.runs.Heard(view.Run, time.Now())
	return nil
}

// sightings tells the decision of other machines that announce or probe a shared IP.
func (a *Appliance) sightings() sharedip.Events {
	return sharedip.Events{
		Foreign: func(owner sharedip.Owner) {
			a.log.Warn("another machine announces a shared ip", slog.String("owner", owner.String()))
			a.agent.Tell(failover.ForeignOwner{})
		},
		Elsewhere: func(owner sharedip.Owner) {
			if a.ips.isTicked(owner.IP) {
				a.agent.Tell(failover.ForeignOwner{})
			}
		},
		Probed: func(by sharedip.Owner) {
			if a.ips.isTicked(by.IP) {
				a.agent.Tell(failover.RivalProbed{})
			}
		},
		Links: func(carrier map[string]bool) {
			if up, changed := a.ips.linked(carrier); changed {
				a.agent.Tell(failover.CarrierSeen{Up: up})
			}
		},
		Strays: a.strays.Note,
	}
}

package failovertest

import (
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// Where canonical worlds stand in time, and what is so long ago, in timeouts,
// that it makes no difference how long.
const (
	canonicalNow = failover.Instant(1e15)
	longAgo      = 3
)

// canonize moves a world to a fixed time: two worlds that differ only in when
// they happen are one.
func canonize(w *World) {
	shift := canonicalNow - w.Now
	oldest := canonicalNow.Add(-longAgo * w.longest())
	w.Instants(func(t *failover.Instant) {
		if *t != 0 && *t != failover.Never {
			*t = max(*t+shift, oldest)
		}
	})
	for i := range w.Sides {
		w.Sides[i].forget(canonicalNow)
	}
}

// longest is the longest timeout that either goes by.
func (w *World) longest() (timeout time.Duration) {
	for i := range w.Sides {
		s := &w.Sides[i]
		timeout = max(timeout, s.Config.Timeout, s.State.Peer.Timeout, s.Config.TakeoverAfter(s.State))
	}
	return timeout
}

// forget drops what a side knows but can make no difference any more.
func (s *Side) forget(now failover.Instant) {
	for _, t := range []*failover.Instant{
		&s.State.Retry, &s.State.NextPoll, &s.State.NextRenew, &s.State.Offered,
		&s.State.Evidence.NextTest, &s.State.Evidence.NextProbe,
	} {
		*t = max(*t, now) // what is due is due
	}
	s.State.Peer.Hold.Within = 0 // the decision goes by when it will end
	if !s.State.Evidence.Testing {
		s.State.Evidence.TestBegan = 0
	}
	if !s.State.Evidence.Probing {
		s.State.Evidence.ProbeBegan = 0
	}
	s.Waited = 0
	if !s.Queued {
		s.Queue = pair.View{}
	}
}

// Instants calls f with every instant in the world.
func (w *World) Instants(f func(*failover.Instant)) {
	for _, t := range []*failover.Instant{
		&w.Now, &w.Cached, &w.Broken, &w.Split, &w.Overlap.At, &w.Outage[Alpha], &w.Outage[Beta],
		&w.Online[Alpha], &w.Online[Beta],
	} {
		f(t)
	}
	for i := range w.Sides {
		s := &w.Sides[i]
		f(&s.Address)
		f(&s.Traffic)
		f(&s.Doors)
		f(&s.Acked.At)
		f(&s.Left.Until)
		for k := range s.Due {
			f(&s.Due[k].At)
		}
		stateInstants(&s.State, f)
	}
}

func stateInstants(s *failover.State, f func(*failover.Instant)) {
	e := &s.Evidence
	for _, t := range []*failover.Instant{
		&s.Since, &s.Now, &s.Wake, &s.PeerHeard.At, &s.PrimaryHeard.At, &s.Confirmed.At, &s.Failed.At, &s.NextPoll,
		&s.LeaveBy, &s.Inherited, &s.PassedOn, &s.Switch.Word.At, &s.Switch.By.At, &s.Switch.Began, &s.Switch.Told.At, &s.Switch.Until.At, &s.DutyAgain.At, &s.NextRenew, &s.Retry, &s.ReleaseAt.At, &s.SnapshotAt.At, &s.Offered, &s.Foreign.At,
		&s.Takeovers[0].At, &s.Takeovers[1].At, &s.Takeovers[2].At,
		&e.TestBegan, &e.NextTest, &e.Reached.At, &e.ReachedSince.At, &e.ProbeBegan, &e.NextProbe,
		&e.Silent.At, &e.SilentSince.At, &s.ArmedAt.At, &e.Owned.At, &e.Probed.At, &s.Changed.At, &s.SickAt.At, &s.Unsynced.At, &s.Unplugged.At, &s.Plugged, &s.Agreeing.At, &s.Reconciled.At, &e.Rival.At, &e.RivalSince.At, &s.Ready.At, &s.RenewFails.At, &e.LastCheck.At, &e.Reclaimed.At, &e.From,
	} {
		f(t)
	}
}

package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"baton/internal/cause"
	"baton/internal/failover"
	"baton/internal/pair"
)

// syncs runs data syncs, one at a time: those of the schedule, those that an
// administrator asks for, and those of a handover. A sync ends when the role
// that allows it does.
type syncs struct {
	agent   *Agent
	tally   *tally
	turn    chan struct{} // holds one token: the goroutine that has it may pull
	looking atomic.Bool   // whether the data is whole

	mu      sync.Mutex
	epoch   pair.Epoch // under which pulling is allowed now; zero: it is not
	allowed context.Context
	forbid  context.CancelFunc
	cancel  context.CancelFunc // of the running sync; nil: none runs
	retry   time.Time          // after a failure
	pause   time.Duration      // that the next failure costs
	began   time.Time          // of the newest automatic sync
	follows bool               // the newest one succeeded, and the primary can tell when something changes
	wake    chan struct{}
}

// settleLimit bounds how long a sync that is asked for waits until it is possible.
const settleLimit = 10 * time.Second

// Automatic syncs that fail are tried again, soon at first.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// withheldPause is how soon a primary that withholds its data is asked again.
const withheldPause = 200 * time.Millisecond

// ErrWithheld is what Data.Pull returns while the primary offers no data, as when
// it is just opening its site.
var ErrWithheld = errors.New("the primary offers no data yet")

// ErrNotNow is returned while no data can be pulled in this state.
var ErrNotNow = pair.Refuse(pair.Refused, "no data sync is possible now: this appliance is not the backup of a primary that answers")

func newSyncs(agent *Agent) *syncs {
	s := &syncs{agent: agent, tally: &tally{history: agent.History}, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	s.allowed, s.forbid = context.WithCancel(context.Background())
	s.forbid()
	return s
}

// allow says under which epoch data may be pulled now; the zero epoch forbids
// it. A running sync of another epoch ends.
func (s *syncs) allow(epoch pair.Epoch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if epoch == s.epoch {
		return
	}
	s.forbid()
	s.tally.end(s.agent.Wall())
	s.epoch = epoch
	if !epoch.IsZero() {
		s.allowed, s.forbid = context.WithCancel(context.Background())
		s.retry, s.pause = time.Time{}, firstRetry
		s.began, s.follows = time.Time{}, false // the first sync under a new epoch waits for no schedule
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run starts the automatic syncs until ctx ends.
func (s *syncs) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s.tally.due(s.agent.Wall())
		timer.Reset(s.untilNext())
		select {
		case <-ctx.Done():
			s.allow(pair.Epoch{})
			return
		case <-s.wake:
		case <-timer.C:
			s.automatic(ctx)
		}
	}
}

const lookAgain = time.Second // how soon a change of the schedule is noticed

func (s *syncs) untilNext() time.Duration {
	next := s.Next()
	if next.IsZero() {
		return lookAgain
	}
	return min(max(next.Sub(s.agent.Wall()), 0), lookAgain)
}

// Next says when the next automatic sync begins; zero if none is due.
func (s *syncs) Next() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch.IsZero() || !s.agent.Decision().Config.BackupOperations {
		return time.Time{}
	}
	if !s.retry.IsZero() { // the newest one failed
		return s.retry
	}
	if s.began.IsZero() {
		return s.agent.Wall()
	}
	next := s.agent.Schedule(s.began)
	if s.follows && next.Sub(s.began) <= followWithin {
		return s.began.Add(followPause)
	}
	return next
}

// A backup whose schedule has no longer interval than this does not wait for its time, but for
// a change on the primary.
const followWithin = 2 * time.Second

const followPause = 500 * time.Millisecond // between the beginnings of two syncs

// await waits for a change on the primary, if it can tell. It reports whether there is something to pull.
func (s *syncs) await(ctx context.Context, epoch pair.Epoch) bool {
	s.mu.Lock()
	follows, allowed := s.follows, s.allowed
	s.mu.Unlock()
	if !follows {
		return true
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(allowed, cancel)()
	taken := s.agent.Clock()
	awaited, err := s.agent.Data.Await(ctx, epoch, followWithin)
	switch {
	case err != nil || !awaited.Follows:
		s.setFollows(false)
		return false // the schedule says when
	case !awaited.Same:
		return true
	}
	if waited := taken.Add(followWithin); s.agent.Clock() >= waited {
		taken = waited // the primary looked once more at the end
	}
	s.agent.Tell(failover.DataChanged{Snapshot: awaited.Snapshot, Taken: failover.Moment{At: taken, Set: true}})
	return false
}

func (s *syncs) setFollows(follows bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follows = follows
}

func (s *syncs) automatic(ctx context.Context) {
	next := s.Next()
	if next.IsZero() || next.After(s.agent.Wall()) {
		return
	}
	s.mu.Lock()
	pull := Pull{Epoch: s.epoch, Automatic: true, First: s.began.IsZero()}
	s.mu.Unlock()
	if !pull.First && !s.await(ctx, pull.Epoch) {
		return
	}
	err := s.once(ctx, pull)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.follows = err == nil; s.follows {
		s.retry, s.pause = time.Time{}, firstRetry
		return
	}
	s.retry = s.agent.Wall().Add(s.pause)
	s.pause = min(2*s.pause, lastRetry)
}

// once pulls one snapshot, after any sync that runs already.
func (s *syncs) once(ctx context.Context, pull Pull) error {
	select {
	case <-s.turn:
		defer func() { s.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, end, err := s.begin(ctx, pull.Epoch)
	if err != nil {
		return err
	}
	defer end()
	taken := s.agent.Clock()
	began := s.agent.Wall()
	pulled, err := s.agent.Data.Pull(ctx, pull)
	s.report(pulled, pull, began, err)
	s.tellTorn() // also if a takeover has just ended the sync
	switch {
	case err != nil && !s.allows(pull.Epoch):
		return ErrNotNow
	case err != nil:
		return err
	}
	s.agent.Tell(failover.DataChanged{Snapshot: pulled.Snapshot, Taken: failover.Moment{At: taken, Set: true}})
	return nil
}

// allows reports whether data of this epoch may be pulled now.
func (s *syncs) allows(epoch pair.Epoch) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.epoch.IsZero() && epoch == s.epoch
}

func (s *syncs) begin(ctx context.Context, epoch pair.Epoch) (context.Context, context.CancelFunc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.epoch.IsZero() || epoch != s.epoch {
		return nil, nil, ErrNotNow
	}
	s.began = s.agent.Wall()
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.allowed, cancel)
	s.cancel = cancel
	return ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cancel = nil
		stop()
		cancel()
	}, nil
}

// report counts for the history what is worth reading: failures, and syncs that
// brought something, were asked for, or are the first of an epoch. One more look
// of a continuous schedule at data that has not changed is not.
func (s *syncs) report(pulled Pulled, pull Pull, began time.Time, err error) {
	now := s.agent.Wall()
	took := now.Sub(began).Round(time.Millisecond)
	asked := !pull.Automatic || pull.First
	if err != nil {
		s.agent.Log.Warn("data sync failed", slog.String("error", err.Error()))
		if pull.Automatic && (errors.Is(err, ErrWithheld) || s.overtaken()) {
			return
		}
		text, detail := cause.Sentence(err)
		s.tally.add(now, sum{failure: text, cause: detail, asked: asked, took: took})
		return
	}
	number := pulled.Snapshot.Number
	s.agent.Log.Debug("data sync done", slog.Uint64("number", number), slog.Duration("took", took))
	if pulled.Files == 0 && pulled.Bytes == 0 && !asked {
		return
	}
	s.tally.add(now, sum{asked: asked, first: number, last: number, files: pulled.Files, bytes: pulled.Bytes, took: took})
}

// overtaken reports whether there is nothing to pull any more, since this
// appliance is on its way to be the primary: what that ends has not failed.
func (s *syncs) overtaken() bool {
	decision := s.agent.Decision()
	return !decision.Config.MaySync(decision.State)
}

// tellTorn has the decision know whether a snapshot is half in place.
func (s *syncs) tellTorn() {
	if torn := s.agent.Data.Torn(); torn != s.agent.Decision().State.Torn {
		s.agent.Tell(failover.DataTorn{Torn: torn})
	}
}

// lookAtData runs tellTorn while the primary is silent: the decision must know that a disk
// has gone before it raises an epoch. A disk that hangs delays nobody.
func (s *syncs) lookAtData() {
	if s.agent.Decision().State.Record.Role != pair.Backup || !s.looking.CompareAndSwap(false, true) {
		return
	}
	s.agent.beside.Go(func() {
		defer s.looking.Store(false)
		s.tellTorn()
	})
}

// DataOffered says which snapshot is about to be offered. Unless it succeeds, the
// snapshot must not be offered: the peer would know a number that the decision does not.
func (a *Agent) DataOffered(ctx context.Context, offer pair.Snapshot) error {
	return a.inbox.post(ctx, message{event: failover.DataOffered{Snapshot: offer}})
}

// DataMended says that a snapshot that was half in place was looked at again outside of a
// sync; newest is the snapshot that is whole now.
func (a *Agent) DataMended(newest pair.Snapshot) {
	if newest.Compare(a.Decision().State.Record.Snapshot) > 0 {
		a.Tell(failover.DataChanged{Snapshot: newest, Taken: a.takenAt(newest)})
	}
	a.syncs.tellTorn()
}

// SyncNow pulls one snapshot at an administrator's word.
func (a *Agent) SyncNow(ctx context.Context, acceptShrink bool) error {
	return a.syncs.soon(ctx, Pull{AcceptShrink: acceptShrink})
}

// soon pulls once, in the epoch that is in force then. Right after pairing, or a change of
// roles, it waits a little until pulling is possible and the primary has opened its site.
// It looks again if a change ends the sync, so that the answer says what has changed.
func (s *syncs) soon(ctx context.Context, pull Pull) error {
	patience, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for {
		changed := s.agent.Changed()
		decision := s.agent.Decision()
		if decision.State.Record.Role == pair.Backup && decision.State.Peer.SetBack {
			return refusal(failover.PrimarySetBack, "")
		}
		var reason error = ErrNotNow
		if decision.Config.MaySync(decision.State) {
			pull.Epoch = decision.State.Record.Epoch
			reason = s.once(ctx, pull)
			if !errors.Is(reason, ErrWithheld) && !errors.Is(reason, ErrNotNow) {
				return reason
			}
		} else if decision.State.Record.Role != pair.Backup {
			return ErrNotNow
		}
		select {
		case <-changed:
		case <-time.After(withheldPause):
		case <-patience.Done():
			return reason
		}
	}
}

// CancelSync ends the running data sync; it reports false if none runs.
func (a *Agent) CancelSync() bool {
	a.syncs.mu.Lock()
	defer a.syncs.mu.Unlock()
	if a.syncs.cancel == nil {
		return false
	}
	a.syncs.cancel()
	return true
}

// SyncBegan says when the newest automatic data sync began; zero if none has.
func (a *Agent) SyncBegan() time.Time {
	a.syncs.mu.Lock()
	defer a.syncs.mu.Unlock()
	return a.syncs.began
}

// NextSync says when the next automatic data sync begins; zero if none will.
func (a *Agent) NextSync() time.Time { return a.syncs.Next() }

// Package failovertest runs two appliances of package failover against each
// other in virtual time: the real decision, with simulated disks, kernels and
// cables. Stories, the explorer and long random runs share one World.
//
// Start reading at World and Advance; side.go is one appliance, network.go what lies
// between the two, effects.go carries actions out, faults.go lists what can go wrong,
// invariants.go what must hold all the same, story.go reads the scripts in testdata.
package failovertest

import (
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// The two appliances.
const (
	Alpha = 0
	Beta  = 1
)

// Name returns the appliance's name.
func Name(side int) string { return [...]string{"alpha", "beta"}[side] }

// World is two appliances and the network between them. It is comparable, so
// that the explorer can tell worlds that it has seen.
type World struct {
	Now   failover.Instant
	Sides [2]Side
	Network
	Past
	Bug string // an invariant that was found broken
}

// Observer is told what the appliances do. It may be nil.
type Observer func(side int, action failover.Action)

// New returns a world with two unpaired appliances that have not been started.
func New(config failover.Config) World {
	w := World{Now: failover.Instant(time.Hour)}
	w.Online = [2]failover.Instant{w.Now, w.Now}
	w.Outage, w.Broken, w.Split = [2]failover.Instant{w.Now, w.Now}, w.Now, w.Now
	w.Link, w.Gateway = [2]bool{true, true}, [2]bool{true, true}
	for i := range w.Sides {
		c := config
		c.Self, c.PeerID = pair.ApplianceID(Name(i)), pair.ApplianceID(Name(1-i))
		w.Sides[i].Config = c
	}
	return w
}

// Paired returns a world in which alpha is the stored primary and beta its
// backup, neither of them started.
func Paired(config failover.Config) World {
	w := New(config)
	epoch := pair.Epoch{Counter: 1, Holder: "alpha"}
	lineage := pair.Lineage{}.Begin(epoch, 0)
	w.Sides[Alpha].Disk = pair.Record{Role: pair.Primary, Epoch: epoch, Lineage: lineage}
	w.Sides[Beta].Disk = pair.Record{Role: pair.Backup, Epoch: epoch, Lineage: lineage}
	return w
}

// NewPair returns a world in which alpha is the primary and beta its backup,
// both steady, with a first snapshot.
func NewPair(config failover.Config, see Observer) World {
	w := Paired(config)
	w.Start(Alpha, see)
	w.Start(Beta, see)
	w.Run(3*config.Timeout, see)
	return w
}

// Start starts the daemon of an appliance, as after a boot.
func (w *World) Start(side int, see Observer) {
	s := &w.Sides[side]
	if s.Up {
		return
	}
	fresh := Side{Config: s.Config, Disk: s.Disk, Dirty: s.Dirty, Deaf: s.Deaf, Takes: s.Takes, Fails: s.Fails, Spares: s.Spares, ClockBack: s.ClockBack, Earlier: s.Earlier, Torn: s.Torn, Offer: s.Offer, Runs: s.Runs, Up: true}
	fresh.Config.Run = s.Config.Run%2 + 1
	fresh.State = fresh.Config.Start(s.Disk, w.Now)
	fresh.State.Newest = fresh.Offer
	left := s.Left
	if w.Now < left.Until { // else what is on comes off, as after any other end
		fresh.Address, fresh.Traffic = s.Address, s.Traffic
	}
	w.Sides[side] = fresh
	if left != (failover.Continuation{}) {
		w.feed(side, failover.Continue{Left: left}, see)
	}
	w.feed(side, failover.DataChanged{Snapshot: s.State.Record.Snapshot, Taken: failover.Moment{At: w.Now, Set: !s.ClockBack}}, see)
	if fresh.Torn {
		w.feed(side, failover.DataTorn{Torn: true}, see)
	}
}

// Run advances the world by a span of time.
func (w *World) Run(span time.Duration, see Observer) {
	for end := w.Now.Add(span); w.Advance(end, see); {
		continue
	}
}

// Advance goes to the next instant at which something happens, at most to end.
// It reports false once end is reached.
func (w *World) Advance(end failover.Instant, see Observer) bool {
	next := end
	for i := range w.Sides {
		next = min(next, w.Sides[i].wake(w.Now))
	}
	w.Now = max(w.Now, next)
	for i := range w.Sides {
		w.Sides[i].expire(w.Now)
		w.remember(i, w.Sides[i].answers(), w.Now)
	}
	for i := range w.Sides {
		w.complete(i, see)
	}
	for i := range w.Sides {
		w.sync(i, see)
	}
	checkWorld(w)
	return w.Now < end
}

// complete hands an appliance the outcomes that are due, and the time.
func (w *World) complete(side int, see Observer) {
	s := &w.Sides[side]
	if !s.alive() {
		return
	}
	if s.Queued {
		s.Queued = false
		w.feed(side, failover.Heard{View: s.Queue, Confirmed: s.Acked}, see)
	}
	for k := s.firstDue(w.Now); k < works && s.alive(); k = s.firstDue(w.Now) {
		s.Due[k] = failover.Moment{}
		w.feed(side, w.outcome(side, k), see)
	}
	if s.alive() && w.Now >= s.Config.Deadline(s.State) {
		w.tick(side, see)
	}
}

// tick lets an appliance decide until it has nothing more to do now. A decision
// that never comes to rest would keep a processor busy for ever.
func (w *World) tick(side int, see Observer) {
	const enough = 20
	for range enough {
		w.feed(side, failover.Tick{}, see)
		if s := &w.Sides[side]; !s.alive() || w.Now < s.Config.Deadline(s.State) {
			return
		}
	}
	fail(w, "the decision of "+Name(side)+" never comes to rest")
}

func at(t failover.Instant) failover.Moment { return failover.Moment{At: t, Set: true} }

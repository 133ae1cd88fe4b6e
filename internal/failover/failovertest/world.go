// Package failovertest runs two appliances of package failover against each
// other in virtual time: the real decision, with simulated disks, kernels and
// cables. Stories, the explorer and long random runs share one World.
//
// Start reading at World and Advance; faults.go lists what can go wrong,
// invariants.go what must hold all the same.
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
	// Net says which way frames pass: Link[i] from appliance i to the other.
	Link    [2]bool
	Gateway [2]bool // appliance i reaches the test IPs, and they reach it
	Cache   int8    // whom the gateway takes for the owner of the shared IP: 0 nobody, else side+1

	Broken  failover.Instant    // when Link last was not whole, or a machine not up
	Faulty  failover.Instant    // when anything at all was last wrong
	Overlap failover.Moment     // since when both hold the address
	Outage  [2]failover.Instant // when appliance i was last connected to peer or gateway
	Forced  bool                // an administrator has forced a promotion
	Bug     string              // an invariant that was found broken
}

// Side is one appliance: its decision, its disk, its kernel.
type Side struct {
	Config failover.Config
	State  failover.State
	Disk   pair.Record
	Up     bool // the daemon runs
	Paused bool // it stands still (SIGSTOP, a virtual machine's pause)

	Address failover.Instant // the kernel holds the address until then; 0: not
	Service bool             // the services run
	Dirty   bool             // holds writes that the other side has no copy of

	PollFails   failover.Moment // when the poll under way will have failed
	TestFails   failover.Moment
	ProbeSilent failover.Moment
	Acked       failover.Moment // when we sent the newest answer that the peer got
	Queued      bool            // a poll that came while we stood still
	Queue       pair.View
	Asked       bool // the peer waits for our answer to its question of a handover

	SaveFails  bool // the next Save fails
	CrashAfter bool // the next Save is the last thing that the daemon does
	ClaimFails bool
	AsideFails bool
}

// grain is what the kernel adds to a lease: it counts whole seconds.
const grain = 300 * time.Millisecond

// Observer is told what the appliances do. It may be nil.
type Observer func(side int, action failover.Action)

// New returns a world with two unpaired appliances that have not been started.
func New(config failover.Config) World {
	w := World{Now: failover.Instant(time.Hour)}
	w.Link, w.Gateway = [2]bool{true, true}, [2]bool{true, true}
	for i := range w.Sides {
		c := config
		c.Self = pair.ApplianceID(Name(i))
		w.Sides[i].Config = c
	}
	return w
}

// NewPair returns a world in which alpha is the primary and beta its backup,
// both steady, with a first snapshot.
func NewPair(config failover.Config, see Observer) World {
	w := New(config)
	epoch := pair.Epoch{Counter: 1, Holder: "alpha"}
	lineage := pair.Lineage{}.Begin(epoch, 0)
	w.Sides[Alpha].Disk = pair.Record{Role: pair.Primary, Epoch: epoch, Lineage: lineage}
	w.Sides[Beta].Disk = pair.Record{Role: pair.Backup, Epoch: epoch, Lineage: lineage}
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
	fresh := Side{Config: s.Config, Disk: s.Disk, Dirty: s.Dirty, Up: true}
	fresh.State = s.Config.Start(s.Disk, w.Now)
	w.Sides[side] = fresh
	snapshot := s.Disk.Snapshot
	w.feed(side, failover.DataChanged{Snapshot: snapshot, Taken: w.Now}, see)
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
		next = min(next, w.wake(i))
	}
	w.Now = max(w.Now, next)
	for i := range w.Sides {
		w.expire(i)
	}
	for i := range w.Sides {
		w.complete(i, see)
	}
	for i := range w.Sides {
		w.sync(i)
	}
	w.check()
	return w.Now < end
}

// wake is when an appliance next has something to do.
func (w *World) wake(side int) failover.Instant {
	s := &w.Sides[side]
	next := failover.Never
	if s.Address > w.Now {
		next = s.Address
	}
	if !s.Up || s.Paused {
		return next
	}
	for _, m := range []failover.Moment{s.PollFails, s.TestFails, s.ProbeSilent} {
		if m.Set {
			next = min(next, m.At)
		}
	}
	return min(next, s.Config.Deadline(s.State))
}

// expire lets the kernel drop an address whose lease has run out.
func (w *World) expire(side int) {
	if s := &w.Sides[side]; s.Address != 0 && w.Now >= s.Address {
		s.Address = 0
	}
}

// complete hands an appliance the outcomes that are due, and the time.
func (w *World) complete(side int, see Observer) {
	s := &w.Sides[side]
	if !s.Up || s.Paused {
		return
	}
	if s.Queued {
		s.Queued = false
		w.feed(side, failover.Heard{View: s.Queue, Confirmed: s.Acked}, see)
	}
	if due(&s.PollFails, w.Now) {
		w.feed(side, failover.PollFailed{Reason: pair.NoAnswer}, see)
	}
	if due(&s.TestFails, w.Now) {
		w.feed(side, failover.TestIPsAnswered{Reached: 0}, see)
	}
	if due(&s.ProbeSilent, w.Now) {
		w.feed(side, failover.AddressProbed{Result: w.probe(side)}, see)
	}
	if s.Up && w.Now >= s.Config.Deadline(s.State) {
		w.feed(side, failover.Tick{}, see)
	}
}

func due(m *failover.Moment, now failover.Instant) bool {
	if !m.Set || now < m.At {
		return false
	}
	*m = failover.Moment{}
	return true
}

func at(t failover.Instant) failover.Moment { return failover.Moment{At: t, Set: true} }

// feed hands an appliance one event and carries its actions out.
func (w *World) feed(side int, ev failover.Event, see Observer) {
	s := &w.Sides[side]
	if !s.Up {
		return
	}
	before := s.State
	next, actions := s.Config.Next(before, w.Now, ev)
	s.State = next
	for _, action := range actions {
		if save, ok := action.(failover.Save); ok {
			if s.SaveFails {
				s.SaveFails = false
				s.State = before
				w.feed(side, failover.SaveFailed{Event: ev}, see)
				return
			}
			s.Disk = save.Record
		}
		if see != nil {
			see(side, action)
		}
		if _, ok := action.(failover.Save); ok && s.CrashAfter {
			w.Kill(side)
			return
		}
		w.perform(side, action, see)
		if !s.Up {
			return
		}
	}
}

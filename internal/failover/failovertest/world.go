// Package failovertest runs two appliances of package failover against each
// other in virtual time: the real decision, with simulated disks, kernels and
// cables. Stories, the explorer and long random runs share one World.
//
// Start reading at World and Advance; effects.go carries actions out, faults.go
// lists what can go wrong, invariants.go what must hold all the same, story.go
// reads the scripts in testdata.
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
	// Link says which way frames pass: Link[i] from appliance i to the other.
	Link     [2]bool
	Mute     bool    // what goes through the peer link is lost, though frames pass
	Squatter bool    // a third machine has the shared IP
	Gateway  [2]bool // appliance i reaches the test IPs, and they reach it
	Cache    int     // whom the gateway takes for the owner of the shared IP: 0 nobody, else side+1
	Cached   failover.Instant
	Mismatch pair.PollFailure // why no poll gets through though the link is whole

	Broken   failover.Instant    // when Link last was not whole, or a daemon not running
	Split    failover.Instant    // when Link last was not whole
	Both     bool                // both held the address when last looked at
	Overlap  failover.Moment     // since when both hold the address though each could find out
	Outage   [2]failover.Instant // when appliance i was last connected to peer or gateway
	Online   [2]failover.Instant // when appliance i last reached the gateway
	Holders  [16]int             // who held the epoch of that counter (they alternate, so 16 later again): 0 nobody, else side+1
	Forced   bool                // an administrator has forced a promotion
	Restored bool                // an appliance was set back to an older state of its disk
	Bug      string              // an invariant that was found broken
}

// Side is one appliance: its decision, its disk, its kernel.
type Side struct {
	Config failover.Config
	State  failover.State
	Disk   pair.Record
	Up     bool // the daemon runs
	Paused bool // it stands still (SIGSTOP, a virtual machine's pause)

	Address failover.Instant // the kernel holds the address until then; 0: not
	Traffic failover.Instant // the traffic lease lets packets pass until then; 0: not
	Runs    pair.Duty        // what the services do
	Holds   bool             // new requests wait at the door
	Dirty   bool             // holds writes that the other side has no copy of
	Deaf    uint8            // test IPs that do not answer this appliance

	Due    [works]failover.Moment // when what is under way ends
	Takes  [works]time.Duration   // how long each kind of work takes
	Fails  [works]uint8           // how many of the next attempts fail; 255: all
	Acked  failover.Moment        // when we sent the newest answer that the peer got
	Queued bool                   // a poll that came while we stood still
	Queue  pair.View
	Asked  bool // the peer waits for our answer to its question of a handover

	CrashAfter  bool          // the next Save is the last thing that the daemon does
	PauseAfter  bool          // the machine stands still after the next Save
	LosesAnswer bool          // the next answer of a handover is lost on the way
	Final       bool          // the data sync under way is a final one
	Drained     bool          // the requests that run end in time
	Offer       pair.Snapshot // newest that it offered as primary, on its disk
	Torn        bool          // a snapshot is half in place
	Earlier     bool          // its version does not tell what a hold waits for
	AsIs        bool          // the data being opened is taken as it is
	ClockBack   bool          // at its start, the wall clock is behind the stamp of its snapshot
}

// Work is what takes time, or can fail.
type Work uint8

// The kinds of work.
const (
	Polling Work = iota
	Pinging
	Probing
	Saving
	Opening
	Starting
	Stopping
	Claiming
	Renewing
	ClosingTraffic
	Releasing
	SettingAside
	Draining
	Syncing
	works
)

// String is the word that stories use.
func (k Work) String() string {
	return [...]string{"poll", "ping", "probe", "save", "data", "start", "stop", "claim", "renew", "traffic", "release", "set-aside", "requests", "sync"}[k]
}

const (
	grain  = time.Second     // what the kernel may add to a lease: it counts whole seconds
	memory = 3 * time.Second // how long the gateway's cache outlives the owner of an address
	always = 255
)

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
	fresh := Side{Config: s.Config, Disk: s.Disk, Dirty: s.Dirty, Deaf: s.Deaf, Takes: s.Takes, Fails: s.Fails, ClockBack: s.ClockBack, Earlier: s.Earlier, Torn: s.Torn, Offer: s.Offer, Up: true}
	fresh.Config.Run = s.Config.Run%2 + 1
	fresh.State = fresh.Config.Start(s.Disk, w.Now)
	fresh.State.Newest = fresh.Offer
	w.Sides[side] = fresh
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
		w.sync(i, see)
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
	if s.Traffic > w.Now {
		next = min(next, s.Traffic)
	}
	if !s.Up || s.Paused {
		return next
	}
	for _, m := range s.Due {
		if m.Set {
			next = min(next, m.At)
		}
	}
	return min(next, s.Config.Deadline(s.State))
}

// expire lets the kernel drop an address whose lease has run out, and the
// gateway forget an owner that does not answer.
func (w *World) expire(side int) {
	if s := &w.Sides[side]; s.Address != 0 && w.Now >= s.Address {
		s.Address = 0
	}
	if s := &w.Sides[side]; s.Traffic != 0 && w.Now >= s.Traffic {
		s.Traffic = 0
	}
	switch {
	case w.Cache != side+1:
	case w.passes(side) && w.Gateway[side]:
		w.Cached = w.Now
	case w.Now.Sub(w.Cached) > memory:
		w.Cache = 0
	}
}

// passes reports whether the address of an appliance answers and is answered for:
// it is on, and no traffic lease has closed it.
func (w *World) passes(side int) bool {
	s := &w.Sides[side]
	return s.Address != 0 && (!s.Config.TrafficLease || s.Traffic != 0)
}

// complete hands an appliance the outcomes that are due, and the time.
func (w *World) complete(side int, see Observer) {
	if !w.alive(side) {
		return
	}
	if s := &w.Sides[side]; s.Queued {
		s.Queued = false
		w.feed(side, failover.Heard{View: s.Queue, Confirmed: s.Acked}, see)
	}
	for k := w.firstDue(side); k < works && w.alive(side); k = w.firstDue(side) {
		w.Sides[side].Due[k] = failover.Moment{}
		w.feed(side, w.outcome(side, k), see)
	}
	if s := &w.Sides[side]; w.alive(side) && w.Now >= s.Config.Deadline(s.State) {
		w.tick(side, see)
	}
}

// firstDue is the work whose end is due, the earliest first; works if none is.
func (w *World) firstDue(side int) Work {
	first, s := works, &w.Sides[side]
	for k, m := range s.Due {
		if m.Set && w.Now >= m.At && (first == works || m.At < s.Due[first].At) {
			first = Work(k)
		}
	}
	return first
}

// tick lets an appliance decide until it has nothing more to do now. A decision
// that never comes to rest would keep a processor busy for ever.
func (w *World) tick(side int, see Observer) {
	const enough = 20
	for range enough {
		w.feed(side, failover.Tick{}, see)
		if s := &w.Sides[side]; !w.alive(side) || w.Now < s.Config.Deadline(s.State) {
			return
		}
	}
	w.fail("the decision of " + Name(side) + " never comes to rest")
}

func at(t failover.Instant) failover.Moment { return failover.Moment{At: t, Set: true} }

package failovertest

import (
	"fmt"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// Side is one appliance: its decision, its disk, its kernel.
type Side struct {
	Config failover.Config
	State  failover.State
	Disk   pair.Record
	Up     bool // the daemon runs
	Paused bool // it stands still (SIGSTOP, a virtual machine's pause)

	Address failover.Instant // the kernel holds the address until then; 0: not
	Traffic failover.Instant // the traffic lease lets packets pass until then; 0: not
	Doors   failover.Instant // and until then to Baton's own doors alone; 0: not
	Runs    pair.Duty        // what the services do
	Holds   bool             // new requests wait at the door
	Dirty   bool             // holds writes that the other side has no copy of
	Deaf    uint8            // test IPs that do not answer this appliance

	Due    [works]failover.Moment // when what is under way ends
	Takes  [works]time.Duration   // how long each kind of work takes
	Fails  [works]uint8           // how many of the next attempts fail; 255: all
	Spares [works]uint8           // how many attempts succeed before those that fail
	Left   failover.Continuation  // what the daemon left when it was restarted; zero: nothing
	Acked  failover.Moment        // when we sent the newest answer that the peer got
	Queued bool                   // a poll that came while we stood still
	Queue  pair.View
	Asked  bool // the peer waits for our answer to its question of a handover

	CrashAfter  bool          // the next Save is the last thing that the daemon does
	PauseAfter  bool          // the machine stands still after the next Save
	LosesAnswer bool          // the next answer of a handover is lost on the way
	Final       bool          // the data sync under way is a final one
	Drained     bool          // the requests that run end in time
	Passed      bool          // those that wait have their answer from the peer in time
	Offer       pair.Snapshot // newest that it offered as primary, on its disk
	Torn        bool          // a snapshot is half in place
	Waited      time.Duration // the timeout that it went by when it last took over
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
	Forwarding
	Syncing
	Offering
	Relieving
	works
)

// String is the word that stories use.
func (k Work) String() string {
	return [...]string{"poll", "ping", "probe", "save", "data", "start", "stop", "claim", "renew", "traffic", "release", "set-aside", "requests", "forward", "sync", "offer", "relief"}[k]
}

const (
	grain  = time.Second     // what the kernel may add to a lease: it counts whole seconds
	memory = 3 * time.Second // how long the gateway's cache outlives the owner of an address
	always = 255
)

// alive reports whether the daemon can do anything now.
func (s *Side) alive() bool { return s.Up && !s.Paused }

// passes reports whether the address answers and is answered for: it is on, and no
// traffic lease has closed it.
func (s *Side) passes() bool {
	return s.Address != 0 && (!s.Config.TrafficLease || s.Traffic != 0)
}

// answers reports whether the machine answers for the address on the link, be it that nobody
// but Baton's own doors is reached.
func (s *Side) answers() bool { return s.passes() || s.Address != 0 && s.Doors != 0 }

// fails reports whether this attempt fails, and counts it.
func (s *Side) fails(k Work) bool {
	switch {
	case s.Fails[k] == 0:
		return false
	case s.Spares[k] > 0:
		s.Spares[k]--
		return false
	case s.Fails[k] == always:
	default:
		s.Fails[k]--
	}
	return true
}

// wake is when the appliance next has something to do.
func (s *Side) wake(now failover.Instant) failover.Instant {
	next := failover.Never
	if s.Address > now {
		next = s.Address
	}
	if s.Traffic > now {
		next = min(next, s.Traffic)
	}
	if s.Doors > now {
		next = min(next, s.Doors)
	}
	if !s.alive() {
		return next
	}
	for _, m := range s.Due {
		if m.Set {
			next = min(next, m.At)
		}
	}
	return min(next, s.Config.Deadline(s.State))
}

// expire lets the kernel drop an address, or its traffic, whose lease has run out.
func (s *Side) expire(now failover.Instant) {
	if now >= s.Address {
		s.Address = 0
	}
	if now >= s.Traffic {
		s.Traffic = 0
	}
	if now >= s.Doors {
		s.Doors = 0
	}
}

// firstDue is the work whose end is due, the earliest first; works if none is.
func (s *Side) firstDue(now failover.Instant) Work {
	first := works
	for k, m := range s.Due {
		if m.Set && now >= m.At && (first == works || m.At < s.Due[first].At) {
			first = Work(k)
		}
	}
	return first
}

// asleep reports whether the appliance would never again do anything by itself.
func (s *Side) asleep() bool {
	if s.Config.Deadline(s.State) != failover.Never || s.State.Record.Role == pair.Standalone {
		return false
	}
	for _, m := range s.Due {
		if m.Set {
			return false
		}
	}
	return true
}

// letIn ends the wait of requests, one way or the other.
func (s *Side) letIn() {
	s.Holds, s.Due[Draining], s.Due[Forwarding] = false, failover.Moment{}, failover.Moment{}
}

// pass lets the kernel pass traffic for a lease, and not beyond the entitlement.
func (s *Side) pass(now failover.Instant, lease time.Duration, until failover.Instant) {
	s.Traffic, s.Doors = s.leased(now, lease, until), 0
}

// leased is until when the kernel lets something pass; 0: it does not.
func (s *Side) leased(now failover.Instant, lease time.Duration, until failover.Instant) failover.Instant {
	end := min(now.Add(lease), until)
	if end <= now || !s.Config.TrafficLease {
		return 0
	}
	return end
}

// renew extends the leases on the address and its traffic.
func (s *Side) renew(now failover.Instant, action failover.Renew) (ok bool) {
	ok = !s.fails(Renewing)
	if ok && (!action.Shut || s.Config.TrafficLease) {
		s.Address = now.Add(action.Lease + grain)
	}
	switch {
	case ok && action.Shut:
		s.Doors = s.leased(now, action.Lease, action.Until)
	case ok:
		s.pass(now, action.Lease, action.Until)
	}
	return ok
}

// closeTraffic ends the traffic; without a traffic lease the address goes off.
func (s *Side) closeTraffic(now failover.Instant, action failover.CloseTraffic) (ok bool) {
	ok = !s.fails(ClosingTraffic)
	if ok {
		s.Traffic, s.Doors = 0, s.leased(now, action.Lease, action.Until)
	}
	if ok && !s.Config.TrafficLease {
		s.Address = 0
	}
	return ok
}

// release takes the address off, and lets no traffic pass.
func (s *Side) release() (ok bool) {
	ok = !s.fails(Releasing)
	if ok {
		s.Address = 0
	}
	s.Traffic, s.Doors = 0, 0
	s.letIn()
	return ok
}

// view is what a side tells of itself.
func (s *Side) view() pair.View {
	view := s.Config.View(s.State)
	if s.Earlier {
		view.Hold = pair.Hold{}
	}
	return view
}

// turned takes a turn over.
func (s *Side) turned(next failover.State) {
	if s.State.Record.Role == pair.Backup && next.Record.Role == pair.Primary {
		s.Waited = s.Config.TakeoverAfter(s.State)
	}
	s.State = next
}

// String tells in one line where the appliance stands.
func (s *Side) String() string {
	return fmt.Sprintf("%s is %s in %s (door %d, address %t, services %s, requests wait %t, syncs %t, waits: %s)", s.Config.Self, s.State.Place(),
		s.State.Record.Epoch, s.State.Door, s.Address != 0, s.Runs, s.Holds, s.Config.MaySync(s.State), s.State.Blocked)
}

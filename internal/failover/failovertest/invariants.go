package failovertest

import (
	"fmt"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// ownerLimit is how soon a primary that another machine has succeeded must be
// off the shared IP, if the gateway can tell it so.
const ownerLimit = 2 * time.Second

func (w *World) fail(bug string) {
	if w.Bug == "" {
		w.Bug = fmt.Sprintf("%s (at %v)", bug, time.Duration(w.Now)-time.Hour)
	}
}

// check looks at every invariant that can be told from one world and what it
// keeps of its past.
func (w *World) check() {
	w.note()
	for side := range w.Sides {
		w.checkEpoch(side)
		if w.alive(side) {
			w.checkSide(side)
		}
	}
	w.checkOverlap()
}

// note keeps what the invariants need to know of the past.
func (w *World) note() {
	linked := w.Link[Alpha] && w.Link[Beta]
	whole := linked && !w.Mute && w.alive(Alpha) && w.alive(Beta) && w.Mismatch == pair.NoAnswer
	if !linked {
		w.Split = w.Now
	}
	if !whole {
		w.Broken = w.Now
	}
	for side := range w.Sides {
		if whole || w.Gateway[side] || !w.alive(side) {
			w.Outage[side] = w.Now
		}
		if w.Gateway[side] {
			w.Online[side] = w.Now
		}
	}
}

// checkEpoch: I1, at most one appliance ever holds an epoch.
func (w *World) checkEpoch(side int) {
	disk := &w.Sides[side].Disk
	if disk.Role != pair.Primary || w.Forced {
		return
	}
	if disk.Epoch.Holder != w.Sides[side].Config.Self {
		w.fail("I1: " + Name(side) + " is primary in an epoch that is not its own")
	}
	holder := &w.Holders[disk.Epoch.Counter%uint64(len(w.Holders))]
	switch *holder {
	case 0:
		*holder = side + 1
	case side + 1:
	default:
		w.fail("I1: both appliances have held one epoch")
	}
}

func (w *World) checkSide(side int) {
	s := &w.Sides[side]
	disk := s.Disk
	disk.Snapshot = s.State.Record.Snapshot // kept by the data sync itself
	if s.State.Record != disk {
		w.fail("I3: " + Name(side) + " shows what it has not stored")
	}
	w.checkAddress(side)
	if s.State.Switch.Step == failover.Stopped && s.Due[Draining].Set {
		w.fail("I9: the services of " + Name(side) + " stop while requests run that have time left")
	}
	if w.asleep(side) {
		w.fail("I7: " + Name(side) + " sleeps for ever as " + s.State.Place().String())
	}
}

// checkAddress: I2, an appliance holds the shared IP only while entitled.
func (w *World) checkAddress(side int) {
	s := &w.Sides[side]
	if s.Address == 0 {
		return
	}
	if !s.State.Held {
		w.fail("I2: " + Name(side) + " has the address without knowing")
	}
	if s.State.Record.Role == pair.Backup && s.State.Phase != pair.Releasing {
		w.fail("I2: a backup holds the address: " + Name(side))
	}
	if s.State.Door == failover.Closed && !s.State.ReleaseAt.Set {
		w.fail("I2: " + Name(side) + " is closed and holds the address")
	}
	// A primary that has reached nobody for a whole timeout must be off the address.
	c := s.Config
	cutOff := w.Now.Sub(w.Outage[side]) >= c.Timeout
	rival := c.AutomaticFailover && c.BackupOperations && c.SharedIP && c.TestIPs > 0
	if cutOff && rival && s.State.Record.Role == pair.Primary && !s.State.Forced {
		w.fail("I2: " + Name(side) + " holds the address though cut off from everybody")
	}
}

// asleep reports whether an appliance would never again do anything by itself.
func (w *World) asleep(side int) bool {
	s := &w.Sides[side]
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

// checkOverlap: I5, two machines hold the shared IP only while they are split,
// for a moment after, and never for long if a third machine can tell them.
func (w *World) checkOverlap() {
	a, b := &w.Sides[Alpha], &w.Sides[Beta]
	both := w.passes(Alpha) && w.passes(Beta) && !w.Forced && !w.unpaired()
	// One that began while they were split ends by the kernel's lease if a
	// daemon is dead or stands still, or a release fails; it never begins otherwise.
	// The traffic lease ends it in time, the lifetime of an address does not.
	leased := a.Config.TrafficLease && b.Config.TrafficLease
	joined := w.Now.Sub(w.Split) > a.Config.Timeout/2 && !a.State.ReleaseAt.Set && !b.State.ReleaseAt.Set
	if both && joined && (!w.Both || leased || w.alive(Alpha) && w.alive(Beta)) {
		w.fail("I5: two machines hold the address though nothing is split")
	}
	w.Both = both
	checkable := w.Gateway[Alpha] && w.Gateway[Beta] && w.alive(Alpha) && w.alive(Beta) &&
		a.State.Evidence.Trusted && b.State.Evidence.Trusted
	if !both || !checkable {
		w.Overlap = failover.Moment{}
		return
	}
	if !w.Overlap.Set {
		w.Overlap = at(w.Now)
	}
	if w.Now.Sub(w.Overlap.At) > ownerLimit {
		w.fail("I5: two machines hold the address though the gateway tells them")
	}
}

// unpaired reports whether the two have nothing to do with each other.
func (w *World) unpaired() bool {
	return w.Sides[Alpha].Disk.Role == pair.Standalone || w.Sides[Beta].Disk.Role == pair.Standalone
}

// Watch returns an observer that checks the invariants about single actions,
// and passes them on.
func (w *World) Watch(see Observer) Observer {
	return func(side int, action failover.Action) {
		w.checkAction(side, action)
		if see != nil {
			see(side, action)
		}
	}
}

func (w *World) checkAction(side int, action failover.Action) {
	s := &w.Sides[side]
	switch action := action.(type) {
	case failover.OpenData, failover.Claim, failover.Renew, failover.Announce:
		w.checkOpening(side)
	case failover.SetServices:
		if action.Duty == pair.Lead {
			w.checkOpening(side)
		}
		if action.Duty == pair.Follow && s.State.Record.Role != pair.Backup {
			w.fail("I3: the services of " + Name(side) + " follow, and it is no backup")
		}
	case failover.SetAside:
		if s.Runs != pair.Rest || s.Address != 0 {
			w.fail("I6: " + Name(side) + " sets data aside while it is being written")
		}
	case failover.Sync:
		if action.Final && w.passes(other(side)) {
			w.fail("I6: the final data sync begins while traffic still reaches " + Name(other(side)))
		}
	case failover.Explain:
		if action.Reason == failover.PrimaryGone {
			w.checkTakeover(side)
		}
	}
}

// checkOpening: I3, the site is opened after it is stored that it may be.
func (w *World) checkOpening(side int) {
	s := &w.Sides[side]
	if s.Disk.Role == pair.Backup {
		w.fail("I3: " + Name(side) + " opens the site before it is stored that it may")
	}
	if s.Disk.Role == pair.Primary && s.Disk.Epoch != s.State.Record.Epoch {
		w.fail("I3: " + Name(side) + " opens the site in an epoch that is not stored")
	}
}

// checkTakeover: I8, none while the primary is heard and healthy, none by a
// machine that is itself cut off; and I6, none without data.
func (w *World) checkTakeover(side int) {
	s := &w.Sides[side]
	timeout := s.Config.Timeout
	switch {
	case w.Now.Sub(w.Broken) > timeout/2:
		w.fail("I8: " + Name(side) + " takes over though the primary is well")
	case s.State.PeerHeard.Set && w.Now.Sub(s.State.PeerHeard.At) < timeout:
		w.fail("I8: " + Name(side) + " takes over before the timeout has passed")
	case w.Now.Sub(w.Online[side]) > timeout/2:
		w.fail("I8: " + Name(side) + " takes over though its own network is at fault")
	case s.State.Record.Snapshot.IsZero():
		w.fail("I6: " + Name(side) + " takes over without data")
	}
}

// Mended lets a world settle in which everything has been put right, and
// returns what is wrong then, or "" (I7): at most ten timeouts, and what a
// handover may take whose answer was lost. It ends early in a world that is
// known to come right.
func (w *World) Mended(see Observer, known func(*World) bool) string {
	const handover = 45 * time.Second
	timeout := w.Sides[Alpha].Config.Timeout
	for end := w.Now.Add(10*timeout + handover); w.Now < end && w.Bug == ""; {
		w.Run(timeout, w.Watch(see))
		w.decide(w.Watch(see))
		switch {
		case known(w):
			return ""
		case w.Settled() == "":
			return w.Quiet(timeout)
		}
	}
	if w.Bug != "" {
		return w.Bug
	}
	return w.Settled()
}

// Settled returns what is wrong with a world in which faults have stopped for a
// while, or "": one primary that serves, one backup, nothing in between (I7).
func (w *World) Settled() string {
	primaries, backups := 0, 0
	if w.unpaired() {
		return ""
	}
	for side := range w.Sides {
		s := &w.Sides[side]
		switch {
		case s.State.Phase == pair.Conflict:
			return "I7: " + Name(side) + " is in conflict"
		case s.State.Record.Role == pair.Primary && s.State.Serving() && s.Address != 0 && s.Runs == pair.Lead && !s.Holds && s.State.Phase == pair.Steady:
			primaries++
		case s.State.Record.Role == pair.Backup && s.Config.MaySync(s.State) && s.Runs == pair.Follow && s.State.Phase == pair.Steady:
			backups++
		}
	}
	if primaries != 1 || backups != 1 {
		return "I7: faults have stopped, but " + w.describe(Alpha) + ", and " + w.describe(Beta)
	}
	return ""
}

// describe tells in one line where a side stands.
func (w *World) describe(side int) string {
	s := &w.Sides[side]
	return fmt.Sprintf("%s is %s in %s (door %d, address %t, services %s, requests wait %t, syncs %t, waits: %s)", Name(side), s.State.Place(),
		s.State.Record.Epoch, s.State.Door, s.Address != 0, s.Runs, s.Holds, s.Config.MaySync(s.State), s.State.Blocked)
}

// Quiet runs a world in which nothing is wrong, and returns what it does all
// the same, or "": no automatic change while the primary is heard and healthy (I8).
func (w *World) Quiet(span time.Duration) string {
	bug := ""
	w.Run(span, w.Watch(func(side int, action failover.Action) {
		switch action := action.(type) {
		case failover.Explain:
			bug = "I8: nothing is wrong, but " + Name(side) + " goes from " + action.From.String() + " to " + action.To.String()
		case failover.Release, failover.SetServices, failover.Claim:
			bug = fmt.Sprintf("I8: nothing is wrong, but %s does %T", Name(side), action)
		}
	}))
	if w.Bug != "" {
		return w.Bug
	}
	return bug
}

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

// Past is what the invariants need to know of what was before.
type Past struct {
	Broken   failover.Instant    // when Link last was not whole, or a daemon not running
	Split    failover.Instant    // when Link last was not whole
	Both     bool                // both held the address at the last check
	Overlap  failover.Moment     // since when both hold the address though each could find out
	Outage   [2]failover.Instant // when appliance i was last connected to peer or gateway
	Online   [2]failover.Instant // when appliance i last reached the gateway
	Holders  [16]int             // who held the epoch of that counter (they alternate, so 16 later again): 0 nobody, else side+1
	Forced   bool                // an administrator has forced a promotion
	Restored bool                // an appliance was set back to an older state of its disk
}

// fail notes the first invariant that breaks.
func fail(w *World, bug string) {
	if w.Bug == "" {
		w.Bug = fmt.Sprintf("%s (at %v)", bug, time.Duration(w.Now)-time.Hour)
	}
}

// checkWorld looks at every invariant that can be told from one world and what it
// keeps of its past.
func checkWorld(w *World) {
	noteThePast(w)
	for side := range w.Sides {
		checkEpoch(w, side)
		if w.Sides[side].alive() {
			checkSide(w, side)
		}
	}
	checkOverlap(w)
}

// noteThePast keeps what the invariants need to know of the past.
func noteThePast(w *World) {
	linked := w.Link[Alpha] && w.Link[Beta]
	whole := w.linked() && w.Sides[Alpha].alive() && w.Sides[Beta].alive() && w.Mismatch == pair.NoAnswer
	if !linked {
		w.Split = w.Now
	}
	if !whole {
		w.Broken = w.Now
	}
	for side := range w.Sides {
		if whole || w.Gateway[side] || !w.Sides[side].alive() {
			w.Outage[side] = w.Now
		}
		if w.Gateway[side] {
			w.Online[side] = w.Now
		}
	}
}

// checkEpoch: I1, at most one appliance ever holds an epoch.
func checkEpoch(w *World, side int) {
	disk := &w.Sides[side].Disk
	if disk.Role != pair.Primary || w.Forced {
		return
	}
	if disk.Epoch.Holder != w.Sides[side].Config.Self {
		fail(w, "I1: "+Name(side)+" is primary in an epoch that is not its own")
	}
	holder := &w.Holders[disk.Epoch.Counter%uint64(len(w.Holders))]
	switch *holder {
	case 0:
		*holder = side + 1
	case side + 1:
	default:
		fail(w, "I1: both appliances have held one epoch")
	}
}

func checkSide(w *World, side int) {
	s := &w.Sides[side]
	disk := s.Disk
	disk.Snapshot = s.State.Record.Snapshot // kept by the data sync itself
	if s.State.Record != disk {
		fail(w, "I3: "+Name(side)+" shows what it has not stored")
	}
	checkAddress(w, side)
	if s.State.Switch.Step == failover.Stopped && s.Due[Draining].Set {
		fail(w, "I9: the services of "+Name(side)+" stop while requests run that have time left")
	}
	if s.asleep() {
		fail(w, "I7: "+Name(side)+" sleeps for ever as "+s.State.Place().String())
	}
}

// checkAddress: I2, an appliance holds the shared IP only while entitled.
func checkAddress(w *World, side int) {
	s := &w.Sides[side]
	if s.Address == 0 {
		return
	}
	if !s.State.Held {
		fail(w, "I2: "+Name(side)+" has the address without knowing")
	}
	if s.State.Record.Role == pair.Backup && s.State.Phase != pair.Releasing {
		fail(w, "I2: a backup holds the address: "+Name(side))
	}
	if s.State.Door == failover.Closed && !s.State.ReleaseAt.Set {
		fail(w, "I2: "+Name(side)+" is closed and holds the address")
	}
	// A primary that has reached nobody for a whole timeout must be off the address, by the
	// longer one while it is changed: checkTakeover looks closer.
	if s.State.Switch.Step == failover.Forwarding && (s.Traffic != 0 || s.Runs == pair.Lead) {
		fail(w, "I2: "+Name(side)+" answers for the site by itself though it has handed over")
	}
	c := s.Config
	cutOff := w.Now.Sub(w.Outage[side]) >= w.longest()
	rival := c.AutomaticFailover && c.BackupOperations && c.SharedIP && c.TestIPs > 0
	inherits := !s.State.Confirmed.Set && w.Now < s.State.Inherited // by the timeout of the process before, which its peer was told
	if cutOff && rival && !inherits && s.State.Record.Role == pair.Primary && !s.State.Forced && !s.State.ReleaseAt.Set {
		fail(w, "I2: "+Name(side)+" holds the address though cut off from everybody")
	}
}

// checkOverlap: I5, two machines hold the shared IP only while they are split,
// for a moment after, and never for long if a third machine can tell them.
func checkOverlap(w *World) {
	a, b := &w.Sides[Alpha], &w.Sides[Beta]
	both := a.answers() && b.answers() && !w.Forced && !unpaired(w)
	// One that began while they were split ends by the kernel's lease if a
	// daemon is dead or stands still, or a release fails; it never begins otherwise.
	// The traffic lease ends it in time, the lifetime of an address does not.
	leased := a.Config.TrafficLease && b.Config.TrafficLease
	joined := w.Now.Sub(w.Split) > a.Config.Timeout/2 && !a.State.ReleaseAt.Set && !b.State.ReleaseAt.Set
	if both && joined && (!w.Both || leased || a.alive() && b.alive()) {
		fail(w, "I5: two machines hold the address though nothing is split")
	}
	w.Both = both
	checkable := w.Gateway[Alpha] && w.Gateway[Beta] && a.alive() && b.alive() &&
		a.State.Evidence.Trusted && b.State.Evidence.Trusted
	if !both || !checkable {
		w.Overlap = failover.Moment{}
		return
	}
	if !w.Overlap.Set {
		w.Overlap = at(w.Now)
	}
	if w.Now.Sub(w.Overlap.At) > ownerLimit {
		fail(w, "I5: two machines hold the address though the gateway tells them")
	}
}

// unpaired reports whether the two have nothing to do with each other.
func unpaired(w *World) bool {
	return w.Sides[Alpha].Disk.Role == pair.Standalone || w.Sides[Beta].Disk.Role == pair.Standalone
}

// Watch returns an observer that checks the invariants about single actions,
// and passes them on.
func (w *World) Watch(see Observer) Observer {
	return func(side int, action failover.Action) {
		checkAction(w, side, action)
		if see != nil {
			see(side, action)
		}
	}
}

func checkAction(w *World, side int, action failover.Action) {
	s := &w.Sides[side]
	switch action := action.(type) {
	case failover.OpenData, failover.Claim, failover.Announce:
		checkOpening(w, side)
	case failover.Renew:
		if s.State.Switch.Step != failover.Forwarding { // which opens nothing
			checkOpening(w, side)
		}
	case failover.SetServices:
		if action.Duty == pair.Lead {
			checkOpening(w, side)
		}
		if action.Duty == pair.Follow && s.State.Record.Role != pair.Backup {
			fail(w, "I3: the services of "+Name(side)+" follow, and it is no backup")
		}
	case failover.SetAside:
		if s.Runs != pair.Rest || s.Address != 0 {
			fail(w, "I6: "+Name(side)+" sets data aside while it is being written")
		}
	case failover.Sync:
		if action.Final && w.Sides[other(side)].passes() {
			fail(w, "I6: the final data sync begins while traffic still reaches "+Name(other(side)))
		}
	case failover.Explain:
		checkReason(w, side, action.Reason)
	}
}

// checkReason looks at a change that happens by itself: a takeover; or I8, a primary that
// takes its own network to be at fault while nothing is wrong.
func checkReason(w *World, side int, why failover.Reason) {
	switch {
	case why == failover.PrimaryGone:
		checkTakeover(w, side)
	case why == failover.PrimaryLeft:
		checkSuccession(w, side)
	case why == failover.PrimaryOffers || why == failover.OffersUnsynced:
		if w.Sides[side].Disk.Sick || w.Sides[side].State.Unfit {
			fail(w, "I8: "+Name(side)+" takes the site by itself though it was sick there, or could not run")
		}
	case why == failover.NetworkLost && w.Now.Sub(w.Broken) > w.longest():
		fail(w, "I8: "+Name(side)+" takes its network to be at fault though nothing is wrong")
	}
}

// checkOpening: I3, the site is opened after it is stored that it may be.
func checkOpening(w *World, side int) {
	s := &w.Sides[side]
	if s.Disk.Role == pair.Backup {
		fail(w, "I3: "+Name(side)+" opens the site before it is stored that it may")
	}
	if s.Disk.Role == pair.Primary && s.Disk.Epoch != s.State.Record.Epoch {
		fail(w, "I3: "+Name(side)+" opens the site in an epoch that is not stored")
	}
}

// checkTakeover: I8, none while the primary is heard and healthy, none by a
// machine that is itself cut off; I6, none without data; and I2, a primary that was cut off
// from everybody is off the address by then, whatever timeout it goes by.
func checkTakeover(w *World, side int) {
	s, p := &w.Sides[side], &w.Sides[other(side)]
	timeout := s.Waited
	cutOff := p.alive() && w.Now.Sub(w.Outage[other(side)]) > timeout*3/4
	switch {
	case cutOff && p.passes() && !p.State.Forced && !p.State.ReleaseAt.Set:
		fail(w, "I2: "+Name(side)+" takes over while the primary, cut off from everybody, still holds the address")
	case w.Now.Sub(w.Broken) > timeout/2:
		fail(w, "I8: "+Name(side)+" takes over though the primary is well")
	case s.State.PeerHeard.Set && w.Now.Sub(s.State.PeerHeard.At) < timeout:
		fail(w, "I8: "+Name(side)+" takes over before the timeout has passed")
	case w.Now.Sub(w.Online[side]) > timeout/2:
		fail(w, "I8: "+Name(side)+" takes over though its own network is at fault")
	case s.State.Record.Snapshot.IsZero():
		fail(w, "I6: "+Name(side)+" takes over without data")
	}
}

// checkSuccession: a goodbye spares the timeout, and nothing else.
func checkSuccession(w *World, side int) {
	switch {
	case w.Link[Alpha] && w.Link[Beta] && w.Sides[other(side)].passes():
		fail(w, "I8: "+Name(side)+" takes over for a goodbye though the primary answers")
	case w.Sides[side].State.Record.Snapshot.IsZero():
		fail(w, "I6: "+Name(side)+" takes over without data")
	}
}

// Mended lets a world settle in which everything has been put right, and
// returns what is wrong then, or "" (I7): at most ten timeouts, and what a
// handover may take whose answer was lost. It ends early in a world that is
// known to come right.
func (w *World) Mended(see Observer, known func(*World) bool) string {
	const handover = 45 * time.Second
	timeout := w.longest()
	for end := w.Now.Add(10*timeout + handover); w.Now < end && w.Bug == ""; {
		for side := range w.Sides {
			if !w.Sides[side].Up { // it was told to stop before
				w.Start(side, w.Watch(see))
				w.resume(see)
			}
		}
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
	if unpaired(w) {
		return ""
	}
	for side := range w.Sides {
		s := &w.Sides[side]
		switch {
		case s.State.Phase == pair.Conflict:
			return "I7: " + Name(side) + " is in conflict"
		case !s.Up || s.State.Leaving != failover.Stays:
			return "I7: " + Name(side) + " was told to stop"
		case s.State.Record.Role == pair.Primary && s.State.Serving() && s.Address != 0 && s.Runs == pair.Lead && !s.Holds && s.State.Phase == pair.Steady:
			primaries++
		case s.State.Record.Role == pair.Backup && s.Config.MaySync(s.State) && s.Runs == pair.Follow && s.State.Phase == pair.Steady:
			backups++
		}
	}
	if primaries != 1 || backups != 1 {
		return "I7: faults have stopped, but " + w.Sides[Alpha].String() + ", and " + w.Sides[Beta].String()
	}
	return ""
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

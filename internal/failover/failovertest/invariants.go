package failovertest

import (
	"fmt"

	"baton/internal/failover"
	"baton/internal/pair"
)

func (w *World) fail(bug string) {
	if w.Bug == "" {
		w.Bug = fmt.Sprintf("%s (at %v)", bug, w.Now)
	}
}

// check looks at every invariant that can be told from one world.
func (w *World) check() {
	w.note()
	a, b := &w.Sides[Alpha], &w.Sides[Beta]
	if a.Disk.Role == pair.Primary && b.Disk.Role == pair.Primary && a.Disk.Epoch.Counter == b.Disk.Epoch.Counter && !w.Forced {
		w.fail("I1: two primaries share an epoch counter")
	}
	for side := range w.Sides {
		w.checkSide(side)
	}
	w.checkOverlap()
}

// note keeps what the invariants need to know of the past.
func (w *World) note() {
	whole := w.Link[Alpha] && w.Link[Beta] && w.alive(Alpha) && w.alive(Beta)
	if !whole {
		w.Broken = w.Now
	}
	if !whole || !w.Gateway[Alpha] || !w.Gateway[Beta] {
		w.Faulty = w.Now
	}
	for side := range w.Sides {
		if whole || w.Gateway[side] || !w.alive(side) {
			w.Outage[side] = w.Now
		}
	}
}

func (w *World) checkSide(side int) {
	s := &w.Sides[side]
	if !w.alive(side) {
		return
	}
	disk := s.Disk
	disk.Snapshot = s.State.Record.Snapshot // kept by the data sync itself
	if s.State.Record != disk {
		w.fail("I3: " + Name(side) + " shows what it has not stored")
	}
	if s.Address != 0 && !s.State.Held {
		w.fail("I2: " + Name(side) + " has the address without knowing")
	}
	if s.State.Held && s.State.Record.Role == pair.Backup && s.State.Phase != pair.Releasing {
		w.fail("I2: a backup holds the address: " + Name(side))
	}
	// A primary that has reached nobody for a whole timeout must be off the address.
	cutOff := w.Now.Sub(w.Outage[side]) >= s.Config.Timeout
	if cutOff && s.Address != 0 && s.State.Record.Role == pair.Primary && !s.State.Forced && s.Config.AutomaticFailover {
		w.fail("I2: " + Name(side) + " holds the address though cut off from everybody")
	}
}

// checkOverlap allows two owners of the address only while the two cannot see
// each other, and for a moment after they can again.
func (w *World) checkOverlap() {
	a, b := &w.Sides[Alpha], &w.Sides[Beta]
	if a.Address == 0 || b.Address == 0 {
		w.Overlap = failover.Moment{}
		return
	}
	if !w.Overlap.Set {
		w.Overlap = at(w.Now)
	}
	timeout := a.Config.Timeout
	if w.Now.Sub(w.Broken) > timeout/2 && !w.Forced {
		w.fail("I5: two machines hold the address though nothing is split")
	}
	checkable := w.Gateway[Alpha] && w.Gateway[Beta] && w.alive(Alpha) && w.alive(Beta)
	if checkable && w.Now.Sub(w.Overlap.At) > 2*timeout && w.Now.Sub(w.Faulty) == 0 {
		w.Overlap = at(w.Now)
	}
}

// Watch returns an observer that checks the invariants about single actions,
// and passes them on.
func (w *World) Watch(see Observer) Observer {
	return func(side int, action failover.Action) {
		if explain, ok := action.(failover.Explain); ok && explain.Reason == failover.PrimaryGone {
			if w.Now.Sub(w.Broken) > w.Sides[side].Config.Timeout/2 {
				w.fail("I8: " + Name(side) + " takes over though the primary is well")
			}
		}
		if see != nil {
			see(side, action)
		}
	}
}

// Settled returns what is wrong with a world in which faults have stopped for a
// while, or "": one primary that serves, one backup, nothing in between (I7).
func (w *World) Settled() string {
	primaries, backups := 0, 0
	for side := range w.Sides {
		s := &w.Sides[side]
		switch {
		case s.State.Phase == pair.Conflict:
			return "I7: " + Name(side) + " is in conflict"
		case s.State.Record.Role == pair.Primary && s.State.Serving() && s.Address != 0:
			primaries++
		case s.State.Record.Role == pair.Backup && s.Config.MaySync(s.State):
			backups++
		}
	}
	if primaries != 1 || backups != 1 {
		return fmt.Sprintf("I7: faults have stopped, but alpha is %s and beta is %s",
			w.Sides[Alpha].State.Place(), w.Sides[Beta].State.Place())
	}
	return ""
}

package failovertest

import (
	"fmt"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

// Fault is something that goes wrong, or right again, or that an administrator does.
type Fault struct {
	Name string
	Do   func(*World, Observer)
	// Repairs is set where this puts things right: it costs no budget.
	Repairs bool
}

// Kill ends a daemon at once. The kernel keeps the address until its lease ends, and services
// run on.
func (w *World) Kill(side int) {
	s := &w.Sides[side]
	s.Up, s.Paused, s.Holds = false, false, false
	s.Due, s.Acked = [works]failover.Moment{}, failover.Moment{}
	s.CrashAfter, s.PauseAfter, s.LosesAnswer, s.Asked, s.Queued = false, false, false, false, false
	s.Queue, s.State = pair.View{}, failover.State{Record: pair.Record{Snapshot: s.State.Record.Snapshot}}
}

// Restart ends a daemon that is about to be started again, as a service manager or an upgrade
// does. Start goes on where it left off; if it could not leave anything, it takes the site down.
func (w *World) Restart(side int) {
	s := &w.Sides[side]
	if !s.alive() {
		return
	}
	left, ok := s.Config.Continuation(s.State, w.Now)
	if !ok {
		s.release()
		s.Runs = pair.Rest
	}
	w.Kill(side)
	if ok {
		s.Left = left
	}
}

// PowerOff ends a machine at once, with its kernel.
func (w *World) PowerOff(side int) {
	w.Kill(side)
	s := &w.Sides[side]
	s.Address, s.Traffic, s.Doors, s.Runs, s.Left = 0, 0, 0, pair.Rest, failover.Continuation{}
}

// Faults lists what can happen to one side or the network.
func Faults() []Fault {
	faults := []Fault{
		{Name: "partition", Do: func(w *World, _ Observer) { w.Link = [2]bool{} }},
		{Name: "cut alpha to beta", Do: func(w *World, _ Observer) { w.Link[Alpha] = false }},
		{Name: "cut beta to alpha", Do: func(w *World, _ Observer) { w.Link[Beta] = false }},
		{Name: "polls lost", Do: func(w *World, _ Observer) { w.Mute = true }},
		{Name: "gateway dead", Do: func(w *World, _ Observer) { w.Gateway = [2]bool{} }},
		{Name: "heal", Repairs: true, Do: func(w *World, _ Observer) { w.Heal() }},
	}
	for side := range 2 {
		faults = append(faults, sideFaults(side)...)
	}
	return faults
}

// PairingFaults are the faults around establishing and breaking a relationship.
func PairingFaults() []Fault {
	return append(Faults(),
		Fault{Name: "establish the relationship", Do: func(w *World, see Observer) {
			if w.Sides[Alpha].alive() && w.Sides[Beta].alive() && w.linked() {
				w.Command(Alpha, failover.BecomePaired{Role: pair.Primary}, see)
				w.Command(Beta, failover.BecomePaired{Role: pair.Backup}, see)
			}
		}},
		Fault{Name: "break it on alpha", Do: func(w *World, see Observer) { w.Command(Alpha, failover.BecomeStandalone{}, see) }},
		Fault{Name: "break it on beta", Do: func(w *World, see Observer) { w.Command(Beta, failover.BecomeStandalone{}, see) }},
	)
}

// SickFaults are those of a site that is sick, or could not run on a side.
func SickFaults() []Fault {
	var faults []Fault
	for side := range 2 {
		name := Name(side)
		faults = append(faults,
			Fault{Name: "sick site on " + name, Do: func(w *World, see Observer) {
				if w.Sides[side].State.Serving() { // it is checked nowhere else
					w.Command(side, failover.SiteHealth{Sick: true}, see)
				}
			}},
			Fault{Name: "well site on " + name, Repairs: true, Do: func(w *World, see Observer) { w.Command(side, failover.SiteHealth{}, see) }},
			Fault{Name: "unfit " + name, Do: func(w *World, see Observer) { w.Command(side, failover.DryStartEnded{}, see) }},
			Fault{Name: "fit " + name, Repairs: true, Do: func(w *World, see Observer) { w.Command(side, failover.DryStartEnded{Fit: true}, see) }},
			Fault{Name: "services start nowhere on " + name, Do: func(w *World, _ Observer) { w.Sides[side].Fails[Starting] = always }},
			Fault{Name: "services do not stop on " + name, Do: func(w *World, _ Observer) { w.Sides[side].Fails[Stopping] = always }},
			Fault{Name: "data syncs fail on " + name, Do: func(w *World, _ Observer) { w.Sides[side].Fails[Syncing] = always }},
		)
	}
	return faults
}

// TimeoutFaults are faults while the timeout is changed: on either side, as one takes it over
// from the other late.
func TimeoutFaults(timeouts ...time.Duration) []Fault {
	faults := []Fault{{Name: "the backup takes the settings over", Repairs: true, Do: func(w *World, see Observer) {
		if w.linked() && w.Sides[Alpha].alive() && w.Sides[Beta].alive() {
			w.agree(see)
		}
	}}}
	for side := range 2 {
		for _, timeout := range timeouts {
			faults = append(faults, Fault{Name: fmt.Sprintf("timeout %v on %s", timeout, Name(side)), Do: func(w *World, see Observer) {
				w.set(side, timeout, see)
			}})
		}
	}
	return faults
}

// set has an appliance go by another timeout.
func (w *World) set(side int, timeout time.Duration, see Observer) {
	s := &w.Sides[side]
	s.Config.Timeout, s.Config.Poll = timeout, pollOf(timeout)
	if s.alive() {
		w.feed(side, failover.Tick{}, see)
	}
}

// pollOf is the poll interval that goes with a timeout.
func pollOf(timeout time.Duration) time.Duration {
	return min(max(timeout/10, pair.MinPoll), pair.MaxPoll)
}

// agree has both appliances go by the settings of the primary, as a backup does once it
// hears of them.
func (w *World) agree(see Observer) {
	from := Alpha
	if w.Sides[Beta].Disk.Role == pair.Primary && w.Sides[Alpha].Disk.Role != pair.Primary {
		from = Beta
	}
	if timeout := w.Sides[from].Config.Timeout; timeout != w.Sides[other(from)].Config.Timeout {
		w.set(other(from), timeout, see)
	}
}

// ForcingFaults are the faults with an administrator who forces.
func ForcingFaults() []Fault {
	faults := Faults()
	for side := range 2 {
		faults = append(faults, Fault{Name: "force become primary on " + Name(side), Do: func(w *World, see Observer) {
			w.Command(side, failover.BecomePrimary{Force: true}, see)
		}})
	}
	return faults
}

// SetBack restores the disk of an appliance that does not run from an image of the
// same epoch: what it offered since, only the other one has.
func (w *World) SetBack(side int) {
	w.Restored = true
	w.Sides[side].Offer = pair.Snapshot{}
	w.Sides[other(side)].Dirty = true
}

// decide has an administrator end a conflict that comes from forcing, on the first
// side that lets him. Any other is a bug.
func (w *World) decide(see Observer) {
	if !w.Forced && !w.Restored {
		return
	}
	force := failover.BecomePrimary{Force: true}
	for side := range w.Sides {
		s := &w.Sides[side]
		conflict := s.State.SetBack || s.State.Phase == pair.Conflict || s.State.Serving() && s.State.Peer.Phase == pair.Conflict
		if s.alive() && conflict && s.Config.Refusal(s.State, w.Now, force) == failover.Agreed {
			w.Command(side, force, see)
			return
		}
	}
}

func sideFaults(side int) []Fault {
	name := Name(side)
	return []Fault{
		{Name: "pull cable of " + name, Do: func(w *World, _ Observer) { w.Cable(side, false) }},
		{Name: "power cut of " + name, Do: func(w *World, _ Observer) { w.PowerOff(side) }},
		{Name: "kill daemon of " + name, Do: func(w *World, _ Observer) { w.Kill(side) }},
		{Name: "stop " + name, Do: func(w *World, see Observer) {
			w.Command(side, failover.Stop{Within: w.Sides[side].Config.Timeout}, see)
		}},
		{Name: "restart " + name, Do: func(w *World, _ Observer) { w.Restart(side) }},
		{Name: "start " + name, Repairs: true, Do: func(w *World, see Observer) { w.Start(side, see) }},
		{Name: "pause " + name, Do: func(w *World, _ Observer) { w.Sides[side].Paused = w.Sides[side].Up }},
		{Name: "thaw " + name, Repairs: true, Do: func(w *World, _ Observer) { w.Sides[side].Paused = false }},
		{Name: "next save fails on " + name, Do: func(w *World, _ Observer) { w.Sides[side].Fails[Saving] = 1 }},
		{Name: "disk stays unwritable on " + name, Do: func(w *World, _ Observer) { w.Sides[side].Fails[Saving] = always }},
		{Name: "disk found unwritable on " + name, Do: func(w *World, see Observer) {
			w.Sides[side].Fails[Saving] = always
			w.Command(side, failover.StoreChecked{}, see)
		}},
		{Name: "disk writable on " + name, Repairs: true, Do: func(w *World, see Observer) {
			w.Sides[side].Fails[Saving] = 0
			w.Command(side, failover.StoreChecked{OK: true}, see)
		}},
		{Name: "crash after next save on " + name, Do: func(w *World, _ Observer) { w.Sides[side].CrashAfter = true }},
		{Name: "stands still after next save on " + name, Do: func(w *World, _ Observer) { w.Sides[side].PauseAfter = true }},
		{Name: "next claim fails on " + name, Do: func(w *World, _ Observer) { w.Sides[side].Fails[Claiming] = 1 }},
		{Name: "next closing of the traffic fails on " + name, Do: func(w *World, _ Observer) { w.Sides[side].Fails[ClosingTraffic] = 1 }},
		{Name: "next release fails on " + name, Do: func(w *World, _ Observer) { w.Sides[side].Fails[Releasing] = 1 }},
		{Name: "next services fail on " + name, Do: func(w *World, _ Observer) { w.Sides[side].Fails[Starting] = 1 }},
		{Name: "next stop of services fails on " + name, Do: func(w *World, _ Observer) { w.Sides[side].Fails[Stopping] = 1 }},
		{Name: "next set-aside fails on " + name, Do: func(w *World, _ Observer) { w.Sides[side].Fails[SettingAside] = 1 }},
		{Name: "next answer lost from " + name, Do: func(w *World, _ Observer) { w.Sides[side].LosesAnswer = true }},
		{Name: "old message again to " + name, Do: func(w *World, see Observer) {
			if s := &w.Sides[side]; s.alive() && s.State.PeerHeard.Set {
				w.feed(side, failover.Heard{View: s.State.Peer, Confirmed: s.Acked}, see)
			}
		}},
		{Name: "become primary with final sync on " + name, Do: func(w *World, see Observer) {
			w.Command(side, failover.BecomePrimary{FinalSync: true}, see)
		}},
		{Name: "become primary without sync on " + name, Do: func(w *World, see Observer) {
			w.Command(side, failover.BecomePrimary{}, see)
		}},
	}
}

// Command hands an appliance an administrator's word.
func (w *World) Command(side int, ev failover.Event, see Observer) {
	if force, ok := ev.(failover.BecomePrimary); ok && force.Force {
		w.Forced = true
	}
	if w.Sides[side].alive() {
		w.feed(side, ev, see)
	}
}

// MendAll puts everything right, as when faults have stopped.
func (w *World) MendAll(see Observer) {
	w.Heal()
	for side := range w.Sides {
		s := &w.Sides[side]
		s.Takes, s.Fails, s.Spares, s.CrashAfter, s.PauseAfter, s.LosesAnswer, s.Deaf = [works]time.Duration{}, [works]uint8{}, [works]uint8{}, false, false, false, 0
		w.Sides[side].Paused = false
		w.Start(side, see)
		for _, well := range []failover.Event{failover.StoreChecked{OK: true}, failover.SiteHealth{}, failover.DryStartEnded{Fit: true}} {
			w.Command(side, well, see)
		}
	}
	w.agree(see)
	for side := range w.Sides { // a poll that began at the pace of a longer timeout has its time
		if poll := w.Sides[side].Due[Polling]; poll.Set && poll.At.Sub(w.Now) > w.Sides[side].Config.Timeout/5 {
			w.Run(poll.At.Sub(w.Now), see)
		}
	}
}

package failovertest

import (
	"baton/internal/failover"
	"baton/internal/pair"
)

func other(side int) int { return 1 - side }

// alive reports whether an appliance's daemon can do anything now.
func (w *World) alive(side int) bool { return w.Sides[side].Up && !w.Sides[side].Paused }

// perform carries one action out, the way an agent and its edges would.
func (w *World) perform(side int, action failover.Action, see Observer) {
	s := &w.Sides[side]
	switch action := action.(type) {
	case failover.Poll:
		w.poll(side, action, see)
	case failover.TestIPs:
		if w.Gateway[side] {
			w.feed(side, failover.TestIPsAnswered{Reached: s.Config.TestIPs}, see)
			return
		}
		s.TestFails = at(w.Now.Add(action.Wait))
	case failover.ProbeAddress:
		if result := w.probe(side); result == failover.ProbeOwned {
			w.feed(side, failover.AddressProbed{Result: result}, see)
			return
		}
		s.ProbeSilent = at(w.Now.Add(action.Wait))
	case failover.CheckAddress:
		w.feed(side, failover.AddressChecked{Owner: w.owner(side)}, see)
	case failover.OpenData:
		w.feed(side, failover.DataOpened{OK: true}, see)
	case failover.StartServices:
		s.Service = true
		w.feed(side, failover.ServicesStarted{OK: true}, see)
	case failover.StopServices:
		s.Service = false
		w.feed(side, failover.ServicesStopped{}, see)
	default:
		w.performAddress(side, action, see)
	}
}

func (w *World) performAddress(side int, action failover.Action, see Observer) {
	s := &w.Sides[side]
	switch action := action.(type) {
	case failover.Claim:
		if s.ClaimFails {
			s.ClaimFails = false
			w.feed(side, failover.Claimed{OK: false}, see)
			return
		}
		s.Address = w.Now.Add(action.Lease + grain)
		w.announce(side)
		w.feed(side, failover.Claimed{OK: true}, see)
	case failover.Renew:
		s.Address = w.Now.Add(action.Lease + grain)
	case failover.Announce:
		w.announce(side)
	case failover.Release:
		s.Address = 0
		w.feed(side, failover.Released{OK: true}, see)
	case failover.SetAside:
		if s.AsideFails {
			s.AsideFails = false
			w.feed(side, failover.SetAsideDone{OK: false}, see)
			return
		}
		s.Dirty = false
		w.feed(side, failover.SetAsideDone{OK: true}, see)
	default:
		w.performSwitch(side, action, see)
	}
}

func (w *World) performSwitch(side int, action failover.Action, see Observer) {
	s, peer := &w.Sides[side], other(side)
	switch action := action.(type) {
	case failover.Sync:
		ok := w.pull(side)
		if ok && action.Final {
			w.Sides[peer].Dirty = false
		}
		w.feed(side, failover.SyncEnded{OK: ok}, see)
	case failover.AskHold:
		if !w.ask(side, failover.HoldAsked{Epoch: s.State.Record.Epoch}, see) {
			w.feed(side, failover.HoldAnswered{}, see)
		}
	case failover.AskCommit:
		asked := failover.CommitAsked{Next: action.Next, Snapshot: s.State.Record.Snapshot, Final: action.Final}
		if !w.ask(side, asked, see) {
			w.feed(side, failover.CommitAnswered{}, see)
		}
	case failover.EndHold:
		if w.Link[side] && w.alive(peer) {
			w.feed(peer, failover.HoldEnded{}, see)
		}
	case failover.AnswerHold:
		if w.answered(side) {
			w.feed(peer, failover.HoldAnswered{OK: action.Refusal == failover.Agreed}, see)
		}
	case failover.AnswerCommit:
		if w.answered(side) {
			w.feed(peer, failover.CommitAnswered{OK: action.Refusal == failover.Agreed}, see)
		}
	}
}

// ask brings a question of a handover to the peer. It reports false if no
// answer can be expected.
func (w *World) ask(side int, ev failover.Event, see Observer) bool {
	peer := other(side)
	if !w.Link[side] || !w.alive(peer) {
		return false
	}
	w.Sides[peer].Asked = true
	w.feed(peer, ev, see)
	return w.Link[peer] && w.Sides[peer].Up || !w.Sides[peer].Asked
}

// answered reports whether an answer arrives at the peer that waits for it.
func (w *World) answered(side int) bool {
	s := &w.Sides[side]
	waiting := s.Asked
	s.Asked = false
	return waiting && w.Link[side] && w.alive(other(side))
}

func (w *World) poll(side int, action failover.Poll, see Observer) {
	s, peer := &w.Sides[side], other(side)
	view := s.Config.View(s.State)
	p := &w.Sides[peer]
	if w.Link[side] && p.Up && p.Paused {
		p.Queued, p.Queue = true, view
	}
	if w.Link[side] && w.alive(peer) {
		w.feed(peer, failover.Heard{View: view, Confirmed: p.Acked}, see)
		if w.Link[peer] && w.alive(peer) {
			p.Acked = at(w.Now)
			w.feed(side, failover.PollAnswered{Heard: failover.Heard{View: p.Config.View(p.State), Confirmed: at(w.Now)}}, see)
			return
		}
	}
	s.PollFails = at(w.Now.Add(action.Wait))
}

// probe tells who answers an ARP probe of an appliance.
func (w *World) probe(side int) failover.ProbeResult {
	peer := other(side)
	switch {
	case !w.Gateway[side] && !w.Link[side] && !w.Link[peer]:
		return failover.ProbeImpossible // cable out
	case w.Sides[peer].Address != 0 && w.Link[side] && w.Link[peer]:
		return failover.ProbeOwned
	}
	return failover.ProbeSilent
}

// owner tells whom the gateway sends to, as a lost-address check finds out.
func (w *World) owner(side int) failover.Owner {
	switch {
	case !w.Gateway[side]:
		return failover.OwnerUnknown
	case int(w.Cache) == side+1:
		return failover.OwnerSelf
	}
	return failover.OwnerElsewhere
}

func (w *World) announce(side int) {
	if w.Gateway[side] {
		w.Cache = int8(side + 1)
	}
}

// sync pulls continuously, as a backup does while it may, and lets a serving
// primary write.
func (w *World) sync(side int) {
	s := &w.Sides[side]
	if s.Up && s.State.Door == failover.Open && s.State.Switch.Step != failover.Stopped {
		s.Dirty = true
	}
	if w.alive(side) && s.Config.BackupOperations && s.State.Switch.Step == failover.NoSwitch && s.Config.MaySync(s.State) {
		if s.State.Record.Snapshot.IsZero() || w.Now.Sub(s.State.SnapshotAt.At) >= s.Config.Timeout/2 {
			w.pull(side)
		}
	}
}

// pull runs one data sync from the peer.
func (w *World) pull(side int) bool {
	s, peer := &w.Sides[side], other(side)
	p := &w.Sides[peer]
	if !w.Link[side] || !w.Link[peer] || !w.alive(peer) || p.State.Record.Role != pair.Primary || p.State.Record.Epoch != s.State.Record.Epoch {
		return false
	}
	if s.Dirty {
		w.fail("I6: data that was not set aside is overwritten on " + Name(side))
	}
	if s.State.Record.Epoch.Above(p.State.Record.Epoch) {
		w.fail("I4: a lower epoch is applied on " + Name(side))
	}
	// The number stays as it is within an epoch, so that worlds that differ only
	// in how often they synced are one.
	s.Disk.Snapshot = pair.Snapshot{Number: p.State.Record.Epoch.Counter, Epoch: p.State.Record.Epoch, TakenAt: 1}
	w.feed(side, failover.DataChanged{Snapshot: s.Disk.Snapshot, Taken: w.Now}, nil)
	return true
}

package failovertest

import (
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

func other(side int) int { return 1 - side }

// alive reports whether an appliance's daemon can do anything now.
func (w *World) alive(side int) bool { return w.Sides[side].Up && !w.Sides[side].Paused }

// play carries out what follows from one event, turn by turn: outcomes wait
// until the turn that caused them is complete, as in the agent.
type play struct {
	*World
	see   Observer
	queue []item
}

// item is an event on its way to a side, or the answer to its poll.
type item struct {
	side   int
	ev     failover.Event
	answer bool
	wait   time.Duration
}

// feed hands an appliance one event and carries out all that follows at once.
func (w *World) feed(side int, ev failover.Event, see Observer) {
	var room [8]item
	p := play{World: w, see: see, queue: append(room[:0], item{side: side, ev: ev})}
	for len(p.queue) > 0 {
		next := p.queue[0]
		p.queue = p.queue[1:]
		switch {
		case next.answer:
			p.answerPoll(next)
		case w.Sides[next.side].Up:
			p.turn(next.side, next.ev)
		}
	}
}

func (p *play) post(side int, ev failover.Event) { p.queue = append(p.queue, item{side: side, ev: ev}) }

// turn is one call of the decision. A record that cannot be saved undoes it.
func (p *play) turn(side int, ev failover.Event) {
	s := &p.Sides[side]
	before := s.State
	next, actions := s.Config.Next(before, p.Now, ev)
	s.State = next
	for _, action := range actions {
		save, saves := action.(failover.Save)
		if saves && p.fails(side, Saving) {
			s.State = before
			p.post(side, failover.SaveFailed{Event: ev})
			return
		}
		if saves {
			s.Disk = save.Record
		}
		if p.see != nil {
			p.see(side, action)
		}
		if saves && s.CrashAfter {
			p.Kill(side)
			return
		}
		if saves && s.PauseAfter {
			s.PauseAfter, s.Paused = false, true
		}
		p.perform(side, action)
	}
}

// fails reports whether this attempt fails, and counts it.
func (w *World) fails(side int, k Work) bool {
	left := &w.Sides[side].Fails[k]
	switch *left {
	case 0:
		return false
	case always:
	default:
		*left--
	}
	return true
}

// begin starts work that ends by itself, now or later.
func (p *play) begin(side int, k Work) {
	s := &p.Sides[side]
	if s.Takes[k] == 0 && !s.Paused {
		p.post(side, p.outcome(side, k))
		return
	}
	s.Due[k] = at(p.Now.Add(s.Takes[k]))
}

// outcome is how work ends.
func (w *World) outcome(side int, k Work) failover.Event {
	s := &w.Sides[side]
	switch k {
	case Polling:
		return failover.PollFailed{Reason: w.Mismatch}
	case Pinging:
		return failover.TestIPsAnswered{Reached: w.reached(side)}
	case Probing:
		return failover.AddressProbed{Result: w.probe(side)}
	case Opening:
		ok := !w.fails(side, k) && (!s.Torn || s.AsIs)
		s.Torn = s.Torn && !ok
		return failover.DataOpened{OK: ok}
	case Starting:
		if s.Runs = pair.Rest; !w.fails(side, k) {
			s.Runs = s.State.Duty
		}
		return failover.ServicesSet{Duty: s.State.Duty, OK: s.Runs == s.State.Duty}
	case Stopping:
		ok := !w.fails(side, k)
		if ok {
			s.Runs = pair.Rest
		}
		return failover.ServicesSet{Duty: pair.Rest, OK: ok}
	case Draining:
		return failover.RequestsHeld{OK: s.Drained}
	case SettingAside:
		ok := !w.fails(side, k)
		s.Dirty = s.Dirty && !ok
		return failover.SetAsideDone{OK: ok}
	case Syncing:
		return failover.SyncEnded{OK: w.finishSync(side)}
	case Saving, Claiming, Renewing, ClosingTraffic, Releasing, works: // done at once
	}
	return failover.Tick{}
}

// perform carries one action out, the way an agent and its edges would.
func (p *play) perform(side int, action failover.Action) {
	s := &p.Sides[side]
	switch action := action.(type) {
	case failover.Poll:
		p.poll(side, action.Wait)
	case failover.TestIPs:
		if reached := p.reached(side); reached >= action.Need {
			p.post(side, failover.TestIPsAnswered{Reached: reached})
			return
		}
		s.Due[Pinging] = at(p.Now.Add(action.Wait))
	case failover.ProbeAddress:
		p.overhear(side, failover.RivalProbed{})
		if result := p.probe(side); result == failover.ProbeOwned {
			p.post(side, failover.AddressProbed{Result: result})
			return
		}
		s.Due[Probing] = at(p.Now.Add(action.Wait))
	case failover.CheckAddress:
		p.post(side, failover.AddressChecked{Owner: p.owner(side)})
	case failover.OpenData:
		s.AsIs = action.Forced
		p.begin(side, Opening)
	case failover.SetServices:
		s.Due[Starting], s.Due[Stopping] = failover.Moment{}, failover.Moment{} // the newest ends the one before
		if action.Duty == pair.Rest {
			p.begin(side, Stopping)
			return
		}
		p.begin(side, Starting)
	case failover.SetAside:
		p.begin(side, SettingAside)
	default:
		p.performAddress(side, action)
	}
}

func (p *play) performAddress(side int, action failover.Action) {
	s := &p.Sides[side]
	switch action := action.(type) {
	case failover.Claim:
		if p.fails(side, Claiming) {
			p.post(side, failover.Claimed{OK: false})
			return
		}
		s.Address = p.Now.Add(action.Lease + grain)
		s.pass(p.Now, action.Lease, action.Until)
		s.letIn()
		p.announce(side)
		p.overhear(side, failover.ForeignOwner{})
		p.post(side, failover.Claimed{OK: true})
	case failover.Renew:
		p.post(side, failover.Renewed{OK: p.renew(s, side, action)})
	case failover.CloseTraffic:
		p.post(side, failover.TrafficClosed{OK: p.closeTraffic(s, side)})
	case failover.Announce:
		p.announce(side)
		p.overhear(side, failover.ForeignOwner{})
	case failover.Release:
		ok := !p.fails(side, Releasing)
		if ok {
			s.Address = 0
		}
		s.Traffic = 0
		s.letIn()
		p.post(side, failover.Released{OK: ok})
	default:
		p.performSwitch(side, action)
	}
}

func (p *play) renew(s *Side, side int, action failover.Renew) (ok bool) {
	ok = !p.fails(side, Renewing)
	if ok && (!action.Shut || s.Config.TrafficLease) {
		s.Address = p.Now.Add(action.Lease + grain)
	}
	if ok && !action.Shut {
		s.pass(p.Now, action.Lease, action.Until)
	}
	return ok
}

func (p *play) closeTraffic(s *Side, side int) (ok bool) {
	ok = !p.fails(side, ClosingTraffic)
	if ok {
		s.Traffic = 0
	}
	if ok && !s.Config.TrafficLease {
		s.Address = 0
	}
	return ok
}

// hold has new requests wait, for as long as those that run take, at most for the wait.
func (p *play) hold(side int, wait time.Duration) {
	s := &p.Sides[side]
	takes := s.Takes[Draining]
	s.Holds, s.Drained = true, takes <= wait
	if takes == 0 && !s.Paused {
		p.post(side, failover.RequestsHeld{OK: true})
		return
	}
	s.Due[Draining] = at(p.Now.Add(min(takes, wait)))
}

// letIn ends the wait of requests, one way or the other.
func (s *Side) letIn() { s.Holds, s.Due[Draining] = false, failover.Moment{} }

// pass lets the kernel pass traffic for a lease, and not beyond the entitlement.
func (s *Side) pass(now failover.Instant, lease time.Duration, until failover.Instant) {
	if s.Traffic = min(now.Add(lease), until); s.Traffic <= now || !s.Config.TrafficLease {
		s.Traffic = 0
	}
}

func (p *play) performSwitch(side int, action failover.Action) {
	s, peer := &p.Sides[side], other(side)
	switch action := action.(type) {
	case failover.HoldRequests:
		p.hold(side, action.Wait)
	case failover.ServeRequests:
		s.letIn()
	case failover.Sync:
		if s.Final = action.Final; !p.mayPull(side) {
			p.post(side, failover.SyncEnded{OK: false})
			return
		}
		p.begin(side, Syncing)
	case failover.AskHold:
		if !p.ask(side, failover.HoldAsked{Epoch: s.State.Record.Epoch}) {
			p.post(side, failover.HoldAnswered{})
		}
	case failover.AskCommit:
		if !p.ask(side, failover.CommitAsked{Next: action.Next, Snapshot: s.State.Record.Snapshot, Final: action.Final}) {
			p.post(side, failover.CommitAnswered{})
		}
	case failover.EndHold:
		if p.Link[side] && !p.Mute && p.alive(peer) {
			p.post(peer, failover.HoldEnded{})
		}
	case failover.AnswerHold:
		p.answer(side, failover.HoldAnswered{OK: action.Refusal == failover.Agreed})
	case failover.AnswerCommit:
		p.answer(side, failover.CommitAnswered{OK: action.Refusal == failover.Agreed})
	case failover.OfferHandover:
		if p.Link[side] && !p.Mute && p.alive(peer) {
			p.post(peer, failover.BecomePrimary{FinalSync: true, Automatic: true})
		}
	}
}

// ask brings a question of a handover to the peer. It reports false if the
// peer cannot be reached.
func (p *play) ask(side int, ev failover.Event) bool {
	peer := other(side)
	if !p.linked() || !p.alive(peer) {
		return false
	}
	p.Sides[peer].Asked = true
	p.post(peer, ev)
	return true
}

// answer brings an answer to the peer, if it waits for one and nothing is in the way.
func (p *play) answer(side int, ev failover.Event) {
	s := &p.Sides[side]
	if s.Asked && p.Link[side] && !p.Mute && p.alive(other(side)) && !s.LosesAnswer {
		p.post(other(side), ev)
	}
	s.Asked, s.LosesAnswer = false, s.LosesAnswer && !s.Asked
}

func (p *play) poll(side int, wait time.Duration) {
	s, peer := &p.Sides[side], other(side)
	view := s.view()
	switch {
	case p.Mismatch != pair.NoAnswer:
		p.post(side, failover.PollFailed{Reason: p.Mismatch})
		return
	case !p.Link[side] || p.Mute || !p.Sides[peer].Up:
		s.Due[Polling] = at(p.Now.Add(wait))
		return
	case p.Sides[peer].Paused:
		p.Sides[peer].Queued, p.Sides[peer].Queue = true, view
		s.Due[Polling] = at(p.Now.Add(wait))
		return
	}
	p.post(peer, failover.Heard{View: view, Confirmed: p.Sides[peer].Acked})
	p.queue = append(p.queue, item{side: side, answer: true, wait: wait})
}

// answerPoll brings the peer's answer, once it has taken the poll in.
func (p *play) answerPoll(ask item) {
	peer := &p.Sides[other(ask.side)]
	if !p.Link[other(ask.side)] || p.Mute || !p.alive(other(ask.side)) {
		p.Sides[ask.side].Due[Polling] = at(p.Now.Add(ask.wait))
		return
	}
	peer.Acked = at(p.Now)
	heard := failover.Heard{View: peer.view(), Confirmed: at(p.Now)}
	p.post(ask.side, failover.PollAnswered{Heard: heard})
}

// view is what a side tells of itself.
func (s *Side) view() pair.View {
	view := s.Config.View(s.State)
	if s.Earlier {
		view.Hold = pair.Hold{}
	}
	return view
}

// linked reports whether messages pass between the two, both ways.
func (w *World) linked() bool { return w.Link[Alpha] && w.Link[Beta] && !w.Mute }

// reached is how many test IPs answer an appliance.
func (w *World) reached(side int) int {
	if !w.Gateway[side] {
		return 0
	}
	return max(w.Sides[side].Config.TestIPs-int(w.Sides[side].Deaf), 0)
}

// probe tells who answers an ARP probe of an appliance.
func (w *World) probe(side int) failover.ProbeResult {
	peer := other(side)
	switch {
	case !w.Gateway[side] && !w.Link[side] && !w.Link[peer]:
		return failover.ProbeImpossible // cable out
	case w.Squatter, w.passes(peer) && w.Link[side] && w.Link[peer]:
		return failover.ProbeOwned
	}
	return failover.ProbeSilent
}

// owner tells whom the gateway sends to, as a lost-address check finds out.
func (w *World) owner(side int) failover.Owner {
	switch {
	case !w.Gateway[side]:
		return failover.OwnerUnknown
	case w.Cache == 0:
		return failover.OwnerNobody
	case w.Cache == side+1:
		return failover.OwnerSelf
	}
	return failover.OwnerElsewhere
}

// overhear tells the peer what a side sends to everybody on the link.
func (p *play) overhear(side int, ev failover.Event) {
	if peer := other(side); p.Link[side] && p.alive(peer) {
		p.post(peer, ev)
	}
}

func (w *World) announce(side int) {
	if w.Gateway[side] {
		w.Cache, w.Cached = side+1, w.Now
	}
}

// sync pulls continuously, as a backup does while it may, and lets a serving
// primary write.
func (w *World) sync(side int, see Observer) {
	s := &w.Sides[side]
	if s.Up && s.State.Door == failover.Open && s.Runs == pair.Lead {
		s.Dirty = true
	}
	if !w.alive(side) || !s.Config.BackupOperations || s.State.Switch.Step != failover.NoSwitch || !s.Config.MaySync(s.State) {
		return
	}
	none := s.State.Record.Snapshot.Epoch != s.State.Record.Epoch
	if none || w.Now.Sub(s.State.SnapshotAt.At) >= s.Config.Timeout/2 {
		w.pull(side, see)
	}
}

// mayPull reports whether the peer's data can be had.
func (w *World) mayPull(side int) bool {
	s, p := &w.Sides[side], &w.Sides[other(side)]
	return w.linked() && w.Mismatch == pair.NoAnswer && w.alive(other(side)) &&
		p.State.Record.Role == pair.Primary && p.State.Record.Epoch == s.State.Record.Epoch
}

// pull runs one data sync from the peer.
func (w *World) pull(side int, see Observer) bool {
	s, p := &w.Sides[side], &w.Sides[other(side)]
	if !w.mayPull(side) || w.fails(side, Syncing) || s.Torn {
		return false
	}
	if mine := s.Disk.Snapshot; mine.Epoch == p.State.Record.Epoch && (p.Offer.Epoch != mine.Epoch || mine.Number > p.Offer.Number) {
		return false // the primary was set back
	}
	if s.Dirty {
		w.fail("I6: data that was not set aside is overwritten on " + Name(side))
	}
	// The number stays as it is within an epoch, so that worlds that differ only
	// in how often they synced are one.
	s.Disk.Snapshot = pair.Snapshot{Number: p.State.Record.Epoch.Counter, Epoch: p.State.Record.Epoch, TakenAt: 1}
	p.Offer = pair.Snapshot{Number: s.Disk.Snapshot.Number, Epoch: s.Disk.Snapshot.Epoch}
	w.feed(other(side), failover.DataOffered{Snapshot: p.Offer}, see)
	w.feed(side, failover.DataChanged{Snapshot: s.Disk.Snapshot, Taken: at(w.Now)}, see)
	p.Disk.Snapshot = s.Disk.Snapshot
	w.feed(other(side), failover.DataChanged{Snapshot: s.Disk.Snapshot, Taken: at(w.Now)}, see)
	return true
}

// finishSync ends the data sync of a handover. A final one brings all there is.
func (w *World) finishSync(side int) bool {
	ok := w.pull(side, nil)
	p := &w.Sides[other(side)]
	if ok && w.Sides[side].Final && p.Runs != pair.Lead && !w.passes(other(side)) {
		p.Dirty = false
	}
	return ok
}

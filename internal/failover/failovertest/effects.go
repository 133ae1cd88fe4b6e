package failovertest

import (
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
)

func other(side int) int { return 1 - side }

// play carries out what follows from one event, turn by turn: outcomes wait
// until the turn that caused them is complete, as in the agent.
type play struct {
	world *World
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
	p := play{world: w, see: see, queue: append(room[:0], item{side: side, ev: ev})}
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
	s := &p.world.Sides[side]
	before := s.State
	next, actions := s.Config.Next(before, p.world.Now, ev)
	s.turned(next)
	for _, action := range actions {
		save, saves := action.(failover.Save)
		if saves && s.fails(Saving) {
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
		if saves {
			p.saved(side)
		}
		if s.Up {
			p.perform(side, action)
		}
		if !s.Up {
			return
		}
	}
}

// saved lets happen what is to happen after a save.
func (p *play) saved(side int) {
	s := &p.world.Sides[side]
	switch {
	case s.CrashAfter:
		p.world.Kill(side)
	case s.PauseAfter:
		s.PauseAfter, s.Paused = false, true
	}
}

// begin starts work that ends by itself, now or later.
func (p *play) begin(side int, k Work) {
	s := &p.world.Sides[side]
	if s.Takes[k] == 0 && !s.Paused {
		p.post(side, p.world.outcome(side, k))
		return
	}
	s.Due[k] = at(p.world.Now.Add(s.Takes[k]))
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
		return failover.AddressProbed{Result: w.probe(side, w.Sides[other(side)].answers())}
	case Opening:
		ok := !s.fails(k) && (!s.Torn || s.AsIs)
		s.Torn = s.Torn && !ok
		return failover.DataOpened{OK: ok}
	case Starting:
		if s.Runs = pair.Rest; !s.fails(k) {
			s.Runs = s.State.Duty
		}
		return failover.ServicesSet{Duty: s.State.Duty, OK: s.Runs == s.State.Duty}
	case Stopping:
		ok := !s.fails(k)
		if ok {
			s.Runs = pair.Rest
		}
		return failover.ServicesSet{Duty: pair.Rest, OK: ok}
	case Draining:
		return failover.RequestsHeld{OK: s.Drained}
	case Forwarding:
		s.Holds = false
		return failover.RequestsForwarded{OK: s.Passed}
	case SettingAside:
		ok := !s.fails(k)
		s.Dirty = s.Dirty && !ok
		return failover.SetAsideDone{OK: ok}
	case Syncing:
		return failover.SyncEnded{OK: w.finishSync(side)}
	case Offering:
		return failover.OfferEnded{}
	case Relieving:
		return failover.ReleaseAnswered{}
	case Saving, Claiming, Renewing, ClosingTraffic, Releasing, works: // done at once
	}
	return failover.Tick{}
}

// perform carries one action out, the way an agent and its edges would.
func (p *play) perform(side int, action failover.Action) {
	s := &p.world.Sides[side]
	switch action := action.(type) {
	case failover.Poll:
		p.poll(side, action.Wait)
	case failover.TestIPs:
		if reached := p.world.reached(side); reached >= action.Need {
			p.post(side, failover.TestIPsAnswered{Reached: reached})
			return
		}
		s.Due[Pinging] = at(p.world.Now.Add(action.Wait))
	case failover.ProbeAddress:
		p.overhear(side, failover.RivalProbed{})
		if result := p.world.probe(side, p.world.Sides[other(side)].answers()); result == failover.ProbeOwned {
			p.post(side, failover.AddressProbed{Result: result})
			return
		}
		s.Due[Probing] = at(p.world.Now.Add(action.Wait))
	case failover.CheckAddress:
		p.post(side, failover.AddressChecked{Owner: p.world.owner(side)})
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
	s := &p.world.Sides[side]
	switch action := action.(type) {
	case failover.Claim:
		if s.fails(Claiming) {
			p.post(side, failover.Claimed{OK: false})
			return
		}
		s.Address = p.world.Now.Add(action.Lease + grain)
		s.pass(p.world.Now, action.Lease, action.Until)
		s.letIn()
		p.world.announce(side, p.world.Now)
		p.overhear(side, failover.ForeignOwner{})
		p.post(side, failover.Claimed{OK: true})
	case failover.Renew:
		p.post(side, failover.Renewed{OK: s.renew(p.world.Now, action)})
	case failover.CloseTraffic:
		p.post(side, failover.TrafficClosed{OK: s.closeTraffic(p.world.Now, action)})
	case failover.Announce:
		p.world.announce(side, p.world.Now)
		p.overhear(side, failover.ForeignOwner{})
	case failover.Release:
		p.post(side, failover.Released{OK: s.release()})
	default:
		p.performSwitch(side, action)
	}
}

// hold has new requests wait, for as long as those that run take, at most for the wait.
func (p *play) hold(side int, wait time.Duration) {
	s := &p.world.Sides[side]
	takes := s.Takes[Draining]
	s.Holds, s.Drained = true, takes <= wait
	if takes == 0 && !s.Paused {
		p.post(side, failover.RequestsHeld{OK: true})
		return
	}
	s.Due[Draining] = at(p.world.Now.Add(min(takes, wait)))
}

func (p *play) performSwitch(side int, action failover.Action) {
	s := &p.world.Sides[side]
	switch action := action.(type) {
	case failover.HoldRequests:
		p.hold(side, action.Wait)
	case failover.ServeRequests:
		s.letIn()
	case failover.ForwardRequests:
		p.forward(side, action.Wait)
	case failover.Sync:
		if s.Final = action.Final; !p.world.mayPull(side) {
			p.post(side, failover.SyncEnded{OK: false})
			return
		}
		p.begin(side, Syncing)
	case failover.AskHold:
		if !p.ask(side, failover.HoldAsked{Epoch: s.State.Record.Epoch}) {
			p.post(side, failover.HoldAnswered{})
		}
	case failover.AskCommit:
		if !p.ask(side, failover.CommitAsked{Next: action.Next, Snapshot: s.State.Record.Snapshot, Final: action.Final, Forward: action.Forward}) {
			p.post(side, failover.CommitAnswered{})
		}
	case failover.AskRelease:
		p.askRelease(side, action.Wait)
	case failover.AnswerRelease:
		p.answerRelease(side, action.Refusal == failover.Agreed)
	case failover.EndHold:
		p.send(side, failover.HoldEnded{})
	case failover.AnswerHold:
		p.answer(side, failover.HoldAnswered{OK: action.Refusal == failover.Agreed})
	case failover.AnswerCommit:
		p.answer(side, failover.CommitAnswered{OK: action.Refusal == failover.Agreed})
	case failover.OfferHandover:
		s.Due[Offering] = at(p.world.Now.Add(action.Wait))
		if !p.reach(side, failover.BecomePrimary{FinalSync: true, Automatic: true, Stops: action.Stops, Within: action.Wait}) {
			s.Due[Offering] = at(p.world.Now)
		}
	case failover.Finish: // of an offer, if there is one
		if peer := &p.world.Sides[other(side)]; peer.Due[Offering].Set {
			peer.Due[Offering] = at(p.world.Now)
		}
	case failover.Depart:
		p.depart(side)
	}
}

// askRelease asks the peer to pass requests on; the question ends after the wait.
func (p *play) askRelease(side int, wait time.Duration) {
	s := &p.world.Sides[side]
	if !p.ask(side, failover.ReleaseAsked{Epoch: s.State.Record.Epoch}) {
		wait = 0
	}
	s.Due[Relieving] = at(p.world.Now.Add(wait))
}

func (p *play) answerRelease(side int, ok bool) {
	if s := &p.world.Sides[side]; s.Asked && !s.LosesAnswer && p.world.sends(side) {
		p.world.Sides[other(side)].Due[Relieving] = failover.Moment{}
	}
	p.answer(side, failover.ReleaseAnswered{OK: ok})
}

// forward passes the requests that wait on to the peer, at most for the wait.
func (p *play) forward(side int, wait time.Duration) {
	s := &p.world.Sides[side]
	takes := s.Takes[Forwarding]
	s.Passed = takes <= wait && p.world.linked() && p.world.Sides[other(side)].alive()
	s.Due[Forwarding] = at(p.world.Now.Add(min(takes, wait)))
}

// depart ends a daemon that was told to stop: the address first, and then it tells the peer.
func (p *play) depart(side int) {
	s := &p.world.Sides[side]
	off, goodbye := s.release(), s.view()
	s.Runs = pair.Rest
	goodbye.Serving, goodbye.Eligible, goodbye.Stopping = false, false, true
	p.world.Kill(side)
	if off && goodbye.Role != pair.Standalone {
		p.send(side, failover.Heard{View: goodbye, Confirmed: p.world.Sides[other(side)].Acked})
	}
}

// ask brings a question of a handover to the peer. It reports false if the
// peer cannot be reached.
func (p *play) ask(side int, ev failover.Event) bool {
	ok := p.reach(side, ev)
	if ok {
		p.world.Sides[other(side)].Asked = true
	}
	return ok
}

// reach brings the peer what it is to answer. It reports false if it cannot be reached.
func (p *play) reach(side int, ev failover.Event) bool {
	peer := other(side)
	ok := p.world.linked() && p.world.Sides[peer].alive()
	if ok {
		p.post(peer, ev)
	}
	return ok
}

// send brings a message to the peer, if nothing is in the way.
func (p *play) send(side int, ev failover.Event) {
	if peer := other(side); p.world.sends(side) && p.world.Sides[peer].alive() {
		p.post(peer, ev)
	}
}

// answer brings an answer to the peer, if it waits for one.
func (p *play) answer(side int, ev failover.Event) {
	s := &p.world.Sides[side]
	if s.Asked && !s.LosesAnswer {
		p.send(side, ev)
	}
	s.Asked, s.LosesAnswer = false, s.LosesAnswer && !s.Asked
}

func (p *play) poll(side int, wait time.Duration) {
	w, s, peer := p.world, &p.world.Sides[side], &p.world.Sides[other(side)]
	view := s.view()
	switch {
	case w.Mismatch != pair.NoAnswer:
		p.post(side, failover.PollFailed{Reason: w.Mismatch})
		return
	case !w.sends(side) || !peer.Up:
		s.Due[Polling] = at(w.Now.Add(wait))
		return
	case peer.Paused:
		peer.Queued, peer.Queue = true, view
		s.Due[Polling] = at(w.Now.Add(wait))
		return
	}
	p.post(other(side), failover.Heard{View: view, Confirmed: peer.Acked})
	p.queue = append(p.queue, item{side: side, answer: true, wait: wait})
}

// answerPoll brings the peer's answer, once it has taken the poll in.
func (p *play) answerPoll(ask item) {
	w, peer := p.world, &p.world.Sides[other(ask.side)]
	if !w.sends(other(ask.side)) || !peer.alive() {
		w.Sides[ask.side].Due[Polling] = at(w.Now.Add(ask.wait))
		return
	}
	peer.Acked = at(w.Now)
	heard := failover.Heard{View: peer.view(), Confirmed: at(w.Now)}
	p.post(ask.side, failover.PollAnswered{Heard: heard})
}

// reached is how many test IPs answer an appliance.
func (w *World) reached(side int) int {
	if !w.Gateway[side] {
		return 0
	}
	return max(w.Sides[side].Config.TestIPs-int(w.Sides[side].Deaf), 0)
}

// overhear tells the peer what a side sends to everybody on the link.
func (p *play) overhear(side int, ev failover.Event) {
	if peer := other(side); p.world.Link[side] && p.world.Sides[peer].alive() {
		p.post(peer, ev)
	}
}

// sync pulls continuously, as a backup does while it may, and lets a serving
// primary write.
func (w *World) sync(side int, see Observer) {
	s := &w.Sides[side]
	if s.Up && s.State.Door == failover.Open && s.Runs == pair.Lead {
		s.Dirty = true
	}
	if !s.alive() || !s.Config.BackupOperations || s.State.Switch.Step != failover.NoSwitch || !s.Config.MaySync(s.State) {
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
	return w.linked() && w.Mismatch == pair.NoAnswer && w.Sides[other(side)].alive() &&
		p.State.Record.Role == pair.Primary && p.State.Record.Epoch == s.State.Record.Epoch
}

// pull runs one data sync from the peer.
func (w *World) pull(side int, see Observer) bool {
	s, p := &w.Sides[side], &w.Sides[other(side)]
	if !w.mayPull(side) || s.fails(Syncing) || s.Torn {
		return false
	}
	if mine := s.Disk.Snapshot; mine.Epoch == p.State.Record.Epoch && (p.Offer.Epoch != mine.Epoch || mine.Number > p.Offer.Number) {
		return false // the primary was set back
	}
	if s.Runs == pair.Lead {
		fail(w, "I6: data is pulled under services that run on "+Name(side))
	}
	if s.Dirty {
		fail(w, "I6: data that was not set aside is overwritten on "+Name(side))
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
	if ok && w.Sides[side].Final && p.Runs != pair.Lead && !w.Sides[other(side)].passes() {
		p.Dirty = false
	}
	return ok
}

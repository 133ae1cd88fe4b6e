package failover

import "baton/internal/pair"

// observe takes in what an event says of the world; f are the facts of the same state. It
// has no turn: it decides nothing, so that it holds even if the turn is undone. Reunited:
// the peer had been silent for a lease before this message.
func observe(s *State, f facts, ev Event) (reunited bool) {
	switch ev := ev.(type) {
	case Heard:
		return noteView(s, f, ev)
	case PollAnswered:
		s.Polling = false
		return noteView(s, f, ev.Heard)
	case PollFailed:
		s.Polling = false
		if s.Record.Role != pair.Standalone { // else it had begun before the relationship was broken
			s.Failure, s.Failed = ev.Reason, at(f.now)
		}
	case TestIPsAnswered:
		s.Evidence.tested(ev.Reached >= f.needed(s.Record.Role))
	case AddressProbed:
		s.Evidence.probed(ev.Result, f.now)
	case AddressChecked:
		s.Evidence.checked(ev.Owner, s.Door == Open, f.now)
	case ForeignOwner:
		if s.Held {
			s.Foreign, s.NextPoll = at(f.now), f.now
		}
		if !s.Held || s.Door == Shut {
			s.Evidence.announced(f.now)
		}
	case RivalProbed:
		s.Evidence.rivalSeen(f.now, f.timeout())
	case SiteHealth:
		if ev.Check == s.Judged {
			noteHealth(s, f, ev.Sick)
		}
	case DryStartEnded:
		s.Unfit = !ev.Fit
	case CarrierSeen:
		noteCarrier(s, f.now, ev.Up)
	case DataChanged:
		s.Record.Snapshot, s.SnapshotAt = ev.Snapshot, ev.Taken
	case DataOffered:
		s.Newest = ev.Snapshot
	case StoreChecked:
		s.Unwritable = !ev.OK
	case DataTorn:
		s.Torn = ev.Torn
	case ServicesSet:
		s.Stopping = s.Stopping && !ev.OK
	case SetAsideDone:
		s.Setting = false
	case DataOpened:
		s.Opening = false
		s.Torn = s.Torn && !ev.OK
	case Released:
		s.Held = s.Held && !ev.OK
	}
	return false
}

// noteView takes in what the peer says of itself.
func noteView(s *State, f facts, h Heard) (reunited bool) {
	v := h.View
	if !ours(f, v) {
		return false
	}
	if s.PeerHeard.Set && s.Peer.Run != v.Run {
		v.Stopping = false // a goodbye of a run that another has followed was under way for long
	}
	reunited = !s.PeerHeard.within(part(leaseLen, f.timeout()), f.now)
	s.Peer, s.PeerHeard, s.Failed = v, at(f.now), Moment{}
	if h.Confirmed.Set && h.Confirmed.At > s.Confirmed.or(-1) {
		s.Confirmed = h.Confirmed
	}
	if v.Role == pair.Primary {
		s.PrimaryHeard = at(f.now)
		if s.SickAt.Set && v.Sick && f.obeys(GuardSickBoth) {
			s.SickAt = at(f.now) // the fault has moved with the data, or lies outside both
		}
	}
	s.SetBack = s.Record.Role == pair.Primary && v.Role == pair.Backup &&
		v.Snapshot.Epoch == s.Record.Epoch && v.Snapshot.Number > f.reached()
	return reunited
}

// noteHealth takes in what the check of the site has found. What it finds in maintenance says
// nothing afterwards.
func noteHealth(s *State, f facts, sick bool) {
	switch s.Sick = sick; {
	case sick && f.maintained():
	case sick:
		s.SickAt = at(f.now)
	case s.Serving(): // it has passed the check again here
		s.SickAt = Moment{}
	}
}

// noteCarrier notes since when the cables of all shared IPs are in, or one is out.
func noteCarrier(s *State, now Instant, up bool) {
	switch {
	case up && s.Unplugged.Set:
		s.Unplugged, s.Plugged = Moment{}, now
	case !up && !s.Unplugged.Set:
		s.Unplugged = at(now)
	}
}

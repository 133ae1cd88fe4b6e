package failover

import "baton/internal/pair"

// A planned switch behind Baton's own doors costs no request. After the primary has stored the
// handover it goes on holding requests, with the shared IP on and closed to all but its own
// doors (Forwarding). It answers none of them itself. Once the services run on the new primary,
// that one asks it to release the shared IP: it passes on what it holds, takes the shared IP
// off, and says so. Only then does the new primary put it on.
//
// The former primary keeps the shared IP for one lease after the newest word of the new one, and
// no longer. A new primary whose question is not answered gives no more such words, waits for
// that lease and then for a probe that nobody answers.

// forwards reports whether a primary that is asked for a commit keeps the shared IP on.
func forwards(f facts, ask CommitAsked) bool {
	return ask.Forward && f.config.Front && f.config.TrafficLease && f.Switch.Step == Stopped && f.Door == Shut
}

// mayBePassed reports whether a backup can answer what its primary holds: Baton's own doors
// answer for the site on both, and the primary can close the shared IP to all others.
func mayBePassed(f facts) bool {
	return f.config.Front && f.Peer.Front && f.Peer.Traffic && !otherIPs(f)
}

// forwardsUntil is until when a former primary may keep the shared IP on. A timeout that is
// raised meanwhile does not count: the new primary may wait by the one before.
func forwardsUntil(f facts) Instant {
	return f.Switch.Word.or(f.Switch.Began).Add(min(f.Switch.Lease, addressLease(f.timeout())))
}

// noteWord notes, on a former primary, that the new one lets it keep the shared IP on. What
// counts is when it sent what the new one had received by then.
func noteWord(t *turn, v pair.View) {
	if t.Switch.Step == Forwarding && v.LetsForward && v.Epoch == t.Record.Epoch {
		t.Switch.Word = at(max(t.Confirmed.or(0), t.Switch.Word.or(t.Switch.Began)))
	}
}

// keepForwarding keeps the shared IP on as long as the new primary lets it.
func keepForwarding(t *turn) {
	switch {
	case t.Door != Shut: // it is coming off
	case t.due(forwardsUntil(t.facts())) && t.obeys(GuardForwarding):
		turnAway(t)
		endForwarding(t)
	default:
		renewLeases(t)
	}
}

// releaseAsked passes the requests that wait here on to the new primary, which answers them.
func releaseAsked(t *turn, ask ReleaseAsked) {
	switch {
	case t.Record.Role != pair.Backup || t.Record.Epoch != ask.Epoch:
		t.do(AnswerRelease{Refusal: NotServing})
	case !t.Held:
		t.do(AnswerRelease{Refusal: Agreed})
	case t.Switch.Step == Forwarding && t.Door == Shut && !t.Switch.Ready:
		t.Switch.Ready = true
		t.do(ForwardRequests{Wait: drainLimit})
	}
}

// requestsForwarded takes the shared IP off: all who waited have their answer, or had their time.
func requestsForwarded(t *turn, ev RequestsForwarded) {
	if t.Switch.Step != Forwarding || t.Door != Shut {
		return
	}
	if !ev.OK {
		t.do(Explain{From: t.Place(), To: t.Place(), Reason: NotAllPassedOn})
	}
	endForwarding(t)
}

func endForwarding(t *turn) {
	releaseAddress(t)
	t.Door = Closed // the services are stopped already
}

// askRelease has the former primary take the shared IP off, which answers for this one until then.
func askRelease(t *turn) {
	t.Door = AwaitingRelease
	if t.PassedOn == Never {
		t.do(AskRelease{Wait: drainLimit + commitLimit})
	}
}

func releaseAnswered(t *turn, ev ReleaseAnswered) {
	if t.Door != AwaitingRelease {
		return
	}
	if ev.OK {
		t.PassedOn = 0
		return
	}
	takeBackWord(t)
}

// takeBackWord no longer lets the former primary keep the shared IP on.
func takeBackWord(t *turn) {
	if t.PassedOn == Never {
		t.PassedOn = t.now.Add(addressLease(max(t.timeout(), t.Peer.Timeout)))
		t.changed()
	}
}

// noteReleased notes, on the new primary, that the former one tells that the shared IP is off.
func noteReleased(t *turn, v pair.View) {
	if v.Role == pair.Backup && v.Epoch == t.Record.Epoch && !v.Serving {
		t.PassedOn = 0
	}
}

// awaitRelease puts the shared IP on once the former primary has taken it off, by its own
// word, or since its lease is over and nobody answers.
func awaitRelease(t *turn) {
	if t.PassedOn == Never && t.due(t.PeerHeard.or(0).Add(part(leaseLen, t.timeout()))) {
		takeBackWord(t) // a former primary that is not heard does not hear us either
	}
	if t.Door != AwaitingRelease {
		return
	}
	silent := t.due(t.PassedOn) && t.Evidence.Silent.Set && t.Evidence.Silent.At >= t.PassedOn
	if t.PassedOn == 0 || silent || !t.obeys(GuardRelease) {
		t.PassedOn = 0
		putOn(t)
	}
}

// letsForward reports whether the former primary may keep the shared IP on.
func letsForward(f facts) bool {
	return f.Record.Role == pair.Primary && f.PassedOn == Never
}

package failover

import (
	"time"

	"baton/internal/pair"
)

// The hold of a planned switch, on the side that gives: new requests wait. First those
// that run end (Holding), then the services stop and the traffic is closed (Stopped),
// and from then on the backup pulls the final data sync. Each part has its bound, which
// the backup is told, and waits for.

// holdAsked holds requests for the final data sync. A primary whose site does not come up
// can hand over as well: it closes what it had begun to open.
func holdAsked(t *turn, ask HoldAsked) {
	if !t.facts().mayGive() || ask.Epoch != t.Record.Epoch || t.Switch.Step != NoSwitch {
		t.do(AnswerHold{Refusal: NotServing})
		return
	}
	if t.Unwritable { // it could not be committed
		t.do(AnswerHold{Refusal: NotSaved})
		return
	}
	if t.Door != Open && t.Door != Closed {
		closeSite(t)
	}
	t.Switch = Switch{Final: true}
	t.enter(pair.Primary, pair.Handover, PeerAsked)
	if t.Door == Open {
		t.step(Holding)
		t.do(HoldRequests{Wait: drainLimit})
		if !t.obeys(GuardHandoverDrain) {
			requestsHeld(t, RequestsHeld{OK: true})
		}
		return
	}
	t.step(Stopped)
	answerHoldOfClosed(t)
}

// requestsHeld stops the services: the requests that ran have ended, or had their time.
func requestsHeld(t *turn, ev RequestsHeld) {
	if t.Switch.Step != Holding {
		return
	}
	if !ev.OK {
		t.do(Explain{From: t.Place(), To: t.Place(), Reason: RequestsCutOff})
	}
	t.step(Stopped)
	askServices(t, pair.Rest)
}

// answerHoldOfClosed answers the backup once nothing is on here any more, where the site was not
// open: an address that could not be taken off yet may still be written to.
func answerHoldOfClosed(t *turn) {
	if t.Switch.Step == Stopped && t.Door == Closed && !t.Stopping && !t.Held {
		answerHold(t)
	}
}

// answerHold answers the backup: from now on nobody can write here and be told that it is done.
func answerHold(t *turn) {
	t.step(Stopped)
	t.Switch.Ready = true
	t.do(AnswerHold{Refusal: Agreed})
}

// servicesStopped closes the traffic, and answers the backup that waits for it. A
// site that was not open has none.
func servicesStopped(t *turn, ev ServicesSet) {
	switch {
	case t.Switch.Step != Stopped:
	case !ev.OK:
		holdEnded(t, NotClosed)
	case t.Door == Open:
		t.Door = Shut
		t.do(CloseTraffic{Lease: leaseOf(t.facts()), Until: t.facts().entitledUntil()})
	default:
		answerHoldOfClosed(t)
	}
}

func trafficClosed(t *turn, ev TrafficClosed) {
	switch {
	case t.Switch.Step != Stopped || t.Door != Shut:
	case ev.OK:
		answerHold(t)
	default:
		holdEnded(t, NotClosed)
	}
}

// holdEnded rolls a hold back: the old primary goes on. A backup that still waits for
// the hold hears why there is none.
func holdEnded(t *turn, why Reason) {
	asked := t.Switch.holds() && !t.Switch.Ready
	switch {
	case t.Switch.Step == Holding:
		t.Switch = Switch{}
		t.do(ServeRequests{})
		t.enter(pair.Primary, t.facts().calm(), why)
	case t.Switch.Step != Stopped:
		return
	case t.Door == Closed: // it had not come up before either
		t.Switch = Switch{}
		t.enter(pair.Primary, pair.Waiting, why)
	default:
		t.Switch = Switch{Step: Resuming, Began: t.now}
		askServices(t, pair.Lead)
		t.enter(pair.Primary, t.facts().calm(), why)
	}
	if asked {
		t.do(AnswerHold{Refusal: why})
	}
	t.Offered = t.now.Add(rolledBackPause)
}

// resumed serves the requests that were held, once the services are back. Services that do not
// come back are tried again, and the requests are let go, so that each gets an answer.
func resumed(t *turn) {
	if t.Switch.Step != Resuming {
		return
	}
	if t.Door == Shut {
		if why := t.heed(t.facts().weigh(reclaimGuards(t.facts()))); why != Agreed {
			openingFailed(t, NoEffect, why)
			return
		}
		putOn(t)
	}
	t.do(ServeRequests{})
	t.Switch = Switch{}
}

// reclaimGuards must all pass before the address of a hold that was rolled back is put on again. A
// backup that fell silent in it may have taken over, or be about to: without a traffic lease the
// address is off in a hold, so that its probes find nobody. Coming back then needs what it needs
// after any isolation.
func reclaimGuards(f facts) []guardRow {
	return []guardRow{
		{GuardReclaim, AddressAnswers, when(f.mayClaim())},
		{GuardReclaim, PeerDecides, min(when(f.heardLately() || !f.rivalPossible()), f.Evidence.rivalDecided(f.timeout()))},
	}
}

// watchResuming ends a roll-back whose services do not run again in time.
func watchResuming(t *turn) {
	if t.due(t.Switch.Began.Add(HeldLimit)) {
		t.Broken = StartOfServices
		resumed(t)
	}
}

// watchHold rolls a hold back that takes too long, or whose backup is gone.
func watchHold(t *turn) {
	_, limit := t.Switch.awaits(t.config.StopLimit)
	switch {
	case t.due(t.Switch.Began.Add(limit + late)):
		holdEnded(t, TookTooLong)
	case t.due(t.Confirmed.or(0).Add(t.timeout())):
		holdEnded(t, PeerSilent)
	}
}

// awaits returns what the hold of a switch waits for, and for how long at most; stop is how
// long the services may take to stop.
func (s Switch) awaits(stop time.Duration) (awaited pair.Awaited, limit time.Duration) {
	switch {
	case s.Step == Holding:
		return pair.AwaitsRequests, drainLimit
	case s.Step == Stopped && s.Ready:
		return pair.AwaitsFinalSync, finalSyncLimit
	case s.Step == Stopped:
		return pair.AwaitsServices, stop
	}
	return pair.AwaitsNothing, 0
}

// hold is what the backup is told of it.
func (f facts) hold() pair.Hold {
	awaited, limit := f.Switch.awaits(f.config.StopLimit)
	if awaited == pair.AwaitsNothing {
		return pair.Hold{}
	}
	return pair.Hold{Awaits: awaited, Within: max(f.Switch.Began.Add(limit).Sub(f.now), 0)}
}

// tellsOfHold notes, on the backup, what the primary waits for.
func tellsOfHold(t *turn, hold pair.Hold) {
	if t.Switch.Step != AskingHold && t.Switch.Step != FinalSyncing {
		return
	}
	switch {
	case hold.Awaits != pair.AwaitsNothing:
		t.Switch.Told = at(t.now)
		t.Switch.Until = at(t.now.Add(min(hold.Within, handoverLimit) + late + t.timeout()))
	case t.Switch.Told.Set && t.now.Sub(t.Switch.Told.At) > part(leaseLen, t.timeout()):
		giveUp(t, RolledBack) // its answer was lost; an older message from a queue must not count here
	}
}

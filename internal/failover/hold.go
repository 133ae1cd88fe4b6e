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
func (t *turn) holdAsked(ask HoldAsked) {
	if !t.mayGive() || ask.Epoch != t.Record.Epoch || t.Switch.Step != NoSwitch {
		t.do(AnswerHold{Refusal: NotServing})
		return
	}
	if t.Door != Open && t.Door != Closed {
		t.close()
	}
	t.Switch = Switch{Final: true}
	t.enter(pair.Primary, pair.Handover, PeerAsked)
	if t.Door == Open {
		t.step(Holding)
		t.do(HoldRequests{Wait: drainLimit})
		if !t.obeys(GuardHandoverDrain) {
			t.requestsHeld(RequestsHeld{OK: true})
		}
		return
	}
	t.step(Stopped)
	t.answerHoldOfClosed()
}

// requestsHeld stops the services: the requests that ran have ended, or had their time.
func (t *turn) requestsHeld(ev RequestsHeld) {
	if t.Switch.Step != Holding {
		return
	}
	if !ev.OK {
		t.do(Explain{From: t.Place(), To: t.Place(), Reason: RequestsCutOff})
	}
	t.step(Stopped)
	t.want(pair.Rest)
}

// answerHoldOfClosed answers the backup once nothing is on here any more, where the
// site was not open: an address that could not be taken off yet may still be
// written to.
func (t *turn) answerHoldOfClosed() {
	if t.Switch.Step == Stopped && t.Door == Closed && !t.Stopping && !t.Held {
		t.held()
	}
}

// held answers the backup: from now on nobody can write here and be told that it is done.
func (t *turn) held() {
	t.step(Stopped)
	t.Switch.Ready = true
	t.do(AnswerHold{Refusal: Agreed})
}

// servicesStopped closes the traffic, and answers the backup that waits for it. A
// site that was not open has none.
func (t *turn) servicesStopped(ev ServicesSet) {
	switch {
	case t.Switch.Step != Stopped:
	case !ev.OK:
		t.holdEnded(NotClosed)
	case t.Door == Open:
		t.Door = Shut
		t.do(CloseTraffic{Lease: t.leaseNow(), Until: t.until()})
	default:
		t.answerHoldOfClosed()
	}
}

func (t *turn) trafficClosed(ev TrafficClosed) {
	switch {
	case t.Switch.Step != Stopped || t.Door != Shut:
	case ev.OK:
		t.held()
	default:
		t.holdEnded(NotClosed)
	}
}

// holdEnded rolls a hold back: the old primary goes on. A backup that still waits for
// the hold hears why there is none.
func (t *turn) holdEnded(why Reason) {
	asked := t.Switch.holds() && !t.Switch.Ready
	switch {
	case t.Switch.Step == Holding:
		t.Switch = Switch{}
		t.do(ServeRequests{})
		t.enter(pair.Primary, t.calm(), why)
	case t.Switch.Step != Stopped:
		return
	case t.Door == Closed: // it had not come up before either
		t.Switch = Switch{}
		t.enter(pair.Primary, pair.Waiting, why)
	default:
		t.step(Resuming)
		t.want(pair.Lead)
		t.enter(pair.Primary, t.calm(), why)
	}
	if asked {
		t.do(AnswerHold{Refusal: why})
	}
}

// resumed serves the requests that were held, once the services are back.
// Services that do not come back are tried again, and the requests are let go,
// so that each gets an answer.
func (t *turn) resumed(ev ServicesSet) {
	if t.Switch.Step != Resuming {
		return
	}
	if t.Door == Shut {
		t.putOn()
	}
	t.do(ServeRequests{})
	if ev.OK {
		t.Switch = Switch{}
	}
}

// watchHold rolls a hold back that takes too long, or whose backup is gone.
func (t *turn) watchHold() {
	_, limit := t.holds(t.State)
	switch {
	case t.due(t.Switch.Began.Add(limit + late)):
		t.holdEnded(TookTooLong)
	case t.due(t.Confirmed.or(0).Add(t.timeout(t.State))):
		t.holdEnded(PeerSilent)
	}
}

// holds returns what a hold waits for, and for how long at most.
func (c Config) holds(s State) (awaits pair.Awaited, limit time.Duration) {
	switch {
	case s.Switch.Step == Holding:
		return pair.AwaitsRequests, drainLimit
	case s.Switch.Step == Stopped && s.Switch.Ready:
		return pair.AwaitsFinalSync, finalSyncLimit
	case s.Switch.Step == Stopped:
		return pair.AwaitsServices, c.StopLimit
	}
	return pair.AwaitsNothing, 0
}

// hold is what the backup is told of it.
func (c Config) hold(s State) pair.Hold {
	awaits, limit := c.holds(s)
	if awaits == pair.AwaitsNothing {
		return pair.Hold{}
	}
	return pair.Hold{Awaits: awaits, Within: max(s.Switch.Began.Add(limit).Sub(s.Now), 0)}
}

// tellsOfHold takes in, on the side that takes, what the primary says its hold waits for.
func (t *turn) tellsOfHold(hold pair.Hold) {
	if t.Switch.Step != AskingHold && t.Switch.Step != FinalSyncing {
		return
	}
	switch {
	case hold.Awaits != pair.AwaitsNothing:
		t.Switch.Told = at(t.now)
		t.Switch.Until = at(t.now.Add(min(hold.Within, handoverLimit) + late + t.timeout(t.State)))
	case t.Switch.Told.Set && t.now.Sub(t.Switch.Told.At) > t.part(leaseLen, t.timeout(t.State)):
		t.giveUp(RolledBack) // its answer was lost; a message that lay in a queue would say nothing
	}
}

package failover

import (
	"time"

	"baton/internal/pair"
)

// mayOpen is the instant from which the site may open: everything that was closing has closed.
func (f facts) mayOpen() Instant {
	if f.Door != Closed || !f.closed() {
		return Never
	}
	return f.Retry
}

// openSite begins to open the site: data, services, address, in this order.
func openSite(t *turn) {
	t.Door, t.Opening, t.Broken, t.Again = OpeningData, true, NoEffect, t.Broken
	t.Blocked, t.DutyAgain = Agreed, Moment{} // the services are about to lead
	t.do(OpenData{Forced: t.Forced})
}

// outcome is what the events that end a step of opening have in common.
type outcome struct{ OK bool }

// opened takes the next step of opening, or closes again and tries later.
func opened(t *turn, step Door, effect Effect, end outcome) {
	if t.Door != step {
		return // closed meanwhile
	}
	if !end.OK {
		openingFailed(t, effect, EffectFailed)
		return
	}
	if t.due(t.facts().entitledUntil()) {
		cutOff(t) // at once: a timeout that becomes longer in this turn must not leave it half open
		return
	}
	if step == StartingServices && !t.facts().mayClaim() {
		openingFailed(t, NoEffect, AddressAnswers)
		return
	}
	switch step {
	case OpeningData:
		t.Door = StartingServices
		askServices(t, pair.Lead)
	case StartingServices:
		if t.PassedOn != 0 {
			askRelease(t)
			return
		}
		putOn(t)
	case Claiming:
		t.Door, t.RenewFails, t.Tries = Open, Moment{}, 0
		t.NextRenew = t.now.Add(leaseOf(t.facts()) / renewals)
	case Closed, AwaitingRelease, Open, Shut:
	}
}

// putOn asks for the shared IP, and for its traffic.
func putOn(t *turn) {
	t.Door, t.Held = Claiming, true
	t.Evidence.Trusted, t.Evidence.Elsewhere, t.Evidence.LastCheck = false, 0, Moment{}
	t.do(claim(t.facts()))
}

func claim(f facts) Claim { return Claim{Lease: leaseOf(f), Until: f.entitledUntil()} }

// mayClaim reports whether no other machine has put the shared IP on while the site was
// being opened here, which may take long.
func (f facts) mayClaim() bool {
	e := f.Evidence
	return f.Record.Role != pair.Primary || f.heardLately() || !e.Owned.Set || e.Silent.Set && e.Silent.At >= e.Owned.At
}

// openingFailed closes what was opened so far, to try again soon. It takes nothing from the entitlement.
func openingFailed(t *turn, effect Effect, why Reason) {
	forced, reached, since := t.Forced, t.Evidence.Reached, t.Evidence.ReachedSince
	closeSite(t)
	t.Forced, t.Evidence.Reached, t.Evidence.ReachedSince = forced, reached, since
	if t.Broken, t.Retry = effect, t.now.Add(retryPause); effect != NoEffect {
		backOff(t)
	}
	if effect == OpeningOfData || effect == StartOfServices {
		t.SickAt = at(t.now) // as a site that fails its check: the other appliance may do no better
	}
	t.enter(t.Record.Role, pair.Waiting, why)
}

// backOff plans the next attempt after a failure.
func backOff(t *turn) { t.Retry = t.now.Add(pauseAfter(&t.Tries)) }

// pauseAfter counts one more failure in a row, and is the pause after it: each is longer than the
// one before.
func pauseAfter(failures *uint8) time.Duration {
	pause := min(retryPause<<max(*failures, 1)/2, longestPause)
	*failures = min(*failures+1, 10)
	return pause
}

// closeSite stops the site: traffic first, then services. It waits for neither.
func closeSite(t *turn) {
	releaseAddress(t)
	closeServices(t)
}

// closeServices stops what is behind the address, and a switch that would start
// it again.
func closeServices(t *turn) {
	stopServices(t)
	takeBackWord(t)
	t.Switch, t.Forced = Switch{}, false
}

// renewed closes a site whose address cannot be kept: the kernel drops it when
// its lifetime ends, and then nobody reaches the site. A backup that is well is
// offered the site.
func renewed(t *turn, ev Renewed) {
	switch {
	case ev.OK:
		t.RenewFails = Moment{}
	case !t.RenewFails.Set:
		t.RenewFails = at(t.now)
	case t.Door == Open && t.now.Sub(t.RenewFails.At) >= addressLease(t.timeout()):
		openingFailed(t, ClaimOfAddress, EffectFailed)
	}
}

// addressTicked puts a newly enabled address on: for a primary, the link has been
// asked before. A standalone appliance for which it has not, or where somebody has
// the address, opens anew, by way of the probes.
func addressTicked(t *turn, ev AddressTicked) {
	free := t.Record.Role == pair.Primary || t.Record.Role == pair.Standalone && ev.Free
	switch {
	case free && t.Door == Open && t.Switch.Step == NoSwitch:
		t.do(claim(t.facts()))
	case t.Record.Role == pair.Standalone && t.Door != Closed:
		closeSite(t)
		t.enter(pair.Standalone, pair.Waiting, Ticked)
	}
}

// releaseAddress takes the shared IP off. A door that is closed has seen to it.
func releaseAddress(t *turn) {
	if t.Door == Closed {
		return
	}
	t.Held, t.ReleaseAt = true, Moment{}
	t.do(Release{})
}

func stopServices(t *turn) {
	if t.Door == Closed {
		return
	}
	t.Door = Closed
	t.Evidence.forget(t.now)
	askServices(t, pair.Rest)
}

func released(t *turn, ev Released) {
	if !ev.OK {
		t.Broken, t.ReleaseAt = ReleaseOfAddress, at(t.now.Add(pace(t.timeout())))
		return
	}
	if t.Broken == ReleaseOfAddress {
		t.Broken = NoEffect
	}
	if t.Door != Closed {
		// A release that was meant for a turn that could not be saved.
		closeServices(t)
		t.enter(t.Record.Role, pair.Waiting, NotSaved)
	}
	if t.Switch.Step == Giving {
		answerCommit(t)
	}
	if t.Switch.Step == Forwarding {
		t.Switch = Switch{}
		t.do(AnswerRelease{Refusal: Agreed})
	}
	answerHoldOfClosed(t)
}

// retryRelease repeats a release that failed; the kernel's lease bounds it.
func retryRelease(t *turn) {
	if t.Held && t.Door == Closed && t.ReleaseAt.Set && t.due(t.ReleaseAt.At) {
		t.ReleaseAt = Moment{}
		t.do(Release{})
	}
}

func setAsideDone(t *turn, ev SetAsideDone) {
	if t.Record.Diverged.IsZero() {
		return
	}
	if !ev.OK {
		t.Broken = SettingAside
		backOff(t)
		return
	}
	t.Tries = 0
	if t.Broken == SettingAside {
		t.Broken = NoEffect
	}
	record := t.Record
	record.Diverged = pair.Epoch{}
	t.save(record)
}

// saveFailed comes in place of a turn that could not be made durable. What the event told
// stays; what was decided did not happen, and is decided again when its reason comes up
// again. A primary that would have stepped down closes even so: that needs no disk.
func saveFailed(t *turn, undone Event) {
	t.reunited = observe(&t.State, t.facts(), undone)
	t.Broken, t.Retry = SavingRecord, t.now.Add(retryPause)
	switch undone.(type) {
	case CommitAsked:
		t.do(AnswerCommit{Refusal: NotSaved})
	case BecomePrimary, BecomeStandalone, BecomePaired, SetMaintenance, Resume:
		t.do(Finish{Refusal: NotSaved})
	}
	if t.Switch.takes() {
		takingNotSaved(t, undone)
	}
	if t.Record.Role == pair.Primary && t.Door != Closed && (t.facts().outranked() || t.facts().lost()) {
		closeSite(t)
		t.enter(pair.Primary, pair.Waiting, NotSaved)
	}
}

// retrySave writes the record again until the disk takes it, so that the
// condition ends when its cause does. It takes a turn of its own, so that
// nothing else is undone with it.
func retrySave(t *turn, ev Event) {
	switch {
	case t.Broken != SavingRecord || t.saves || !t.due(t.Retry):
	case ev == Tick{}:
		t.save(t.Record)
		t.Wake = t.now // what waited for it may be due
	default:
		t.Wake = t.now
	}
}

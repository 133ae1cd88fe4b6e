package failover

import "baton/internal/pair"

// mayOpen reports whether all that was being closed is closed.
func (t *turn) mayOpen() bool { return t.Door == Closed && t.closed() && t.due(t.Retry) }

// closed reports whether nothing of a former opening is under way or on.
func (t *turn) closed() bool { return !t.Opening && !t.Stopping && !t.Held }

// open begins to open the site: data, services, address, in this order.
func (t *turn) open() {
	t.Door, t.Opening, t.Broken, t.Blocked = OpeningData, true, NoEffect, Agreed
	t.DutyAgain = Moment{} // they are about to lead
	t.do(OpenData{Forced: t.Forced})
}

// outcome is what the events that end a step of opening have in common.
type outcome struct{ OK bool }

// opened takes the next step of opening, or closes again and tries later.
func (t *turn) opened(step Door, effect Effect, end outcome) {
	if t.Door != step {
		return // closed meanwhile
	}
	if !end.OK {
		t.openingFailed(effect, EffectFailed)
		return
	}
	if t.Record.Role == pair.Primary && !t.entitled() && t.obeys(GuardIsolation) {
		return // stayEntitled closes, and tells why
	}
	if step == StartingServices && !t.mayClaim() {
		t.openingFailed(NoEffect, AddressAnswers)
		return
	}
	switch step {
	case OpeningData:
		t.Door = StartingServices
		t.want(pair.Lead)
	case StartingServices:
		t.putOn()
	case Claiming:
		t.Door, t.RenewFails, t.Tries = Open, Moment{}, 0
		t.NextRenew = t.now.Add(t.leaseNow() / renewals)
	case Closed, Open, Shut:
	}
}

// putOn asks for the shared IP, and for its traffic.
func (t *turn) putOn() {
	t.Door, t.Held = Claiming, true
	t.Evidence.Trusted, t.Evidence.Elsewhere, t.Evidence.LastCheck = false, 0, Moment{}
	t.do(t.claim())
}

func (t *turn) claim() Claim { return Claim{Lease: t.leaseNow(), Until: t.until()} }

// mayClaim reports whether no other machine has put the shared IP on while the site was
// being opened here, which may take long.
func (t *turn) mayClaim() bool {
	e := t.Evidence
	return t.Record.Role != pair.Primary || t.heardLately() || !e.Owned.Set || e.Silent.Set && e.Silent.At >= e.Owned.At
}

// openingFailed closes what was opened so far, to try again soon. It takes
// nothing from the entitlement.
func (t *turn) openingFailed(effect Effect, why Reason) {
	forced, reached, since := t.Forced, t.Evidence.Reached, t.Evidence.ReachedSince
	t.close()
	t.Forced, t.Evidence.Reached, t.Evidence.ReachedSince = forced, reached, since
	if t.Broken, t.Retry = effect, t.now.Add(retryPause); effect != NoEffect {
		t.backOff()
	}
	t.enter(t.Record.Role, pair.Waiting, why)
}

// backOff plans the next attempt after a failure, each later than the one before.
func (t *turn) backOff() {
	t.Retry = t.now.Add(min(retryPause<<max(t.Tries, 1)/2, longestPause))
	t.Tries = min(t.Tries+1, 10)
}

// close stops the site: traffic first, then services. It waits for neither.
func (t *turn) close() {
	t.release()
	t.closeServices()
}

// closeServices stops what is behind the address, and a switch that would start
// it again.
func (t *turn) closeServices() {
	t.stopServices()
	t.Switch, t.Forced = Switch{}, false
}

// renewed closes a site whose address cannot be kept: the kernel drops it when
// its lifetime ends, and then nobody reaches the site. A backup that is well is
// offered the site.
func (t *turn) renewed(ev Renewed) {
	switch {
	case ev.OK:
		t.RenewFails = Moment{}
	case !t.RenewFails.Set:
		t.RenewFails = at(t.now)
	case t.Door == Open && t.now.Sub(t.RenewFails.At) >= t.leaseNow():
		t.openingFailed(ClaimOfAddress, EffectFailed)
	}
}

// addressTicked puts a newly enabled address on: for a primary, the link has been
// asked before. A standalone appliance for which it has not, or where somebody has
// the address, opens anew, by way of the probes.
func (t *turn) addressTicked(ev AddressTicked) {
	free := t.Record.Role == pair.Primary || t.Record.Role == pair.Standalone && ev.Free
	switch {
	case free && t.Door == Open && t.Switch.Step == NoSwitch:
		t.do(t.claim())
	case t.Record.Role == pair.Standalone && t.Door != Closed:
		t.close()
		t.enter(pair.Standalone, pair.Waiting, Ticked)
	}
}

// release takes the shared IP off. A door that is closed has seen to it.
func (t *turn) release() {
	if t.Door == Closed {
		return
	}
	t.Held, t.ReleaseAt = true, Moment{}
	t.do(Release{})
}

func (t *turn) stopServices() {
	if t.Door == Closed {
		return
	}
	t.Door = Closed
	t.Evidence.forget(t.now)
	t.want(pair.Rest)
}

func (t *turn) released(ev Released) {
	if !ev.OK {
		t.Broken, t.ReleaseAt = ReleaseOfAddress, at(t.now.Add(t.pace(t.State)))
		return
	}
	if t.Broken == ReleaseOfAddress {
		t.Broken = NoEffect
	}
	if t.Door != Closed {
		// A release that was meant for a turn that could not be saved.
		t.closeServices()
		t.enter(t.Record.Role, pair.Waiting, NotSaved)
	}
	if t.Switch.Step == Giving {
		t.given()
	}
	t.answerHoldOfClosed()
}

// retryRelease repeats a release that failed; the kernel's lease bounds it.
func (t *turn) retryRelease() {
	if t.Held && t.Door == Closed && t.ReleaseAt.Set && t.due(t.ReleaseAt.At) {
		t.ReleaseAt = Moment{}
		t.do(Release{})
	}
}

func (t *turn) setAsideDone(ev SetAsideDone) {
	if t.Record.Diverged.IsZero() {
		return
	}
	if !ev.OK {
		t.Broken = SettingAside
		t.backOff()
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
func (t *turn) saveFailed(undone Event) {
	t.observe(undone)
	t.Broken, t.Retry = SavingRecord, t.now.Add(retryPause)
	switch undone.(type) {
	case CommitAsked:
		t.do(AnswerCommit{Refusal: NotSaved})
	case BecomePrimary, BecomeStandalone, BecomePaired, SetMaintenance, Resume:
		t.do(Finish{Refusal: NotSaved})
	}
	if t.Record.Role == pair.Primary && t.Door != Closed && (t.outranked() || t.lost()) {
		t.close()
		t.enter(pair.Primary, pair.Waiting, NotSaved)
	}
}

// retrySave writes the record again until the disk takes it, so that the
// condition ends when its cause does. It takes a turn of its own, so that
// nothing else is undone with it.
func (t *turn) retrySave(ev Event) {
	switch {
	case t.Broken != SavingRecord || t.saves || !t.due(t.Retry):
	case ev == Tick{}:
		t.save(t.Record)
	default:
		t.Wake = t.now
	}
}

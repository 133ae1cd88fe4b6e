package failover

import "baton/internal/pair"

// mayOpen reports whether all that was being closed is closed.
func (t *turn) mayOpen() bool { return t.Door == Closed && !t.Stopping && !t.Held && t.due(t.Retry) }

// open begins to open the site: data, services, address, in this order.
func (t *turn) open() {
	t.Door, t.Broken = OpeningData, NoEffect
	t.do(OpenData{})
}

// opened takes the next step of opening, or closes again and tries later.
func (t *turn) opened(step Door, effect Effect, ok bool) {
	if t.Door != step {
		if t.Door == Open && !ok { // services that did not come back after a handover was rolled back
			t.Broken = effect
		}
		return // closed meanwhile
	}
	if !ok {
		t.close()
		t.Broken, t.Retry = effect, t.now.Add(retryPause)
		t.enter(t.Record.Role, pair.Waiting, EffectFailed)
		return
	}
	switch step {
	case OpeningData:
		t.Door = StartingServices
		t.do(StartServices{})
	case StartingServices:
		t.Door, t.Held = Claiming, true
		t.Evidence.Trusted, t.Evidence.Elsewhere, t.Evidence.LastCheck = false, 0, Moment{}
		t.do(Claim{Lease: t.Lease()})
	case Claiming:
		t.Door = Open
		t.NextRenew = t.now.Add(t.Lease() / renewals)
	case Closed, Open:
	}
}

// close stops the site: traffic first, then services. It waits for neither.
func (t *turn) close() {
	t.release()
	t.stopServices()
	t.Switch, t.Forced = Switch{}, false
}

func (t *turn) release() {
	if t.Door == Closed && !t.Held {
		return
	}
	t.Held = true
	t.do(Release{})
}

func (t *turn) stopServices() {
	if t.Door == Closed {
		return
	}
	t.Door, t.Stopping = Closed, true
	t.Evidence.forget()
	t.do(StopServices{})
}

func (t *turn) released(ok bool) {
	if !ok {
		t.Broken, t.Retry = ReleaseOfAddress, t.now.Add(t.pace(t.State))
		return
	}
	t.Held = false
	if t.Broken == ReleaseOfAddress {
		t.Broken = NoEffect
	}
	if t.Door != Closed {
		// A release that was meant for a turn that could not be saved.
		t.stopServices()
		t.enter(t.Record.Role, pair.Waiting, NotSaved)
	}
	if t.Switch.Step == Giving {
		t.Switch = Switch{}
		t.do(AnswerCommit{Refusal: Agreed})
	}
}

// retryRelease repeats a release that failed; the kernel's lease bounds it.
func (t *turn) retryRelease() {
	if t.Held && t.Door == Closed && t.Broken == ReleaseOfAddress && t.due(t.Retry) {
		t.Retry = t.now.Add(t.pace(t.State))
		t.do(Release{})
	}
}

func (t *turn) setAsideDone(ok bool) {
	t.Setting = false
	if t.Record.Diverged.IsZero() {
		return
	}
	if !ok {
		t.Broken, t.Retry = SettingAside, t.now.Add(10*retryPause)
		return
	}
	if t.Broken == SettingAside {
		t.Broken = NoEffect
	}
	record := t.Record
	record.Diverged = pair.Epoch{}
	t.save(record)
}

// saveFailed comes in place of a turn that could not be made durable: nothing
// of it happened, and it is tried again when its reason comes up again.
func (t *turn) saveFailed() {
	t.Broken, t.Retry = SavingRecord, t.now.Add(retryPause)
	if t.Switch.Step == Stopped {
		t.do(AnswerCommit{Refusal: NotSaved})
	}
	t.do(Finish{Refusal: NotSaved})
}

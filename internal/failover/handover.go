package failover

import (
	"time"

	"baton/internal/pair"
)

// A planned switch: the backup pulls a data sync while the primary serves, asks
// it to hold requests, pulls the final data sync, and asks for the next epoch.
// The primary stops its services and closes the traffic of the shared IP before
// that final data sync begins, since others' programs may answer behind it. It
// stores the handover, takes the shared IP off and answers; only then does the
// backup promote. Anything that fails before the handover is stored leaves the old
// primary in charge. After that the backup must be able to store that it is the
// primary: it shows that it can by storing what it is, before the switch begins and
// again before it asks for the epoch.

// becomePrimary is the administrator's word.
func becomePrimary(t *turn, cmd BecomePrimary) {
	if outvotes(t.facts(), cmd) {
		outvote(t)
		return
	}
	why := refusal(t.facts(), cmd)
	if why == Agreed && cmd.Automatic {
		why = offerRefusal(t.facts(), cmd)
	}
	if why == TooManyTakeovers && !t.Record.Damped {
		pauseAutomatic(t)
	}
	if why != Agreed {
		t.do(Finish{Refusal: why})
		return
	}
	if t.Record.Role == pair.Primary || t.Phase == pair.Conflict || !t.facts().reachable() {
		forcePromotion(t)
		return
	}
	final := syncsFinally(t.facts(), cmd)
	t.Switch = Switch{Final: final, Own: cmd.Automatic && !cmd.Stops, Began: t.now, Next: t.Record.Epoch.Next(t.config.Self)}
	t.save(t.Record)
	switch why = Asked; {
	case cmd.Stops:
		t.Switch.By, why = commitBy(t.now, cmd.Within), PrimaryStops
	case cmd.Automatic && !final:
		why = OffersUnsynced
	case cmd.Automatic:
		why = PrimaryOffers
	}
	t.enter(pair.Backup, pair.Handover, why)
	if final {
		t.Switch.Step = Syncing
		t.do(Sync{})
		return
	}
	askCommit(t)
}

// outvotes reports whether the command decides for a primary that serves: in a
// conflict, or after it was set back.
func outvotes(f facts, cmd BecomePrimary) bool {
	return f.Record.Role == pair.Primary && f.Door == Open && (f.Peer.Phase == pair.Conflict || f.SetBack) && cmd.Force
}

// reachable reports whether there is a primary that can be asked to hand over. A
// peer that has just been handed the site counts, before it has said so itself. A primary
// in a conflict has nothing to hand over.
func (f facts) reachable() bool {
	lately := f.PrimaryHeard.within(silentPolls*f.every()+pollWait(f.timeout()), f.now)
	return lately && f.Peer.Phase != pair.Conflict && (f.Peer.Role == pair.Primary || f.Record.Granted)
}

// refusal says why an administrator's Become Primary cannot be done as asked.
func refusal(f facts, cmd BecomePrimary) Reason {
	switch {
	case outvotes(f, cmd):
		return Agreed
	case f.Leaving != Stays && f.obeys(GuardLeaving):
		return ToldToStop
	case f.Record.Role == pair.Standalone:
		return NotPaired
	case f.Record.Role == pair.Primary && f.Door != Closed:
		return AlreadyPrimary
	case f.Switch.Step != NoSwitch:
		return SwitchRuns
	case !f.Record.Diverged.IsZero():
		return NotSetAside
	case !f.closed():
		return EffectsPending
	case f.Unwritable && !cmd.Force:
		return NotSaved
	case f.Record.Role == pair.Backup && f.Record.Snapshot.IsZero() && !cmd.Force:
		return NoSnapshot
	case f.Torn && f.Record.Role == pair.Backup && (!cmd.Force || f.Phase != pair.Conflict && f.reachable()):
		return DataIsTorn // whoever serves is not asked to stop for it
	}
	if f.Phase != pair.Conflict && f.Record.Role == pair.Backup && f.reachable() {
		return unready(f, cmd)
	}
	switch {
	case !cmd.Force:
		return unforced(f)
	case f.Evidence.Owned.within(f.timeout(), f.now) && f.obeys(GuardForceSilence):
		return AddressAnswers
	}
	return Agreed
}

// unready says why a primary that answers is not asked to hand over.
func unready(f facts, cmd BecomePrimary) Reason {
	switch {
	case f.Peer.Unwritable:
		return PeerNotSaved
	case f.Peer.SharedIP && (!f.config.SharedIP || otherIPs(f)) && !cmd.Force:
		return OtherSharedIPs // the site would lose an address
	case f.Peer.SetBack && cmd.FinalSync:
		return PrimarySetBack // nothing is synced
	}
	return Agreed
}

// unforced says why this appliance becomes primary only if it is forced.
func unforced(f facts) Reason {
	switch {
	case f.conflict():
		return EpochsClash
	case f.leaderless():
		return NoPrimary
	case f.Record.Role == pair.Primary && f.SetBack:
		return PrimarySetBack
	}
	return PeerSilent
}

// forcePromotion promotes on an administrator's word alone. A peer that is heard may have been
// forced at the same time: it learns of the epoch before anything is opened, and if it
// has one of its own, there is a conflict.
func forcePromotion(t *turn) {
	epoch := adoptEpochs(t).Next(t.config.Self)
	t.Forced = true
	if t.facts().hears() && t.obeys(GuardForceHeard) {
		beginEpoch(t, epoch)
		t.enter(pair.Primary, pair.Waiting, ForcedByAdministrator)
	} else {
		promote(t, epoch, ForcedByAdministrator)
	}
	t.do(Finish{Refusal: Agreed})
}

// outvote decides for a primary that serves: it goes on in a new epoch.
func outvote(t *turn) {
	epoch := adoptEpochs(t).Next(t.config.Self)
	record := t.Record
	record.Epoch, record.Lineage = epoch, record.Lineage.Begin(epoch, t.facts().basis())
	t.save(record)
	t.SetBack = false
	t.do(Finish{Refusal: Agreed})
}

// adoptEpochs names the peer's epochs in our lineage, so that the peer knows that a
// conflict was decided, and returns the highest epoch of all.
func adoptEpochs(t *turn) (highest pair.Epoch) {
	highest = t.Record.Epoch
	for _, other := range []pair.Epoch{t.Record.Conflict, t.Peer.Epoch} {
		if !other.IsZero() && other != t.Record.Epoch && !t.Record.Lineage.Contains(other) {
			t.Record.Lineage = t.Record.Lineage.Begin(other, t.Record.Snapshot.Number)
		}
		if other.Above(highest) {
			highest = other
		}
	}
	return highest
}

// endSwitch ends a switch that something else overtakes, and tells the
// administrator who waits for it.
func endSwitch(t *turn, why Reason) {
	if t.Switch.takes() {
		t.do(Finish{Refusal: why})
	}
	t.Switch = Switch{}
}

// step begins the next step of a switch.
func (t *turn) step(next SwitchStep) {
	t.Switch.Step, t.Switch.Began = next, t.now
	t.Switch.Told, t.Switch.Until = Moment{}, Moment{}
}

func askCommit(t *turn) {
	t.step(Committing)
	t.Switch.Passed = mayBePassed(t.facts())
	t.save(t.Record)
	t.do(AskCommit{Next: t.Switch.Next, Final: t.Switch.Final, Forward: t.Switch.Passed, Wait: commitLimit})
}

// giveUp ends a switch on the side that takes; the old primary goes on.
func giveUp(t *turn, why Reason) {
	noteUnsynced(t, why)
	t.Switch = Switch{}
	t.do(EndHold{}, Finish{Refusal: why})
	t.enter(pair.Backup, t.facts().calm(), why)
}

func syncEnded(t *turn, ok bool) {
	switch {
	case t.Switch.Step != Syncing && t.Switch.Step != FinalSyncing:
	case !ok:
		giveUp(t, SyncFailed)
	case t.Switch.Step == Syncing:
		t.step(AskingHold)
		t.do(AskHold{Wait: handoverLimit})
	default:
		askCommit(t)
	}
}

func holdAnswered(t *turn, ok bool) {
	switch {
	case t.Switch.Step != AskingHold:
	case !ok:
		giveUp(t, PeerRefused)
	default:
		t.step(FinalSyncing)
		t.do(Sync{Final: true})
	}
}

func commitAnswered(t *turn, ok bool) {
	switch {
	case t.Switch.Step != Committing:
	case !ok:
		// It may have been stored all the same: then the peer's next view
		// grants us the epoch, see backupHeard.
		giveUp(t, NoAnswerToCommit)
	default:
		passed := t.Switch.Passed
		completeHandover(t, t.Switch.Next, HandedOver)
		if passed && t.Record.Role == pair.Primary {
			t.PassedOn = Never
		}
	}
}

// mayGive reports whether this appliance is a primary whose data is the site's.
func (f facts) mayGive() bool { return f.Record.Role == pair.Primary && f.Phase != pair.Conflict }

// commitAsked stores the handover; from then on this appliance is a backup.
func commitAsked(t *turn, ask CommitAsked) {
	if why := commitRefusal(t.facts(), ask); why != Agreed {
		t.do(AnswerCommit{Refusal: why})
		return
	}
	keeps := forwards(t.facts(), ask)
	record := t.Record
	record.Role, record.Granted, record.Rival, record.Sick = pair.Backup, true, false, t.SickAt.Set
	record.Lineage = record.Lineage.Begin(ask.Next, ask.Snapshot.Number)
	record.Snapshot = ask.Snapshot
	if !ask.Final {
		record.Snapshot = pair.Snapshot{}
	}
	if !ask.Final && t.obeys(GuardSetAside) {
		record.Diverged = record.Epoch
	}
	record.Epoch = ask.Next
	t.save(record)
	t.PrimaryHeard = at(t.now) // the clock of our own watch begins now
	t.SnapshotAt = at(t.now)
	if keeps {
		t.Switch, t.Forced, t.Sick = Switch{Step: Forwarding, Began: t.now, Lease: addressLease(t.timeout())}, false, false
		t.enter(pair.Backup, pair.Releasing, HandedOver)
		t.do(AnswerCommit{Refusal: Agreed})
		return
	}
	if (t.Switch.holds() || t.Switch.Step == Resuming) && t.Door != Closed {
		turnAway(t)
	}
	releaseAddress(t)
	if t.Switch.Step == Stopped {
		t.Door = Closed // services are stopped already
	}
	stopServices(t)
	t.Switch, t.Forced, t.Sick = Switch{Step: Giving, Began: t.now}, false, false
	t.enter(pair.Backup, pair.Releasing, HandedOver)
	if !t.Held {
		answerCommit(t)
	}
}

// turnAway answers the requests that wait, before the address goes.
func turnAway(t *turn) {
	t.do(TurnAway{Wait: min(part(turningAway, t.timeout()), turnAwayLimit)})
}

// answerCommit tells the backup that the shared IP is off here.
func answerCommit(t *turn) {
	t.Switch = Switch{}
	t.do(AnswerCommit{Refusal: Agreed})
}

// commitRefusal says why this appliance does not hand over as asked.
func commitRefusal(f facts, ask CommitAsked) Reason {
	switch {
	case !f.mayGive(), f.Leaving == Gone:
		return NotServing
	case ask.Next != f.Record.Epoch.Next(f.Peer.ID) && f.obeys(GuardHandoverEpoch):
		return EpochsClash
	case ask.Final && !f.Switch.Ready && f.obeys(GuardHandoverHeld):
		return NotHeld
	}
	return Agreed
}

// watchSwitch bounds a switch in time, on both sides.
func watchSwitch(t *turn) {
	switch t.Switch.Step {
	case NoSwitch, Giving, Forwarding:
	case Resuming:
		watchResuming(t)
	case Holding, Stopped:
		watchHold(t)
	case Syncing:
		watchTaking(t, handoverLimit)
	case AskingHold:
		watchTaking(t, untoldHold)
	case FinalSyncing:
		watchTaking(t, finalSyncLimit)
	case Committing:
		watchTaking(t, commitLimit+late)
	}
}

// takingNotSaved gives a switch up because this backup could not store something. A primary
// that has handed over already serves no more: this appliance goes on trying to store that
// it takes over, each time that the primary tells of the handover.
func takingNotSaved(t *turn, undone Event) {
	answer, answered := undone.(CommitAnswered)
	if granted(t.facts(), t.Peer) || t.Switch.Step == Committing && answered && answer.OK {
		giveUp(t, GrantNotSaved)
		return
	}
	giveUp(t, NotSaved)
}

// watchTaking gives a switch up that takes longer than the primary says, or than the
// limit while it says nothing, or whose primary is gone: then the suspicion can begin.
// Whether a primary that was asked for the epoch has stored the handover is not known
// without its answer.
func watchTaking(t *turn, limit time.Duration) {
	until := t.Switch.Began.Add(limit)
	if t.Switch.Until.Set {
		until = t.Switch.Until.At
	}
	switch {
	case t.due(until) && t.Switch.Step == Committing:
		giveUp(t, NoAnswerToCommit)
	case t.Switch.By.Set && t.Switch.Step != Committing && t.due(t.Switch.By.At):
		hurry(t)
	case t.due(until):
		giveUp(t, TookTooLong)
	case t.due(t.facts().heardLast().Add(t.timeout())):
		giveUp(t, PeerSilent)
	}
}

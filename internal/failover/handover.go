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
// primary in charge.

// becomePrimary is the administrator's word.
func (t *turn) becomePrimary(cmd BecomePrimary) {
	if t.outvotes(cmd) {
		t.outvote()
		return
	}
	refusal := t.refusal(cmd)
	if refusal == Agreed && cmd.Automatic {
		refusal = t.offerRefusal()
	}
	if refusal == TooManyTakeovers && !t.Record.Damped {
		t.damp()
	}
	if refusal != Agreed {
		t.do(Finish{Refusal: refusal})
		return
	}
	if t.Record.Role == pair.Primary || t.Phase == pair.Conflict || !t.reachable() {
		t.force()
		return
	}
	t.Switch = Switch{Final: cmd.FinalSync, Own: cmd.Automatic, Began: t.now, Next: t.Record.Epoch.Next(t.Self)}
	why := Asked
	if cmd.Automatic {
		why = PrimaryOffers
	}
	t.enter(pair.Backup, pair.Handover, why)
	if cmd.FinalSync {
		t.Switch.Step = Syncing
		t.do(Sync{})
		return
	}
	t.commit()
}

// outvotes reports whether the command decides for a primary that serves: in a
// conflict, or after it was set back.
func (t *turn) outvotes(cmd BecomePrimary) bool {
	return t.Record.Role == pair.Primary && t.Door == Open && (t.Peer.Phase == pair.Conflict || t.SetBack) && cmd.Force
}

// reachable reports whether there is a primary that can be asked to hand over. A
// peer that has just been handed the site counts, before it has said so itself. A primary
// in a conflict has nothing to hand over.
func (t *turn) reachable() bool {
	lately := t.PrimaryHeard.within(silentPolls*t.every(t.State)+t.pollWait(t.State), t.now)
	return lately && t.Peer.Phase != pair.Conflict && (t.Peer.Role == pair.Primary || t.Record.Granted)
}

// refusal says why an administrator's Become Primary cannot be done as asked.
func (t *turn) refusal(cmd BecomePrimary) Reason {
	switch {
	case t.Record.Role == pair.Standalone:
		return NotPaired
	case t.Record.Role == pair.Primary && t.Door != Closed:
		return AlreadyPrimary
	case t.Switch.Step != NoSwitch:
		return SwitchRuns
	case !t.Record.Diverged.IsZero():
		return NotSetAside
	case !t.closed():
		return EffectsPending
	case t.Record.Role == pair.Backup && t.Record.Snapshot.IsZero() && !cmd.Force:
		return NoSnapshot
	case t.Torn && t.Record.Role == pair.Backup && (!cmd.Force || t.Phase != pair.Conflict && t.reachable()):
		return DataIsTorn // whoever serves is not asked to stop for it
	}
	if t.Phase != pair.Conflict && t.Record.Role == pair.Backup && t.reachable() {
		if t.Peer.SetBack && cmd.FinalSync {
			return PrimarySetBack // nothing is synced
		}
		return Agreed
	}
	switch {
	case !cmd.Force && t.conflict(t.State):
		return EpochsClash
	case !cmd.Force && t.Record.Role == pair.Primary && t.SetBack:
		return PrimarySetBack
	case !cmd.Force:
		return PeerSilent
	case t.Evidence.Owned.within(t.timeout(t.State), t.now) && t.obeys(GuardForceSilence):
		return AddressAnswers
	}
	return Agreed
}

// force promotes on an administrator's word alone. A peer that is heard may have been
// forced at the same time: it learns of the epoch before anything is opened, and if it
// has one of its own, there is a conflict.
func (t *turn) force() {
	epoch := t.adopt().Next(t.Self)
	t.Forced = true
	if t.PeerHeard.within(t.timeout(t.State), t.now) && t.obeys(GuardForceHeard) {
		t.begin(epoch)
		t.enter(pair.Primary, pair.Waiting, ForcedByAdministrator)
	} else {
		t.promote(epoch, ForcedByAdministrator)
	}
	t.do(Finish{Refusal: Agreed})
}

// outvote decides for a primary that serves: it goes on in a new epoch.
func (t *turn) outvote() {
	epoch := t.adopt().Next(t.Self)
	record := t.Record
	record.Epoch, record.Lineage = epoch, record.Lineage.Begin(epoch, t.basis())
	t.save(record)
	t.SetBack = false
	t.do(Finish{Refusal: Agreed})
}

// adopt names the peer's epochs in our lineage, so that the peer knows that a
// conflict was decided, and returns the highest epoch of all.
func (t *turn) adopt() (highest pair.Epoch) {
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
func (t *turn) endSwitch(why Reason) {
	if t.takes() {
		t.do(Finish{Refusal: why})
	}
	t.Switch = Switch{}
}

// takes reports whether this appliance is about to take over a planned switch.
func (t *turn) takes() bool { return t.Switch.Step >= Syncing && t.Switch.Step <= Committing }

// step begins the next step of a switch.
func (t *turn) step(next SwitchStep) {
	t.Switch.Step, t.Switch.Began = next, t.now
	t.Switch.Told, t.Switch.Until = Moment{}, Moment{}
}

func (t *turn) commit() {
	t.step(Committing)
	t.do(AskCommit{Next: t.Switch.Next, Final: t.Switch.Final, Wait: commitLimit})
}

// giveUp ends a switch on the side that takes; the old primary goes on.
func (t *turn) giveUp(why Reason) {
	t.Switch = Switch{}
	t.do(EndHold{}, Finish{Refusal: why})
	t.enter(pair.Backup, t.calm(), why)
}

func (t *turn) syncEnded(ok bool) {
	switch {
	case t.Switch.Step != Syncing && t.Switch.Step != FinalSyncing:
	case !ok:
		t.giveUp(SyncFailed)
	case t.Switch.Step == Syncing:
		t.step(AskingHold)
		t.do(AskHold{Wait: handoverLimit})
	default:
		t.commit()
	}
}

func (t *turn) holdAnswered(ok bool) {
	switch {
	case t.Switch.Step != AskingHold:
	case !ok:
		t.giveUp(PeerRefused)
	default:
		t.step(FinalSyncing)
		t.do(Sync{Final: true})
	}
}

func (t *turn) commitAnswered(ok bool) {
	switch {
	case t.Switch.Step != Committing:
	case !ok:
		// It may have been stored all the same: then the peer's next view
		// grants us the epoch, see backupHeard.
		t.giveUp(NoAnswerToCommit)
	default:
		t.granted(t.Switch.Next, HandedOver)
	}
}

// mayGive reports whether this appliance is a primary whose data is the site's.
func (t *turn) mayGive() bool { return t.Record.Role == pair.Primary && t.Phase != pair.Conflict }

// commitAsked stores the handover; from then on this appliance is a backup.
func (t *turn) commitAsked(ask CommitAsked) {
	if refusal := t.commitRefusal(ask); refusal != Agreed {
		t.do(AnswerCommit{Refusal: refusal})
		return
	}
	record := t.Record
	record.Role, record.Granted, record.Rival = pair.Backup, true, false
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
	if t.Switch.holds() && t.Door != Closed {
		t.do(TurnAway{Wait: min(t.part(turningAway, t.timeout(t.State)), turnAwayLimit)})
	}
	t.release()
	if t.Switch.Step == Stopped {
		t.Door = Closed // services are stopped already
	}
	t.stopServices()
	t.Switch, t.Forced, t.Sick = Switch{Step: Giving, Began: t.now}, false, false
	t.PrimaryHeard = at(t.now) // the clock of our own watch begins now
	t.SnapshotAt = at(t.now)
	t.enter(pair.Backup, pair.Releasing, HandedOver)
	if !t.Held {
		t.given()
	}
}

// given tells the backup that the shared IP is off here.
func (t *turn) given() {
	t.Switch = Switch{}
	t.do(AnswerCommit{Refusal: Agreed})
}

func (t *turn) commitRefusal(ask CommitAsked) Reason {
	switch {
	case !t.mayGive():
		return NotServing
	case ask.Next != t.Record.Epoch.Next(t.Peer.ID) && t.obeys(GuardHandoverEpoch):
		return EpochsClash
	case ask.Final && !t.Switch.Ready && t.obeys(GuardHandoverHeld):
		return NotHeld
	}
	return Agreed
}

// watchSwitch bounds a switch in time, on both sides.
func (t *turn) watchSwitch() {
	switch t.Switch.Step {
	case NoSwitch, Giving, Resuming:
	case Holding, Stopped:
		t.watchHold()
	case Syncing:
		t.watchTaking(handoverLimit)
	case AskingHold:
		t.watchTaking(untoldHold)
	case FinalSyncing:
		t.watchTaking(finalSyncLimit)
	case Committing:
		t.watchTaking(commitLimit + late)
	}
}

// watchTaking gives a switch up that takes longer than the primary says, or than the
// limit while it says nothing, or whose primary is gone: then the suspicion can begin.
func (t *turn) watchTaking(limit time.Duration) {
	until := t.Switch.Began.Add(limit)
	if t.Switch.Until.Set {
		until = t.Switch.Until.At
	}
	switch {
	case t.due(until):
		t.giveUp(TookTooLong)
	case t.due(t.heardLast().Add(t.timeout(t.State))):
		t.giveUp(PeerSilent)
	}
}

package failover

import "baton/internal/pair"

// ours reports whether a view is that of our peer.
func (t *turn) ours(v pair.View) bool {
	return v.PairID == t.PairID && v.ID != t.Self && t.Record.Role != pair.Standalone
}

// noteView takes in what the peer says of itself.
func (t *turn) noteView(h Heard) {
	v := h.View
	if !t.ours(v) {
		return
	}
	t.reunited = !t.PeerHeard.within(t.part(leaseLen, t.timeout(t.State)), t.now)
	t.Peer, t.PeerHeard, t.Failed = v, at(t.now), Moment{}
	if h.Confirmed.Set && h.Confirmed.At > t.Confirmed.or(-1) {
		t.Confirmed = h.Confirmed
	}
	if v.Role == pair.Primary {
		t.PrimaryHeard = at(t.now)
	}
	t.SetBack = t.Record.Role == pair.Primary && v.Role == pair.Backup &&
		v.Snapshot.Epoch == t.Record.Epoch && v.Snapshot.Number > t.reached()
}

// reached is the number of the newest snapshot that the data of this primary has
// been through, as far as it remembers. It stores a number before it offers it: who
// holds a higher one of our epoch has met us before our disk was set back.
func (t *turn) reached() uint64 {
	if t.Newest.Epoch == t.Record.Epoch {
		return max(t.Newest.Number, t.Record.Lineage[0].Snapshot)
	}
	return t.Record.Lineage[0].Snapshot
}

// basis is the number of the snapshot that a new epoch goes on from here.
func (t *turn) basis() uint64 {
	if t.Record.Role == pair.Primary {
		return t.reached()
	}
	return t.Record.Snapshot.Number
}

// heard draws the conclusions.
func (t *turn) heard(v pair.View) {
	if !t.ours(v) {
		return
	}
	switch t.Record.Role {
	case pair.Standalone:
	case pair.Primary:
		t.primaryHeard(v)
	case pair.Backup:
		t.backupHeard(v)
	}
}

// outranked reports whether the peer is known to have, or to follow, another
// epoch than ours.
func (t *turn) outranked() bool {
	return t.Peer.Epoch.Above(t.Record.Epoch) || t.Peer.Epoch.Clashes(t.Record.Epoch) && !t.Peer.Epoch.IsZero()
}

func (t *turn) primaryHeard(v pair.View) {
	mine := t.Record.Epoch
	switch {
	case v.Epoch.Above(mine) && v.Epoch.Holder != t.Self && v.Lineage.Contains(mine):
		if t.obeys(GuardHigherEpoch) {
			t.stepDown(v)
		}
	case v.Epoch.Above(mine), v.Epoch.Clashes(mine):
		// Nobody can say whose data is newer: a disk from the past, or two
		// administrators who each forced their side.
		t.meetConflict(v.Epoch)
	case t.Phase == pair.Conflict:
		t.reconcile(v)
	case t.abandoned(v):
		t.holdEnded(TakerGaveUp)
	case t.Door == Open:
		t.Forced = false
	}
	t.noteRival(v)
}

// noteRival notes whether the backup may take over by itself. What it is not known
// to have learned does not bind it, also after a restart here.
func (t *turn) noteRival(v pair.View) {
	if t.Record.Role != pair.Primary || v.Role != pair.Backup || t.Record.Rival == v.Armed || t.Broken == SavingRecord {
		return
	}
	record := t.Record
	record.Rival = v.Armed
	t.save(record)
}

// reconcile ends a conflict that has outlived its cause: the same run of the peer
// has shown, for a whole timeout and without a gap, an epoch that agrees with ours.
// A conflict that comes back within the hour is left to an administrator.
func (t *turn) reconcile(v pair.View) {
	lease := t.part(leaseLen, t.timeout(t.State))
	if !t.Agreeing.Set || t.AgreeRun != v.Run || t.reunited && t.now.Sub(t.Agreeing.At) > lease {
		t.Agreeing, t.AgreeRun = at(t.now), v.Run
	}
	if v.Role != pair.Backup || t.Reconciled.within(reconcile, t.now) || !t.due(t.Agreeing.At.Add(t.timeout(t.State))) {
		return
	}
	record := t.Record
	record.Conflict = pair.Epoch{}
	t.save(record)
	t.Agreeing, t.Reconciled = Moment{}, at(t.now)
	t.enter(pair.Primary, pair.Waiting, PeerAgrees)
}

// abandoned reports whether the backup that asked us to hold requests knows of
// no handover any more, as after a restart. A message that it sent before it
// asked says nothing.
func (t *turn) abandoned(v pair.View) bool {
	return t.Switch.holds() && v.Phase != pair.Handover &&
		t.now.Sub(t.Since) > t.part(leaseLen, t.timeout(t.State))
}

// stepDown makes a primary that has been succeeded a backup, traffic first.
func (t *turn) stepDown(v pair.View) {
	record := t.Record
	record.Role = pair.Backup
	if t.obeys(GuardSetAside) {
		record.Diverged = record.Epoch
	}
	record.Epoch, record.Lineage, record.Granted = v.Epoch, v.Lineage, false
	record.Taken, record.Rival, record.Conflict = false, false, pair.Epoch{}
	record.Snapshot = pair.Snapshot{} // what is here now is no snapshot of the new primary's data
	t.release()
	t.save(record)
	t.stopServices()
	t.Switch, t.Forced, t.Sick = Switch{}, false, false
	t.enter(pair.Backup, pair.Releasing, HigherEpoch)
}

// meetConflict stops the site rather than let two histories grow apart.
func (t *turn) meetConflict(theirs pair.Epoch) {
	t.Agreeing = Moment{}
	if t.Record.Conflict == theirs {
		return
	}
	record := t.Record
	record.Conflict = theirs
	t.release()
	t.save(record)
	t.stopServices()
	t.endSwitch(EpochsClash)
	t.Forced = false
	t.enter(t.Record.Role, pair.Conflict, EpochsClash)
}

func (t *turn) backupHeard(v pair.View) {
	mine := t.Record.Epoch
	t.tellsOfHold(v.Hold)
	switch {
	case v.Role == pair.Primary && (v.Epoch == mine || v.Epoch.Above(mine) && t.descends(v)):
		t.followPrimary(v)
	case v.Role == pair.Primary && (v.Epoch.Above(mine) || v.Epoch.Clashes(mine)):
		t.meetConflict(v.Epoch)
	case v.Role == pair.Backup && v.Granted && v.Epoch.Holder == t.Self && v.Epoch.Above(mine):
		// The answer to our question was lost on the way.
		t.granted(v.Epoch, HandoverCompleted)
	case t.Phase == pair.Suspect: // alive, whatever its role
		t.Evidence.forget(t.now)
		t.enter(pair.Backup, t.calm(), PeerHeard)
	}
}

// granted completes a handover that is stored over there. A peer that has
// not heard us lately may have taken the site back since: it is asked first.
func (t *turn) granted(epoch pair.Epoch, why Reason) {
	switch {
	case !t.mayPromote():
	case t.heardLately() || !t.obeys(GuardHandoverContact):
		t.promote(epoch, why)
	default:
		t.NextPoll = t.now
	}
}

// descends reports whether the peer's data has been through the epoch that ours
// was copied in. An appliance that holds no data yet follows anybody.
func (t *turn) descends(v pair.View) bool {
	return t.Record.Epoch.IsZero() || v.Lineage.Contains(t.Record.Epoch)
}

// ahead reports whether the data of a primary in a new epoch does not include our newest
// snapshot: the primary was set back, and an administrator chose it.
func (t *turn) ahead(v pair.View) bool {
	mine := t.Record.Snapshot
	return v.Epoch.Above(t.Record.Epoch) && !mine.IsZero() && v.Lineage.Contains(mine.Epoch) &&
		mine.Number > v.Lineage.After(mine.Epoch) && t.obeys(GuardAhead)
}

// followPrimary learns the primary's epoch and ends a suspicion. After a
// conflict, or if ours is newer, what we hold is set aside first.
func (t *turn) followPrimary(v pair.View) {
	conflict, ahead := !t.Record.Conflict.IsZero(), t.ahead(v)
	if record := t.Record; record.Epoch != v.Epoch || record.Granted || conflict {
		if (conflict || ahead) && record.Diverged.IsZero() {
			record.Diverged = record.Epoch
		}
		if ahead {
			record.Snapshot = pair.Snapshot{} // what is here is no snapshot of this primary's data
		}
		record.Epoch, record.Lineage, record.Granted, record.Conflict = v.Epoch, v.Lineage, false, pair.Epoch{}
		t.save(record)
	}
	switch t.Phase {
	case pair.Conflict:
		t.enter(pair.Backup, pair.Releasing, PrimaryHeard)
	case pair.Waiting, pair.Suspect, pair.Maintenance, pair.Steady:
		t.Evidence.forget(t.now)
		t.Blocked, t.Observed = Agreed, false
		if ahead {
			t.enter(pair.Backup, pair.Releasing, GoesOnOlder)
			return
		}
		t.enter(pair.Backup, t.calm(), t.whyCalm(PrimaryHeard))
	case pair.Handover:
		if ahead {
			t.endSwitch(GoesOnOlder)
			t.enter(pair.Backup, pair.Releasing, GoesOnOlder)
		}
	case pair.Claiming, pair.Releasing, pair.Alone, pair.Isolated:
	}
}

// calm is the phase of a backup, or a serving primary, when nothing is wrong.
func (t *turn) calm() pair.Phase {
	if t.maintained() {
		return pair.Maintenance
	}
	return pair.Steady
}

// whyCalm is why a phase becomes calm: what was calm before has only entered
// maintenance, or left it.
func (t *turn) whyCalm(why Reason) Reason {
	if t.Phase == pair.Steady || t.Phase == pair.Maintenance {
		return MaintenanceChanged
	}
	return why
}

// maintained reports whether either side is in maintenance.
func (t *turn) maintained() bool {
	return t.Record.Maintenance || t.Peer.Maintenance && t.PeerHeard.Set
}

// mayPromote reports whether nothing of our own stands in the way of serving.
func (t *turn) mayPromote() bool {
	return t.Record.Diverged.IsZero() && t.closed() && t.due(t.Retry)
}

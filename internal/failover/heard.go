package failover

import "baton/internal/pair"

// ours reports whether a view is that of our peer.
func ours(f facts, v pair.View) bool {
	return v.PairID == f.config.PairID && v.ID != f.config.Self && f.Record.Role != pair.Standalone
}

// reached is the number of the newest snapshot that the data of this primary has
// been through, as far as it remembers. It stores a number before it offers it: who
// holds a higher one of our epoch has met us before our disk was set back.
func (f facts) reached() uint64 {
	if f.Newest.Epoch == f.Record.Epoch {
		return max(f.Newest.Number, f.Record.Lineage[0].Snapshot)
	}
	return f.Record.Lineage[0].Snapshot
}

// basis is the number of the snapshot that a new epoch goes on from here.
func (f facts) basis() uint64 {
	if f.Record.Role == pair.Primary {
		return f.reached()
	}
	return f.Record.Snapshot.Number
}

// hearPeer draws the conclusions.
func hearPeer(t *turn, v pair.View) {
	if !ours(t.facts(), v) {
		return
	}
	switch t.Record.Role {
	case pair.Standalone:
	case pair.Primary:
		primaryHeard(t, v)
	case pair.Backup:
		backupHeard(t, v)
	}
}

// outranked reports whether the peer is known to have, or to follow, another
// epoch than ours.
func (f facts) outranked() bool {
	return f.Peer.Epoch.Above(f.Record.Epoch) || f.Peer.Epoch.Clashes(f.Record.Epoch) && !f.Peer.Epoch.IsZero()
}

func primaryHeard(t *turn, v pair.View) {
	mine := t.Record.Epoch
	switch {
	case v.Epoch.Above(mine) && v.Epoch.Holder != t.config.Self && v.Lineage.Contains(mine):
		if t.obeys(GuardHigherEpoch) {
			stepDown(t, v)
		}
	case v.Epoch.Above(mine), v.Epoch.Clashes(mine):
		// Nobody can say whose data is newer: a disk from the past, or two
		// administrators who each forced their side.
		meetConflict(t, v.Epoch)
	case t.Phase == pair.Conflict:
		endConflict(t, v)
	case abandoned(t.facts(), v):
		holdEnded(t, TakerGaveUp)
	case t.Door == Open:
		t.Forced = false
	}
	noteRival(t, v)
	noteReleased(t, v)
}

// noteRival notes whether the backup may take over by itself. What it is not known
// to have learned does not bind it, also after a restart here.
func noteRival(t *turn, v pair.View) {
	if t.Record.Role != pair.Primary || v.Role != pair.Backup || t.Record.Rival == v.Armed || t.Broken == SavingRecord {
		return
	}
	record := t.Record
	record.Rival = v.Armed
	t.save(record)
}

// endConflict ends a conflict that has outlived its cause: the same run of the peer
// has shown, for a whole timeout and without a gap, an epoch that agrees with ours.
// A conflict that comes back within the hour is left to an administrator.
func endConflict(t *turn, v pair.View) {
	lease := part(leaseLen, t.timeout())
	if !t.Agreeing.Set || t.AgreeRun != v.Run || t.reunited && t.now.Sub(t.Agreeing.At) > lease {
		t.Agreeing, t.AgreeRun = at(t.now), v.Run
	}
	if v.Role != pair.Backup || t.Reconciled.within(reconcile, t.now) || !t.due(t.Agreeing.At.Add(t.timeout())) {
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
func abandoned(f facts, v pair.View) bool {
	return f.Switch.holds() && v.Phase != pair.Handover &&
		f.now.Sub(f.Since) > part(leaseLen, f.timeout())
}

// stepDown makes a primary that has been succeeded a backup, traffic first.
func stepDown(t *turn, v pair.View) {
	record := t.Record
	record.Role = pair.Backup
	if t.obeys(GuardSetAside) {
		record.Diverged = record.Epoch
	}
	record.Epoch, record.Lineage, record.Granted = v.Epoch, v.Lineage, false
	record.Taken, record.Rival, record.Conflict, record.Sick = false, false, pair.Epoch{}, t.SickAt.Set
	record.Snapshot = pair.Snapshot{} // what is here now is no snapshot of the new primary's data
	releaseAddress(t)
	t.save(record)
	stopServices(t)
	t.Switch, t.Forced, t.Sick = Switch{}, false, false
	t.enter(pair.Backup, pair.Releasing, HigherEpoch)
}

// meetConflict stops the site rather than let two histories grow apart.
func meetConflict(t *turn, theirs pair.Epoch) {
	t.Agreeing = Moment{}
	if t.Record.Conflict == theirs {
		return
	}
	record := t.Record
	record.Conflict = theirs
	releaseAddress(t)
	t.save(record)
	stopServices(t)
	endSwitch(t, EpochsClash)
	t.Forced = false
	t.enter(t.Record.Role, pair.Conflict, EpochsClash)
}

func backupHeard(t *turn, v pair.View) {
	mine := t.Record.Epoch
	tellsOfHold(t, v.Hold)
	noteWord(t, v)
	switch {
	case v.Role == pair.Primary && (v.Epoch == mine || v.Epoch.Above(mine) && descends(t.facts(), v)):
		followPrimary(t, v)
	case v.Role == pair.Primary && (v.Epoch.Above(mine) || v.Epoch.Clashes(mine)):
		meetConflict(t, v.Epoch)
	case granted(t.facts(), v):
		// The answer to our question was lost on the way.
		completeHandover(t, v.Epoch, HandoverCompleted)
	case t.Phase == pair.Suspect: // alive, whatever its role
		t.Evidence.forget(t.now)
		t.enter(pair.Backup, t.facts().calm(), PeerHeard)
	}
}

// granted reports whether a former primary has handed its site to us, and we are not its
// primary yet.
func granted(f facts, v pair.View) bool {
	return v.Role == pair.Backup && v.Granted && v.Epoch.Holder == f.config.Self && v.Epoch.Above(f.Record.Epoch)
}

// completeHandover completes a handover that is stored over there. A peer that has
// not heard us lately may have taken the site back since: it is asked first.
func completeHandover(t *turn, epoch pair.Epoch, why Reason) {
	switch {
	case !t.due(t.facts().mayPromote()):
	case t.facts().heardLately() || !t.obeys(GuardHandoverContact):
		promote(t, epoch, why)
	default:
		t.NextPoll = t.now
	}
}

// descends reports whether the peer's data has been through the epoch that ours
// was copied in. An appliance that holds no data yet follows anybody.
func descends(f facts, v pair.View) bool {
	return f.Record.Epoch.IsZero() || v.Lineage.Contains(f.Record.Epoch)
}

// ahead reports whether the data of a primary in a new epoch does not include our newest
// snapshot: the primary was set back, and an administrator chose it.
func ahead(f facts, v pair.View) bool {
	mine := f.Record.Snapshot
	return v.Epoch.Above(f.Record.Epoch) && !mine.IsZero() && v.Lineage.Contains(mine.Epoch) &&
		mine.Number > v.Lineage.After(mine.Epoch) && f.obeys(GuardAhead)
}

// followPrimary learns the primary's epoch and ends a suspicion. After a
// conflict, or if ours is newer, what we hold is set aside first.
func followPrimary(t *turn, v pair.View) {
	conflict, ahead := !t.Record.Conflict.IsZero(), ahead(t.facts(), v)
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
		t.enter(pair.Backup, t.facts().calm(), t.facts().whyCalm(PrimaryHeard))
	case pair.Handover:
		if ahead {
			endSwitch(t, GoesOnOlder)
			t.enter(pair.Backup, pair.Releasing, GoesOnOlder)
		}
	case pair.Claiming, pair.Releasing, pair.Alone, pair.Isolated:
	}
}

// mayPromote is from when nothing of our own stands in the way of serving.
func (f facts) mayPromote() Instant {
	if !f.Record.Diverged.IsZero() || !f.closed() {
		return Never
	}
	return f.Retry
}

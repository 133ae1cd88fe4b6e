package failover

import "baton/internal/pair"

// beBackup watches the primary, and takes over when every guard agrees.
func beBackup(t *turn) {
	restFollowers(t)
	switch t.Phase {
	case pair.Releasing:
		keepForwarding(t)
		finishReleasing(t)
	case pair.Steady, pair.Maintenance:
		if !t.Record.Diverged.IsZero() { // learned while a switch was under way
			t.enter(pair.Backup, pair.Releasing, GoesOnOlder)
			return
		}
		t.enter(pair.Backup, t.facts().calm(), MaintenanceChanged)
		if saidGoodbye(t.facts()) {
			t.Evidence.forget(t.now)
			t.enter(pair.Backup, pair.Suspect, PrimaryStopped)
			suspect(t)
			return
		}
		if fallsSilent(t) {
			t.enter(pair.Backup, pair.Suspect, PollsFail)
			suspect(t)
		}
	case pair.Suspect:
		suspect(t)
	case pair.Waiting, pair.Conflict:
		probeAddress(t) // so that a forced promotion knows whether the address answers
	case pair.Handover:
		if fallsSilent(t) {
			gather(t) // so that a takeover finds its evidence when the switch is given up
		}
	case pair.Claiming, pair.Alone, pair.Isolated:
	}
}

// fallsSilent reports whether the peer has missed so many polls that evidence is wanted. What
// was found out before it was last heard is none.
func fallsSilent(t *turn) bool {
	last := t.facts().heardLast()
	if !t.due(last.Add(silentPolls * t.facts().every())) {
		return false
	}
	if t.Evidence.From <= last {
		t.Evidence.forget(t.now)
	}
	return true
}

// finishReleasing waits until nothing of the old primaryship runs, and sets
// aside what diverged, before data is pulled over it.
func finishReleasing(t *turn) {
	if !t.facts().closed() || t.Setting {
		return
	}
	if !t.Record.Diverged.IsZero() {
		if t.due(t.Retry) {
			t.Setting = true
			t.do(SetAside{Epoch: t.Record.Diverged, Since: t.Record.Lineage.After(t.Record.Diverged)})
		}
		return
	}
	next := pair.Waiting
	if t.PrimaryHeard.Set {
		next = t.facts().calm()
	}
	t.enter(pair.Backup, next, SteppedDown)
}

// suspect gathers evidence while the timeout runs, and decides when it ends.
func suspect(t *turn) {
	gather(t)
	t.Blocked = t.heed(mayTakeOver(t.facts()))
	switch {
	case t.Blocked == TooManyTakeovers && !t.Record.Damped:
		pauseAutomatic(t)
	case t.Blocked != Agreed:
	case t.config.ObserveOnly && t.obeys(GuardObserveOnly):
		noteTakeover(t)
	default:
		takeOver(t)
	}
}

// pauseAutomatic pauses automatic failover.
func pauseAutomatic(t *turn) {
	record := t.Record
	record.Damped = true
	t.save(record)
}

// noteTakeover records what would have been done, once for each suspicion.
func noteTakeover(t *turn) {
	if t.Observed {
		return
	}
	t.Observed = true
	t.do(Explain{From: t.Place(), To: t.Place(), Reason: WouldTakeOver})
}

func takeOver(t *turn) {
	why := PrimaryLeft // which is no failure
	if !saidGoodbye(t.facts()) {
		countTakeover(t)
		why = PrimaryGone
	}
	t.Evidence.vouch(t.now)
	promote(t, t.Record.Epoch.Next(t.config.Self), why)
}

// countTakeover counts what happens without an administrator, for damping.
func countTakeover(t *turn) {
	copy(t.Takeovers[1:], t.Takeovers[:2])
	t.Takeovers[0] = at(t.now)
}

// promote makes this appliance the primary of an epoch: durable first, then the
// site is opened.
func promote(t *turn, epoch pair.Epoch, why Reason) {
	beginEpoch(t, epoch)
	t.enter(pair.Primary, pair.Claiming, why)
	openSite(t)
}

// beginEpoch stores that this appliance is the primary of an epoch.
func beginEpoch(t *turn, epoch pair.Epoch) {
	if t.Switch.Own {
		countTakeover(t)
	}
	record := t.Record
	record.Role = pair.Primary
	record.Epoch, record.Granted, record.Taken, record.Conflict = epoch, false, false, pair.Epoch{}
	record.Lineage = record.Lineage.Begin(epoch, t.facts().basis())
	record.Takeovers = t.facts().recentTakeovers()
	t.save(record)
	t.Timeout, t.Offered = 0, 0 // a backup's, and those of the primary that it was before
	endSwitch(t, Agreed)
}

// mayTakeOver says what stands against a takeover, by itself and now.
func mayTakeOver(f facts) verdict {
	if v := eligible(f); v.why != Agreed {
		return v
	}
	if f.now < f.mayPromote() {
		return verdict{EffectsPending, f.mayPromote()}
	}
	return f.weigh(takeoverGuards(f))
}

// takeoverGuards must all pass, besides those of eligibility, before a backup
// takes over by itself.
func takeoverGuards(f facts) []guardRow {
	timeout, network, silence := f.heardLast().Add(f.timeout()), f.Evidence.connected(f.timeout(), f.now), f.Evidence.silent(f.timeout(), f.now)
	if saidGoodbye(f) { // that it came shows our network; its word on the address is checked once
		timeout, network, silence = min(timeout, f.PeerHeard.At), min(network, f.PeerHeard.At), min(silence, f.Evidence.silentSince(f.PeerHeard.At))
	}
	return []guardRow{
		{GuardTimeout, TimeoutRuns, timeout},
		{GuardKeyMismatch, PeerRefusesUs, when(!f.Failed.Set || f.Failure == pair.NoAnswer)},
		{GuardNetwork, NetworkLost, network},
		{GuardSilence, AddressAnswers, silence},
		{GuardDamping, TooManyTakeovers, when(!usedUp(f))},
	}
}

// eligibilityGuards say whether this backup could take over at all.
func eligibilityGuards(f facts) []guardRow {
	limit := f.config.MaxDataAge
	return []guardRow{
		{GuardBackupOperations, OperationsOff, when(f.config.BackupOperations)},
		{GuardAutomatic, AutomaticOff, when(f.config.AutomaticFailover)},
		{GuardSharedIP, NoSharedIP, when(f.config.SharedIP && f.Peer.SharedIP)},
		{GuardSameIPs, OtherSharedIPs, when(!otherIPs(f))},
		{GuardTestIPs, NoTestIPs, when(f.config.TestIPs > 0)},
		{GuardSave, NotSaved, when(f.canSave())},
		{GuardMaintenance, InMaintenance, when(!f.maintained())},
		{GuardLeaving, ToldToStop, when(f.Leaving == Stays)},
		{GuardDamped, Paused, when(!f.Record.Damped)},
		{GuardSnapshot, NoSnapshot, when(!f.Record.Snapshot.IsZero())},
		{GuardPrimarySetBack, PrimarySetBack, when(!f.Peer.SetBack)},
		{GuardWhole, DataIsTorn, when(!f.Torn)},
		{GuardDataAge, DataTooOld, when(limit == 0 || f.now.Sub(f.SnapshotAt.or(f.now)) <= limit)},
		{GuardCarrier, NoCarrier, when(!f.Unplugged.Set)},
		{GuardDataAgeKnown, DataAgeUnknown, when(limit == 0 || f.SnapshotAt.Set)},
	}
}

// eligible says what stands against a takeover by this backup if its primary failed now. It
// starts with what nothing else could be judged without.
func eligible(f facts) verdict {
	if !f.PrimaryHeard.Set {
		return verdict{NeverHeard, Never}
	}
	return f.weigh(eligibilityGuards(f))
}

// Eligible says whether this backup could take over if its primary failed now,
// and if not, why.
func (c Config) Eligible(s State) (bool, Reason) {
	why := eligible(facts{&s, &c, s.Now}).why
	return why == Agreed, why
}

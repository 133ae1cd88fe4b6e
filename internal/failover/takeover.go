package failover

import "baton/internal/pair"

// beBackup watches the primary, and takes over when every guard agrees.
func (t *turn) beBackup() {
	t.follow()
	switch t.Phase {
	case pair.Releasing:
		t.finishReleasing()
	case pair.Steady, pair.Maintenance:
		if !t.Record.Diverged.IsZero() { // learned while a switch was under way
			t.enter(pair.Backup, pair.Releasing, GoesOnOlder)
			return
		}
		t.enter(pair.Backup, t.calm(), MaintenanceChanged)
		if t.due(t.heardLast().Add(silentPolls * t.every(t.State))) {
			t.Evidence.forget(t.now)
			t.enter(pair.Backup, pair.Suspect, PollsFail)
			t.suspect()
		}
	case pair.Suspect:
		t.suspect()
	case pair.Waiting, pair.Conflict:
		t.probeAddress() // so that a forced promotion knows whether the address answers
	case pair.Claiming, pair.Alone, pair.Isolated, pair.Handover:
	}
}

// heardLast is when the peer last gave a sign of life. A peer that answers is
// alive, whatever role it tells.
func (t *turn) heardLast() Instant {
	return max(t.PeerHeard.or(t.Since), t.PrimaryHeard.or(t.Since))
}

// finishReleasing waits until nothing of the old primaryship runs, and sets
// aside what diverged, before data is pulled over it.
func (t *turn) finishReleasing() {
	if !t.closed() || t.Setting {
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
		next = t.calm()
	}
	t.enter(pair.Backup, next, SteppedDown)
}

// suspect gathers evidence while the timeout runs, and decides when it ends.
func (t *turn) suspect() {
	t.gather()
	t.Blocked = t.takeoverReason()
	switch {
	case t.Blocked == TooManyTakeovers && !t.Record.Damped:
		t.damp()
	case t.Blocked != Agreed:
	case t.ObserveOnly && t.obeys(GuardObserveOnly):
		t.noteTakeover()
	default:
		t.takeOver()
	}
}

// damp pauses automatic failover.
func (t *turn) damp() {
	record := t.Record
	record.Damped = true
	t.save(record)
}

// noteTakeover records what would have been done, once for each suspicion.
func (t *turn) noteTakeover() {
	if t.Observed {
		return
	}
	t.Observed = true
	t.do(Explain{From: t.Place(), To: t.Place(), Reason: WouldTakeOver})
}

func (t *turn) takeOver() {
	if !t.Peer.Stopping { // a primary that was told to stop has not failed
		t.countTakeover()
	}
	t.Evidence.vouch(t.now)
	t.promote(t.Record.Epoch.Next(t.Self), PrimaryGone)
}

// countTakeover counts what happens without an administrator, for damping.
func (t *turn) countTakeover() {
	copy(t.Takeovers[1:], t.Takeovers[:2])
	t.Takeovers[0] = at(t.now)
}

// promote makes this appliance the primary of an epoch: durable first, then the
// site is opened.
func (t *turn) promote(epoch pair.Epoch, why Reason) {
	t.begin(epoch)
	t.enter(pair.Primary, pair.Claiming, why)
	t.open()
}

// begin stores that this appliance is the primary of an epoch.
func (t *turn) begin(epoch pair.Epoch) {
	if t.Switch.Own {
		t.countTakeover()
	}
	record := t.Record
	record.Role = pair.Primary
	record.Epoch, record.Granted, record.Taken, record.Conflict = epoch, false, false, pair.Epoch{}
	record.Lineage = record.Lineage.Begin(epoch, t.basis())
	record.Takeovers = t.recentTakeovers()
	t.save(record)
	t.endSwitch(Agreed)
}

func (t *turn) recentTakeovers() (n uint8) {
	for _, takeover := range t.Takeovers {
		if takeover.within(damping, t.now) {
			n++
		}
	}
	return n
}

// takeoverReason returns Agreed, or the first reason against a takeover.
func (t *turn) takeoverReason() Reason {
	if !t.mayPromote() {
		return EffectsPending
	}
	if why := t.eligibility(); why != Agreed {
		return why
	}
	return t.check(takeoverGuards())
}

// check returns Agreed, or what the first guard that does not pass says. The
// guards judge a copy, of which they change no more than Wake: were the turn itself
// handed to functions of a table, each call of Next would allocate it.
func (t *turn) check(guards []guardRow) (why Reason) {
	judged := *t
	for _, guard := range guards {
		if t.obeys(guard.guard) && !guard.passes(&judged) {
			why = guard.refusal
			break
		}
	}
	t.Wake = judged.Wake
	return why
}

// guardRow is one condition that must hold, and what is said while it does not.
type guardRow struct {
	guard   Guard
	refusal Reason
	passes  func(*turn) bool
}

// takeoverGuards must all pass, besides those of eligibility, before a backup
// takes over by itself.
func takeoverGuards() []guardRow {
	return []guardRow{
		{GuardTimeout, TimeoutRuns, func(t *turn) bool {
			return t.due(t.heardLast().Add(t.timeout(t.State)))
		}},
		{GuardKeyMismatch, PeerRefusesUs, func(t *turn) bool {
			return !t.Failed.Set || t.Failure == pair.NoAnswer
		}},
		{GuardNetwork, NetworkLost, (*turn).connected},
		{GuardSilence, AddressAnswers, (*turn).silent},
		{GuardDamping, TooManyTakeovers, func(t *turn) bool {
			return t.recentTakeovers() < maxTakeovers || t.Peer.Stopping
		}},
	}
}

// eligibilityGuards say whether this backup could take over at all.
func eligibilityGuards() []guardRow {
	return []guardRow{
		{GuardBackupOperations, OperationsOff, func(t *turn) bool { return t.BackupOperations }},
		{GuardAutomatic, AutomaticOff, func(t *turn) bool { return t.AutomaticFailover }},
		{GuardSharedIP, NoSharedIP, func(t *turn) bool { return t.SharedIP && t.Peer.SharedIP }},
		{GuardTestIPs, NoTestIPs, func(t *turn) bool { return t.TestIPs > 0 }},
		{GuardMaintenance, InMaintenance, func(t *turn) bool { return !t.maintained() }},
		{GuardDamped, Paused, func(t *turn) bool { return !t.Record.Damped }},
		{GuardSnapshot, NoSnapshot, func(t *turn) bool { return !t.Record.Snapshot.IsZero() }},
		{GuardPrimarySetBack, PrimarySetBack, func(t *turn) bool { return !t.Peer.SetBack }},
		{GuardWhole, DataIsTorn, func(t *turn) bool { return !t.Torn }},
		{GuardDataAge, DataTooOld, func(t *turn) bool {
			return t.MaxDataAge == 0 || t.now.Sub(t.SnapshotAt.or(t.now)) <= t.MaxDataAge
		}},
		{GuardCarrier, NoCarrier, func(t *turn) bool { return !t.Unplugged.Set }},
		{GuardDataAgeKnown, DataAgeUnknown, func(t *turn) bool { return t.MaxDataAge == 0 || t.SnapshotAt.Set }},
	}
}

// eligible returns Agreed, or why this backup could not take over if its
// primary failed now.
func (c Config) eligible(s State, now Instant) Reason {
	t := &turn{Config: c, State: s, now: now}
	return t.eligibility()
}

// eligibility starts with what nothing else could be judged without.
func (t *turn) eligibility() Reason {
	if !t.PrimaryHeard.Set {
		return NeverHeard
	}
	return t.check(eligibilityGuards())
}

// Eligible says whether this backup could take over if its primary failed now,
// and if not, why.
func (c Config) Eligible(s State) (bool, Reason) {
	why := c.eligible(s, s.Now)
	return why == Agreed, why
}

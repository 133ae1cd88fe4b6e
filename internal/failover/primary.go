package failover

import "baton/internal/pair"

// bePrimary renews the entitlement to serve, or gives it up; and comes back
// once it is safe.
func bePrimary(t *turn) {
	restServices(t)
	if t.Phase == pair.Conflict {
		probeAddress(t) // so that a forced promotion knows whether the address answers
		return
	}
	offerHandover(t)
	if t.Door == Closed {
		comeBack(t)
		return
	}
	stayEntitled(t)
	if t.Door == Closed {
		return
	}
	t.due(t.now.Add(leaseOf(t.facts()) / renewals)) // so that a pause of this machine is noticed
	if !t.Door.serves() || t.Door == Shut && !t.facts().heardLately() {
		probeAddress(t) // opening may take long
	}
	renewLeases(t)
	awaitRelease(t)
	watchAddress(t)
	if t.reunited && t.Door == Open {
		t.do(Announce{}) // caches may have learned the other machine while we were apart
	}
	namePhase(t)
}

// stayEntitled closes the site before the backup could possibly take over: the
// peer is silent and too few test IPs answer, so our own network is at fault.
func stayEntitled(t *turn) {
	if t.due(t.Confirmed.or(0).Add(part(testFrom, t.timeout()))) {
		pingTestIPs(t)
	}
	if t.due(t.facts().entitledUntil()) {
		cutOff(t)
	}
}

// cutOff closes the site of a primary that is entitled to serve no longer.
func cutOff(t *turn) {
	closeSite(t)
	t.enter(pair.Primary, pair.Isolated, whyCutOff(t))
}

func whyCutOff(t *turn) Reason {
	if t.stalled {
		return Stalled
	}
	return NetworkLost
}

// entitledUntil is until when this primary may serve without having met its peer, by what
// is known now: without end if nobody could take over.
func (f facts) entitledUntil() Instant {
	if f.Switch.Step == Forwarding {
		return forwardsUntil(f)
	}
	if f.Record.Role != pair.Primary || !f.rivalPossible() || f.Forced || !f.obeys(GuardIsolation) {
		return Never
	}
	contact := max(f.Confirmed.or(0), f.ArmedAt.or(0)).Add(part(isolate, f.timeout()))
	if !f.Confirmed.Set { // else the peer goes by what this process has told it, perhaps another timeout
		contact = max(contact, f.Inherited)
	}
	if f.Evidence.Reached.Set {
		return max(contact, f.Evidence.Reached.At.Add(part(leaseLen, f.timeout())))
	}
	return contact
}

// rivalPossible reports whether a backup may take over by itself, by the settings that it is
// known to have. If not, a lone primary has nothing to fear from serving on.
func (f facts) rivalPossible() bool {
	return rivalSet(f) || rivalHeard(f)
}

// rivalSet reports whether the settings here let a backup take over by itself.
func rivalSet(f facts) bool { return f.armed() && f.config.SharedIP }

// rivalHeard reports whether a backup may take over by itself, by what it has told. One that
// has not cannot go by settings that it has not received.
func rivalHeard(f facts) bool { return f.Peer.Eligible || f.Record.Rival && f.obeys(GuardRival) }

// renewLeases extends the kernel's leases on the address and its traffic while we are
// entitled.
func renewLeases(t *turn) {
	if !t.Door.serves() || !t.due(t.NextRenew) {
		return
	}
	lease := leaseOf(t.facts())
	t.NextRenew = t.now.Add(lease / renewals)
	t.due(t.NextRenew)
	t.do(Renew{Lease: lease, Until: t.facts().entitledUntil(), Shut: t.Door == Shut})
}

// watchAddress gives way when another machine has put the shared IP on, as a
// third machine tells while our peer is silent.
func watchAddress(t *turn) {
	if t.Door != Open {
		return
	}
	checkAddress(t)
	if t.facts().robbed() && t.facts().heir() {
		t.Evidence.Reclaims, t.Evidence.Elsewhere, t.Evidence.Reclaimed = t.Evidence.Reclaims+1, 0, at(t.now)
		t.do(Announce{})
	}
	if !t.facts().lost() {
		return
	}
	record := t.Record
	record.Taken = true
	closeSite(t)
	t.save(record)
	t.enter(pair.Primary, pair.Isolated, AddressTaken)
}

// robbed reports whether the shared IP is another machine's while our peer is silent.
func (f facts) robbed() bool {
	return f.Door == Open && !f.Forced && f.Evidence.taken() && f.obeys(GuardLostAddress) &&
		f.now.Sub(f.Confirmed.or(0)) > part(leaseLen, f.timeout())
}

// heir reports whether we took over from the peer, and it has not followed us yet: it
// can only have come back with its old epoch. Then the peer should give way; but
// announcing must help soon.
func (f facts) heir() bool {
	return f.Peer.Role == pair.Primary && f.Record.Epoch.Above(f.Peer.Epoch) && f.Evidence.Reclaims < maxReclaims
}

// lost reports whether the shared IP is to be left to the machine that has it.
func (f facts) lost() bool { return f.robbed() && !f.heir() }

// namePhase names the phase of a primary that serves.
func namePhase(t *turn) {
	if t.Door != Open || t.Switch.holds() {
		return
	}
	if !t.Confirmed.Set && !t.due(t.Inherited) {
		return // nobody has answered this process yet
	}
	lease := part(leaseLen, t.timeout())
	if !t.due(t.Confirmed.or(0).Add(lease)) {
		t.enter(pair.Primary, t.facts().calm(), t.facts().whyCalm(PeerHeard))
		return
	}
	t.enter(pair.Primary, pair.Alone, PeerSilent)
}

// comeBack opens the site of a primary that has just started, or was isolated.
func comeBack(t *turn) {
	if t.Switch.Step == Stopped {
		return // the backup pulls the final data sync
	}
	gather(t)
	if t.Evidence.Trusted {
		checkAddress(t)
	}
	endRetries(t)
	t.Blocked = t.heed(mayComeBack(t.facts()))
	if t.Blocked != Agreed {
		t.Ready = Moment{}
		return
	}
	if !myTurn(t) {
		t.Blocked = TimeoutRuns
		return
	}
	t.Ready = Moment{}
	if t.Record.Taken {
		record := t.Record
		record.Taken = false
		t.save(record)
	}
	why := NobodyElse
	switch {
	case t.facts().met():
		why = PeerAgrees
	case t.facts().retrying():
		why = EffectFailed
	case t.Forced:
		why = ForcedByAdministrator
	default:
		t.Evidence.vouch(t.now)
	}
	t.enter(pair.Primary, pair.Claiming, why)
	openSite(t)
}

// endRetries ends the attempts to open a site that does not come up, once the entitlement
// has run out or this machine has stood still: the peer may have taken over since. Coming
// back then needs what it needs after any isolation.
func endRetries(t *turn) {
	stalled := t.stalled && t.obeys(GuardIsolation)
	if t.facts().retrying() && (stalled || t.due(t.facts().entitledUntil())) {
		t.Tries = 0
		t.enter(pair.Primary, pair.Isolated, whyCutOff(t))
	}
}

// retrying reports whether opening the site has failed and is tried again
// without leave of anybody, since the entitlement to serve has never ended.
func (f facts) retrying() bool { return f.incapable() && f.Phase == pair.Waiting }

// met reports whether the peer has answered something that we sent since we
// stopped serving (a message that lay in a queue says nothing), so lately that
// it cannot take over yet, and claims nothing; and that no third machine has the
// shared IP, as another run of this appliance's own disk would.
func (f facts) met() bool {
	since := f.Confirmed.At >= f.Since
	if f.Forced { // what was sent at that very instant did not tell of the epoch
		since = f.Confirmed.At > f.Since
	}
	return f.Confirmed.Set && since && f.heardLately() &&
		!f.Peer.Serving && !f.Peer.Epoch.Above(f.Record.Epoch) && f.unowned()
}

// unowned reports whether the newest probe since we stopped serving met no owner.
func (f facts) unowned() bool {
	e := f.Evidence
	asked := e.Probed.Set && e.Probed.At >= f.Since
	owned := e.Owned.Set && e.Owned.At >= e.Probed.At
	return asked && !owned || !f.config.SharedIP || !f.obeys(GuardReturnOwned)
}

// mayComeBack says what stands against the return of this primary.
func mayComeBack(f facts) verdict {
	silent := f.PeerHeard.or(0).Add(f.timeout()) // from then on the peer cannot agree
	switch {
	case f.now < f.mayOpen():
		return verdict{EffectsPending, f.mayOpen()}
	case f.SetBack && f.hears() && !f.Forced && f.obeys(GuardReturnSetBack):
		return verdict{PrimarySetBack, Never}
	case f.Forced && f.now >= silent && f.unowned(), f.met(), f.retrying() && f.unowned() && f.nobodyElse():
		return verdict{Agreed, Never}
	}
	v := f.weigh(comeBackGuards(f))
	if f.Forced && f.now < silent {
		return verdict{v.why, min(v.until, silent)}
	}
	return v
}

// comeBackGuards must all pass before a primary serves again without having met its peer.
// Alone is since when it has been closed, has had no contact with its peer, and has not stood
// still: a backup that takes over does so one timeout after contact, or a little later.
func comeBackGuards(f facts) []guardRow {
	alone := max(f.Since, f.PeerHeard.or(0), f.Confirmed.or(0), f.Evidence.From)
	return []guardRow{
		{GuardReturnEpoch, HigherEpoch, when(!f.Peer.Epoch.Above(f.Record.Epoch))},
		{GuardReturnTaken, AddressTaken, when(!f.Record.Taken)},
		{GuardReturnWait, TimeoutRuns, alone.Add(part(returning, f.timeout()))},
		{GuardReturnRival, PeerDecides, f.Evidence.rivalDecided(f.timeout())},
		{GuardReturnNetwork, NetworkLost, min(when(f.config.TestIPs == 0), f.Evidence.connected(f.timeout(), f.now))},
		{GuardReturnSilence, AddressAnswers, min(when(!f.config.SharedIP), f.Evidence.silent(f.timeout(), f.now))},
		{GuardReturnOwner, AddressTaken, when(f.nobodyElse())},
	}
}

// myTurn reports whether a primary against whose return nothing stands may
// return now. Two primaries, each of a different epoch, may wait for the same
// cable: one of the two waits a little longer, and then finds the other.
func myTurn(t *turn) bool {
	if t.facts().met() || t.facts().retrying() || t.Forced || t.config.Self < t.config.PeerID || t.config.PeerID == "" || !t.obeys(GuardReturnTurn) {
		return true
	}
	if !t.Ready.Set {
		t.Ready = at(t.now)
	}
	return t.due(t.Ready.At.Add(part(patience, t.timeout())))
}

// beStandalone serves once nobody answers for the shared IP.
func beStandalone(t *turn) {
	restServices(t)
	if t.Door != Closed {
		renewLeases(t)
		if t.Door == Open {
			t.enter(pair.Standalone, pair.Steady, SiteOpened)
		}
		return
	}
	if t.config.SharedIP {
		probeAddress(t)
	}
	t.Blocked = Agreed
	if t.config.SharedIP && t.Evidence.Probes < minProbes {
		t.Blocked = AddressAnswers
	}
	if t.Blocked == Agreed && t.due(t.facts().mayOpen()) {
		openSite(t)
	}
}

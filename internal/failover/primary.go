package failover

import (
	"time"

	"baton/internal/pair"
)

// bePrimary renews the entitlement to serve, or gives it up; and comes back
// once it is safe.
func (t *turn) bePrimary() {
	t.unfollow()
	if t.Phase == pair.Conflict {
		t.probeAddress() // so that a forced promotion knows whether the address answers
		return
	}
	t.offer()
	if t.Door == Closed {
		t.comeBack()
		return
	}
	t.stayEntitled()
	if t.Door == Closed {
		return
	}
	t.due(t.now.Add(t.leaseNow() / renewals)) // so that a pause of this machine is noticed
	if !t.Door.serves() {
		t.probeAddress() // opening may take long
	}
	t.renew()
	t.watchAddress()
	if t.reunited && t.Door == Open {
		t.do(Announce{}) // caches may have learned the other machine while we were apart
	}
	t.label()
}

// leaseNow is the lifetime that the address is given.
func (t *turn) leaseNow() time.Duration { return t.lease(t.timeout(t.State)) }

// stayEntitled closes the site before the backup could possibly take over: the
// peer is silent and too few test IPs answer, so our own network is at fault.
func (t *turn) stayEntitled() {
	if t.due(t.Confirmed.or(0).Add(t.part(testFrom, t.timeout(t.State)))) {
		t.pingTestIPs()
	}
	if t.entitled() || !t.obeys(GuardIsolation) {
		return
	}
	t.close()
	t.enter(pair.Primary, pair.Isolated, t.whyCutOff())
}

func (t *turn) whyCutOff() Reason {
	if t.stalled {
		return Stalled
	}
	return NetworkLost
}

// entitled reports whether this primary may serve without having met its peer.
func (t *turn) entitled() bool {
	return !t.rivalPossible() || t.Forced || !t.due(t.isolatedAt())
}

// until returns how long traffic may pass, by what is known now: Never if nobody could
// take over.
func (t *turn) until() Instant {
	if t.Record.Role != pair.Primary || !t.rivalPossible() || t.Forced || !t.obeys(GuardIsolation) {
		return Never
	}
	return t.isolatedAt()
}

// rivalPossible reports whether a backup may take over by itself, as far as it is
// known to know the settings. If not, a lone primary has nothing to fear from
// serving on.
func (t *turn) rivalPossible() bool {
	return t.armed() && t.SharedIP || t.Peer.Eligible || t.Record.Rival && t.obeys(GuardRival)
}

func (t *turn) isolatedAt() Instant {
	timeout := t.timeout(t.State)
	contact := t.Confirmed.or(0).Add(t.part(isolate, timeout))
	if t.Evidence.Reached.Set {
		return max(contact, t.Evidence.Reached.At.Add(t.part(leaseLen, timeout)))
	}
	return contact
}

// renew extends the kernel's leases on the address and its traffic while we are
// entitled.
func (t *turn) renew() {
	if !t.Door.serves() {
		return
	}
	if t.due(t.NextRenew) {
		t.NextRenew = t.now.Add(t.leaseNow() / renewals)
		t.due(t.NextRenew)
		t.do(Renew{Lease: t.leaseNow(), Until: t.until(), Shut: t.Door == Shut})
	}
}

// watchAddress gives way when another machine has put the shared IP on, as a
// third machine tells while our peer is silent.
func (t *turn) watchAddress() {
	if t.Door != Open {
		return
	}
	t.checkAddress()
	if t.robbed() && t.heir() {
		t.Evidence.Reclaims, t.Evidence.Elsewhere = t.Evidence.Reclaims+1, 0
		t.do(Announce{})
	}
	if !t.lost() {
		return
	}
	record := t.Record
	record.Taken = true
	t.close()
	t.save(record)
	t.enter(pair.Primary, pair.Isolated, AddressTaken)
}

// robbed reports whether the shared IP is another machine's while our peer is silent.
func (t *turn) robbed() bool {
	return t.Door == Open && !t.Forced && t.taken() && t.obeys(GuardLostAddress) &&
		t.silentFor() > t.part(leaseLen, t.timeout(t.State))
}

// heir reports whether we succeeded our peer, and it has not been heard to
// follow: it can only have come back with its old epoch. Then it should give
// way, not we; but announcing must help soon.
func (t *turn) heir() bool {
	return t.Peer.Role == pair.Primary && t.Record.Epoch.Above(t.Peer.Epoch) && t.Evidence.Reclaims < maxReclaims
}

// lost reports whether the shared IP is to be left to the machine that has it.
func (t *turn) lost() bool { return t.robbed() && !t.heir() }

// label names the phase of a primary that serves.
func (t *turn) label() {
	if t.Door != Open || t.Switch.holds() {
		return
	}
	lease := t.part(leaseLen, t.timeout(t.State))
	if !t.due(t.Confirmed.or(0).Add(lease)) {
		t.enter(pair.Primary, t.calm(), t.whyCalm(PeerHeard))
		return
	}
	t.enter(pair.Primary, pair.Alone, PeerSilent)
}

// comeBack opens the site of a primary that has just started, or was isolated.
func (t *turn) comeBack() {
	if t.Switch.Step == Stopped {
		return // the backup pulls the final data sync
	}
	t.gather()
	if t.Evidence.Trusted {
		t.checkAddress()
	}
	t.endRetries()
	t.Blocked = t.comeBackReason()
	if t.Blocked != Agreed {
		t.Ready = Moment{}
		return
	}
	if !t.myTurn() {
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
	case t.met():
		why = PeerAgrees
	case t.retrying():
		why = EffectFailed
	case t.Forced:
		why = ForcedByAdministrator
	default:
		t.Evidence.vouch(t.now)
	}
	t.enter(pair.Primary, pair.Claiming, why)
	t.open()
}

// endRetries ends the attempts to open a site that does not come up, once the entitlement
// has run out or this machine has stood still: the peer may have taken over since. Coming
// back then needs what it needs after any isolation.
func (t *turn) endRetries() {
	if t.retrying() && (t.stalled || !t.entitled()) && t.obeys(GuardIsolation) {
		t.Tries = 0
		t.enter(pair.Primary, pair.Isolated, t.whyCutOff())
	}
}

// retrying reports whether opening the site has failed and is tried again
// without leave of anybody, since the entitlement to serve has never ended.
func (t *turn) retrying() bool { return t.incapable() && t.Phase == pair.Waiting }

// met reports whether the peer has answered something that we sent since we
// stopped serving (a message that lay in a queue says nothing), so lately that
// it cannot take over yet, and claims nothing; and that no third machine has the
// shared IP, as another run of this appliance's own disk would.
func (t *turn) met() bool {
	since := t.Confirmed.At >= t.Since
	if t.Forced { // what was sent at that very instant did not tell of the epoch
		since = t.Confirmed.At > t.Since
	}
	return t.Confirmed.Set && since && t.heardLately() &&
		!t.Peer.Serving && !t.Peer.Epoch.Above(t.Record.Epoch) && t.unowned()
}

// unowned reports whether the newest probe since we stopped serving met no owner.
func (t *turn) unowned() bool {
	e := t.Evidence
	asked := e.Probed.Set && e.Probed.At >= t.Since
	owned := e.Owned.Set && e.Owned.At >= e.Probed.At
	return asked && !owned || !t.SharedIP || !t.obeys(GuardReturnOwned)
}

// heardLately reports whether the peer is known to have heard us within the lease.
func (t *turn) heardLately() bool {
	lease := t.part(leaseLen, t.timeout(t.State))
	return t.Confirmed.within(lease, t.now) && t.PeerHeard.within(lease, t.now)
}

func (t *turn) comeBackReason() Reason {
	if !t.mayOpen() {
		return EffectsPending
	}
	heard := t.PeerHeard.within(t.timeout(t.State), t.now)
	if t.SetBack && heard && !t.Forced && t.obeys(GuardReturnSetBack) {
		return PrimarySetBack
	}
	if t.Forced && t.due(t.PeerHeard.or(0).Add(t.timeout(t.State))) && t.unowned() {
		return Agreed // the peer fell silent before it could agree
	}
	if t.met() || t.retrying() && t.unowned() && t.nobodyElse() {
		return Agreed
	}
	return t.check(comeBackGuards())
}

// comeBackGuards must all pass before a primary serves again without having met its peer.
func comeBackGuards() []guardRow {
	return []guardRow{
		{GuardReturnEpoch, HigherEpoch, func(t *turn) bool { return !t.Peer.Epoch.Above(t.Record.Epoch) }},
		{GuardReturnTaken, AddressTaken, func(t *turn) bool { return !t.Record.Taken }},
		{GuardReturnWait, TimeoutRuns, func(t *turn) bool { return t.due(t.alone().Add(t.part(returning, t.timeout(t.State)))) }},
		{GuardReturnRival, PeerDecides, func(t *turn) bool { return !t.rivalDecides() }},
		{GuardReturnNetwork, NetworkLost, func(t *turn) bool { return t.TestIPs == 0 || t.connected() }},
		{GuardReturnSilence, AddressAnswers, func(t *turn) bool { return !t.SharedIP || t.silent() }},
		{GuardReturnOwner, AddressTaken, (*turn).nobodyElse},
	}
}

// alone is since when this primary has been closed, has had no contact with its
// peer, and has not stood still. A backup that decides to take over does so one
// timeout after contact, at most a little after ours.
func (t *turn) alone() Instant {
	return max(t.Since, t.PeerHeard.or(0), t.Confirmed.or(0), t.Evidence.From)
}

// myTurn reports whether a primary against whose return nothing stands may
// return now. Two primaries, each of a different epoch, may wait for the same
// cable: one of the two waits a little longer, and then finds the other.
func (t *turn) myTurn() bool {
	if t.met() || t.retrying() || t.Forced || t.Self < t.PeerID || t.PeerID == "" || !t.obeys(GuardReturnTurn) {
		return true
	}
	if !t.Ready.Set {
		t.Ready = at(t.now)
	}
	return t.due(t.Ready.At.Add(t.part(patience, t.timeout(t.State))))
}

// incapable reports whether the site could not be opened here when last tried.
func (t *turn) incapable() bool {
	return t.Broken == OpeningOfData || t.Broken == StartOfServices || t.Broken == ClaimOfAddress
}

// beStandalone serves once nobody answers for the shared IP.
func (t *turn) beStandalone() {
	t.unfollow()
	if t.Door != Closed {
		t.renew()
		if t.Door == Open {
			t.enter(pair.Standalone, pair.Steady, SiteOpened)
		}
		return
	}
	if t.SharedIP {
		t.probeAddress()
	}
	t.Blocked = Agreed
	if t.SharedIP && t.Evidence.Probes < minProbes {
		t.Blocked = AddressAnswers
	}
	if t.Blocked == Agreed && t.mayOpen() {
		t.open()
	}
}

package failover

import (
	"time"

	"baton/internal/pair"
)

// gather pings the test IPs and probes the shared IP, each at its pace, so that
// a decision finds its evidence ready when it is due.
func gather(t *turn) {
	pingTestIPs(t)
	probeAddress(t)
}

func pingTestIPs(t *turn) {
	e := &t.Evidence
	e.NextTest = t.soon(e.NextTest, pace(t.timeout()))
	if t.config.TestIPs == 0 || e.Testing || !t.due(e.NextTest) {
		return
	}
	e.Testing, e.TestBegan = true, t.now
	e.NextTest = t.now.Add(pace(t.timeout()))
	t.do(TestIPs{Need: t.facts().needed(t.Record.Role), Wait: pingWait(t.timeout())})
}

func probeAddress(t *turn) {
	e := &t.Evidence
	e.NextProbe = t.soon(e.NextProbe, pace(t.timeout()))
	if !t.config.SharedIP || e.Probing || !t.due(e.NextProbe) {
		return
	}
	e.Probing, e.ProbeBegan = true, t.now
	e.NextProbe = t.now.Add(pace(t.timeout()))
	t.do(ProbeAddress{Wait: pace(t.timeout())})
}

// checkAddress asks an on-link test IP whom it takes for the owner of the
// shared IP: often while the peer is silent, now and then while it is not, to
// know that the check works on this network.
func checkAddress(t *turn) {
	e := &t.Evidence
	interval := pace(t.timeout())
	if t.Door == Open && t.Phase != pair.Alone && (e.Trusted || e.Elsewhere >= lostInARow) {
		interval = lostBaseline
	}
	idle := t.config.SharedIP && t.config.TestIPs > 0 && !e.Checking
	if !idle || e.LastCheck.Set && !t.due(e.LastCheck.At.Add(interval)) {
		return
	}
	e.Checking, e.LastCheck = true, at(t.now)
	t.do(CheckAddress{})
}

// tested takes in how a round of pings ended. Enough: as many test IPs answered as are needed.
func (e *Evidence) tested(enough bool) {
	if !e.Testing {
		return
	}
	e.Testing = false
	switch {
	case e.TestBegan < e.From:
		return
	case !enough:
		e.ReachedSince = Moment{}
		return
	}
	e.Reached = at(max(e.TestBegan, e.Reached.or(e.TestBegan))) // a younger one may have been vouched for
	if !e.ReachedSince.Set {
		e.ReachedSince = at(e.TestBegan)
	}
}

// probed takes in what a probe of the shared IP found.
func (e *Evidence) probed(result ProbeResult, now Instant) {
	if !e.Probing {
		return
	}
	e.Probing = false
	if e.ProbeBegan < e.From {
		return
	}
	e.Probed = at(now)
	switch result {
	case ProbeImpossible:
		e.notSilent()
	case ProbeOwned:
		e.notSilent()
		e.Owned = at(now)
	case ProbeSilent:
		e.Silent = at(e.ProbeBegan)
		if !e.SilentSince.Set {
			e.SilentSince = e.Silent
		}
		e.Probes = min(e.Probes+1, minProbes)
	}
}

// notSilent ends a run of probes that nobody answered.
func (e *Evidence) notSilent() { e.SilentSince, e.Silent, e.Probes = Moment{}, Moment{}, 0 }

// announced takes in that another machine says that it has the shared IP: that counts as
// an answer to a probe.
func (e *Evidence) announced(now Instant) {
	e.notSilent()
	e.Owned = at(now)
}

// rivalSeen takes in that another machine probes the shared IP.
func (e *Evidence) rivalSeen(now Instant, timeout time.Duration) {
	if !e.Rival.within(timeout, now) {
		e.RivalSince = at(now)
	}
	e.Rival = at(now)
}

// checked takes in whom a lost-address check named. Open: the site is open here.
func (e *Evidence) checked(owner Owner, open bool, now Instant) {
	if !e.Checking {
		return
	}
	e.Checking = false
	if !e.LastCheck.Set || e.LastCheck.At < e.From {
		return
	}
	e.Checks = min(e.Checks+1, lostInARow)
	switch owner {
	case OwnerSelf:
		// While the address is not here, it only shows an old entry in a cache.
		e.Trusted, e.Elsewhere = e.Trusted || open, 0
		if !e.Reclaimed.within(reclaiming, now) { // else another machine may be announcing as often
			e.Reclaims = 0
		}
	case OwnerElsewhere:
		e.Elsewhere = min(e.Elsewhere+1, lostInARow)
	case OwnerUnknown, OwnerNobody:
		e.Elsewhere = 0
	}
}

// forget drops the evidence: answers to earlier questions do not count any more.
func (e *Evidence) forget(now Instant) {
	e.Reached, e.ReachedSince = Moment{}, Moment{}
	e.notSilent()
	e.Elsewhere, e.Checks = 0, 0
	e.From = now
}

// vouch counts the pings behind this decision as of now: saving it may take long, and the
// answers to younger pings wait meanwhile.
func (e *Evidence) vouch(now Instant) {
	if e.Reached.Set {
		e.Reached = at(now)
	}
}

// rivalDecided is from when no other machine is about to put the shared IP on, as one that
// has probed it within the last timeout may be. One that has probed it for longer than a
// decision takes does not decide.
func (e Evidence) rivalDecided(timeout time.Duration) Instant {
	if !e.Rival.Set {
		return 0
	}
	return min(e.Rival.At.Add(timeout), e.RivalSince.At.Add(part(deciding, timeout)))
}

// connected is from when our own network works: enough test IPs answered in
// every round for a while, and so lately that a primary is entitled for at least
// one more.
func (e Evidence) connected(timeout time.Duration, now Instant) Instant {
	if !e.ReachedSince.Set || !e.Reached.within(part(leaseLen, timeout)-pace(timeout), now) {
		return Never
	}
	return e.ReachedSince.At.Add(part(evidence, timeout))
}

// silent is from when the shared IP has been nobody's for a while, asked
// over a network that worked.
func (e Evidence) silent(timeout time.Duration, now Instant) Instant {
	fresh := e.Silent.within(part(freshness, timeout)+pace(timeout), now)
	if !fresh || e.Probes < minProbes {
		return Never
	}
	return e.SilentSince.At.Add(part(evidence, timeout))
}

// silentSince is from when nobody answers for the shared IP, by a probe that began after an
// instant.
func (e Evidence) silentSince(after Instant) Instant {
	return when(e.Probes > 0 && e.Silent.Set && e.Silent.At >= after)
}

// ownedLately reports whether somebody answered for the shared IP a short while ago.
func (e Evidence) ownedLately(timeout time.Duration, now Instant) bool {
	return e.Owned.within(timeout/2+pace(timeout), now)
}

// unreached reports whether the newest round of pings that ended fell short.
func (e Evidence) unreached() bool { return !e.ReachedSince.Set && e.TestBegan > e.From }

// taken reports whether another machine has put the shared IP on, as seen by a
// third one, twice in a row, by a check that is known to work here.
func (e Evidence) taken() bool { return e.Trusted && e.Elsewhere >= lostInARow }

// nobodyElse reports whether a third machine does not know of another owner, by
// a check that is known to work here. Without one, there is nothing to ask.
func (f facts) nobodyElse() bool {
	asks := f.Evidence.Trusted && f.config.SharedIP && f.config.TestIPs > 0
	return !asks || f.Evidence.Checks >= lostInARow && !f.Evidence.taken()
}

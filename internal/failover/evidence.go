package failover

import (
	"time"

	"baton/internal/pair"
)

// gather pings the test IPs and probes the shared IP, each at its pace, so that
// a decision finds its evidence ready when it is due.
func (t *turn) gather() {
	t.pingTestIPs()
	t.probeAddress()
}

func (t *turn) pingTestIPs() {
	e := &t.Evidence
	e.NextTest = t.soon(e.NextTest, t.pace(t.State))
	if t.TestIPs == 0 || e.Testing || !t.due(e.NextTest) {
		return
	}
	e.Testing, e.TestBegan = true, t.now
	e.NextTest = t.now.Add(t.pace(t.State))
	t.do(TestIPs{Need: t.needed(t.Record.Role), Wait: t.pingWait(t.State)})
}

func (t *turn) probeAddress() {
	e := &t.Evidence
	e.NextProbe = t.soon(e.NextProbe, t.pace(t.State))
	if !t.SharedIP || e.Probing || !t.due(e.NextProbe) {
		return
	}
	e.Probing, e.ProbeBegan = true, t.now
	e.NextProbe = t.now.Add(t.pace(t.State))
	t.do(ProbeAddress{Wait: t.pace(t.State)})
}

func (t *turn) tested(reached int) {
	e := &t.Evidence
	if !e.Testing {
		return
	}
	e.Testing = false
	switch {
	case e.TestBegan < e.From:
		return
	case reached < t.needed(t.Record.Role):
		e.ReachedSince = Moment{}
		return
	}
	e.Reached = at(max(e.TestBegan, e.Reached.or(e.TestBegan))) // a younger one may have been vouched for
	if !e.ReachedSince.Set {
		e.ReachedSince = at(e.TestBegan)
	}
}

func (t *turn) probed(result ProbeResult) {
	e := &t.Evidence
	if !e.Probing {
		return
	}
	e.Probing = false
	if e.ProbeBegan < e.From {
		return
	}
	e.Probed = at(t.now)
	if result != ProbeSilent {
		e.SilentSince, e.Silent, e.Probes = Moment{}, Moment{}, 0
	}
	switch result {
	case ProbeImpossible:
	case ProbeOwned:
		e.Owned = at(t.now)
	case ProbeSilent:
		e.Silent = at(e.ProbeBegan)
		if !e.SilentSince.Set {
			e.SilentSince = e.Silent
		}
		e.Probes = min(e.Probes+1, minProbes)
	}
}

// foreignSeen takes in that another machine says that it has the shared IP: it
// is as good as its answer to a probe.
func (t *turn) foreignSeen() {
	e := &t.Evidence
	if t.Held {
		t.Foreign, t.NextPoll = at(t.now), t.now
		return
	}
	e.Owned = at(t.now)
	e.SilentSince, e.Silent, e.Probes = Moment{}, Moment{}, 0
}

// rivalSeen takes in that another machine probes the shared IP.
func (e *Evidence) rivalSeen(now Instant, timeout time.Duration) {
	if !e.Rival.within(timeout, now) {
		e.RivalSince = at(now)
	}
	e.Rival = at(now)
}

// rivalDecides reports whether another machine has probed the shared IP within
// the last timeout and may be about to put it on. One that has probed it for
// longer than a decision takes does not decide.
func (t *turn) rivalDecides() bool {
	e := t.Evidence
	return e.Rival.Set && !t.due(e.Rival.At.Add(t.timeout(t.State))) &&
		!t.due(e.RivalSince.At.Add(t.part(deciding, t.timeout(t.State))))
}

// connected reports whether our own network works: enough test IPs answered in
// every round for a while, and so lately that a primary is entitled for at least
// one more.
func (t *turn) connected() bool {
	e := t.Evidence
	return e.Reached.within(t.part(leaseLen, t.timeout(t.State))-t.pace(t.State), t.now) &&
		e.ReachedSince.Set && t.lasted(e.ReachedSince)
}

// vouch has pings on which the site is about to be opened entitle from now on: to
// store that may take a while, in which the answers to younger ones wait.
func (e *Evidence) vouch(now Instant) {
	if e.Reached.Set {
		e.Reached = at(now)
	}
}

// silent reports whether the shared IP has been nobody's for a while, asked
// over a network that worked.
func (t *turn) silent() bool {
	e := t.Evidence
	return e.Probes >= minProbes && e.SilentSince.Set && t.lasted(e.SilentSince) &&
		e.Silent.within(t.part(freshness, t.timeout(t.State))+t.pace(t.State), t.now)
}

// ownedLately reports whether somebody answered for the shared IP a short while ago.
func (c Config) ownedLately(s State) bool {
	return s.Evidence.Owned.within(c.timeout(s)/2+c.pace(s), s.Now)
}

// unreached reports whether the newest round of pings that ended fell short.
func (e Evidence) unreached() bool { return !e.ReachedSince.Set && e.TestBegan > e.From }

func (t *turn) lasted(since Moment) bool {
	return t.due(since.At.Add(t.part(evidence, t.timeout(t.State))))
}

// checkAddress asks an on-link test IP whom it takes for the owner of the
// shared IP: often while the peer is silent, now and then while it is not, to
// know that the check works on this network.
func (t *turn) checkAddress() {
	e := &t.Evidence
	interval := t.pace(t.State)
	if t.Door == Open && t.Phase != pair.Alone && (e.Trusted || e.Elsewhere >= lostInARow) {
		interval = lostBaseline
	}
	idle := t.SharedIP && t.TestIPs > 0 && !e.Checking
	if !idle || e.LastCheck.Set && !t.due(e.LastCheck.At.Add(interval)) {
		return
	}
	e.Checking, e.LastCheck = true, at(t.now)
	t.do(CheckAddress{})
}

func (t *turn) checked(owner Owner) {
	e := &t.Evidence
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
		e.Trusted, e.Elsewhere, e.Reclaims = e.Trusted || t.Door == Open, 0, 0
	case OwnerElsewhere:
		e.Elsewhere = min(e.Elsewhere+1, lostInARow)
	case OwnerUnknown, OwnerNobody:
		e.Elsewhere = 0
	}
}

// taken reports whether another machine has put the shared IP on, as seen by a
// third one, twice in a row, by a check that is known to work here.
func (t *turn) taken() bool {
	return t.Evidence.Trusted && t.Evidence.Elsewhere >= lostInARow
}

// nobodyElse reports whether a third machine does not know of another owner, by
// a check that is known to work here. Without one, there is nothing to ask.
func (t *turn) nobodyElse() bool {
	asks := t.Evidence.Trusted && t.SharedIP && t.TestIPs > 0
	return !asks || t.Evidence.Checks >= lostInARow && !t.taken()
}

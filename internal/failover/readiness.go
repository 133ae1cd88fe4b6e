package failover

import (
	"time"

	"baton/internal/pair"
)

// Readiness returns Agreed if this backup would take over by itself should its
// primary fail now, or the first reason why it would not.
func (c Config) Readiness(s State) Reason {
	f := facts{&s, &c, s.Now}
	switch {
	case f.conflict():
		return EpochsClash
	case f.leaderless():
		return NoPrimary
	case !s.Record.Diverged.IsZero():
		return NotSetAside
	case !f.closed():
		return EffectsPending
	case s.Failed.Set && s.Failure != pair.NoAnswer:
		return PeerRefusesUs
	}
	if why := eligible(f).why; why != Agreed {
		return why
	}
	if usedUp(f) {
		return TooManyTakeovers
	}
	if c.ObserveOnly {
		return WouldTakeOver
	}
	return Agreed
}

// Acknowledged reports whether the peer is known to have taken in what was last
// changed here: maintenance, and the settings. An appliance without a peer has
// nobody to tell.
func (c Config) Acknowledged(s State) bool {
	return !facts{&s, &c, s.Now}.mustTell()
}

// Hears reports whether the peer has been heard within the timeout.
func (c Config) Hears(s State, now Instant) bool { return facts{&s, &c, now}.hears() }

// TakeoverIn returns how long it takes until this backup acts, and how long its primary has
// been silent. False: no timeout runs.
func (c Config) TakeoverIn(s State, now Instant) (left, silent time.Duration, runs bool) {
	if s.Record.Role != pair.Backup || s.Phase != pair.Suspect {
		return 0, 0, false
	}
	f := facts{&s, &c, now}
	silent = now.Sub(f.heardLast())
	return max(f.timeout()-silent, 0), silent, s.Blocked == TimeoutRuns
}

// OtherSharedIPs reports whether the shared IPs that are enabled on the two appliances are not
// the same, as far as both tell which they are.
func (c Config) OtherSharedIPs(s State) bool { return otherIPs(facts{&s, &c, s.Now}) }

// WasSick reports whether the site here was sick or did not come up, and has not been well since,
// be it on the peer.
func (c Config) WasSick(s State) bool { return s.SickAt.Set }

// TakeoverAfter is how long a primary may be silent before its backup acts.
func (c Config) TakeoverAfter(s State) time.Duration { return facts{&s, &c, s.Now}.timeout() }

// Refusal says why an administrator's Become Primary could not be done as asked,
// as far as it is known beforehand; Agreed if nothing stands against it.
func (c Config) Refusal(s State, now Instant, cmd BecomePrimary) Reason {
	return refusal(facts{&s, &c, now}, cmd)
}

// Reaches reports whether the primary answers, so that a planned switch can be
// agreed with it.
func (c Config) Reaches(s State, now Instant) bool {
	return facts{&s, &c, now}.reachable()
}

// ProtectionStep says what would raise the protection level, in one sentence;
// empty while not paired.
func (c Config) ProtectionStep(s State, beyond bool) string {
	f := facts{&s, &c, s.Now}
	switch level := c.ProtectionLevel(s, beyond); {
	case s.Record.Role == pair.Standalone:
		return ""
	case f.conflict():
		return c.Remedy(s, EpochsClash)
	case level == 0 && f.hears():
		return "Have one appliance be the primary and the other its backup: nothing protects the site now."
	case level == 0 && s.Failed.Set && s.Failure != pair.NoAnswer:
		return c.Remedy(s, PeerRefusesUs)
	case level == 0:
		return "Bring the peer back: without it nothing protects the site."
	case c.TestIPs == 0:
		return "Set Network Connectivity Test IPs: at least one address outside both appliances, as the gateway."
	case !c.SharedIP:
		return "Enable the shared IP on this appliance."
	case !s.Peer.SharedIP:
		return "Enable the shared IP on the peer."
	case otherIPs(f):
		return c.Remedy(s, OtherSharedIPs)
	case !c.LeaseGuards(s):
		return "Let the primary have a traffic lease (baton doctor there tells what is missing), or set the Primary Site Instance Timeout to 4 s or more, so that a hung daemon loses the shared IP in time."
	case level == 2:
		return "Run the daemon under a watchdog, as systemd's WatchdogSec: Baton's own unit has one."
	}
	return "" // the highest level that this version offers
}

package failover

import (
	"time"

	"baton/internal/pair"
)

// A handover that the primary offers by itself: there is one rule for all causes.
// The backup takes it as it takes an administrator's planned switch, and counts it
// as it counts a takeover.

// offerPause is the time between two offers.
const offerPause = time.Minute

// offer asks a backup that is well to take over from a primary that is not.
func (t *turn) offer() {
	if !t.unwell() || t.check(offerGuards()) != Agreed || !t.due(t.Offered) {
		return
	}
	t.Offered = t.now.Add(offerPause)
	t.do(OfferHandover{Wait: handoverLimit})
}

// unwell reports whether the site here does not serve its clients properly: it is sick,
// does not come up, or the cable of a shared IP is out.
func (t *turn) unwell() bool {
	return t.Sick && t.Door == Open || t.incapable() || t.unplugged()
}

// unplugged reports whether the cable of a shared IP has been out for a timeout.
func (t *turn) unplugged() bool {
	return t.Unplugged.Set && t.due(t.Unplugged.At.Add(t.timeout(t.State)))
}

// offerGuards must all pass before a primary offers a handover by itself. An
// appliance that may soon be as sick, or is as badly connected, is no target.
func offerGuards() []guardRow {
	return []guardRow{
		{GuardAutomatic, AutomaticOff, func(t *turn) bool { return t.AutomaticFailover && t.BackupOperations }},
		{GuardMaintenance, InMaintenance, func(t *turn) bool { return !t.maintained() }},
		{GuardOfferSwitch, SwitchRuns, func(t *turn) bool { return t.Switch.Step == NoSwitch }},
		{GuardOfferHeard, PeerSilent, func(t *turn) bool { return t.Peer.Eligible && t.PeerHeard.within(t.timeout(t.State), t.now) }},
		{GuardOfferSick, WasSick, func(t *turn) bool { return !t.Peer.Sick }},
		{GuardOfferCarrier, NoCarrier, func(t *turn) bool { return !t.unplugged() || t.Peer.Plugged }},
	}
}

// offerRefusal says why this backup does not take what its primary offers by
// itself: what stands against a takeover stands against this as well.
func (t *turn) offerRefusal() Reason {
	switch {
	case t.Record.Role != pair.Backup:
		return Agreed // refused for that reason elsewhere
	case t.SickAt.within(sickFor, t.now) && t.obeys(GuardOfferSick):
		return WasSick
	case t.recentTakeovers() >= maxTakeovers && t.obeys(GuardOfferDamping):
		return TooManyTakeovers
	}
	return t.eligibility()
}

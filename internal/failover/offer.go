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

// offerHandover asks a backup that is well to take over from a primary that is not: its
// site is sick, does not come up, or the cable of a shared IP is out.
func offerHandover(t *turn) {
	f := t.facts()
	unwell := t.Sick && t.Door == Open || f.incapable() || t.due(unplugged(f))
	if !unwell || t.heed(f.weigh(offerGuards(f))) != Agreed || !t.due(t.Offered) {
		return
	}
	t.Offered = t.now.Add(offerPause)
	t.do(OfferHandover{Wait: handoverLimit})
}

// unplugged is from when the cable of a shared IP has been out for a timeout.
func unplugged(f facts) Instant {
	if !f.Unplugged.Set {
		return Never
	}
	return f.Unplugged.At.Add(f.timeout())
}

// offerGuards must all pass before a primary offers a handover by itself. An
// appliance that may soon be as sick, or is as badly connected, is no target.
func offerGuards(f facts) []guardRow {
	return []guardRow{
		{GuardAutomatic, AutomaticOff, when(f.config.AutomaticFailover && f.config.BackupOperations)},
		{GuardMaintenance, InMaintenance, when(!f.maintained())},
		{GuardSave, NotSaved, when(f.canSave())},
		{GuardLeaving, ToldToStop, when(f.Leaving == Stays)},
		{GuardOfferSwitch, SwitchRuns, when(f.Switch.Step == NoSwitch)},
		{GuardOfferHeard, PeerSilent, when(f.Peer.Eligible && f.hears())},
		{GuardOfferSick, WasSick, when(!f.Peer.Sick)},
		{GuardOfferCarrier, NoCarrier, when(f.now < unplugged(f) || f.Peer.Plugged)},
	}
}

// offerRefusal says why this backup does not take what its primary offers by
// itself: what stands against a takeover stands against this as well.
func offerRefusal(f facts, cmd BecomePrimary) Reason {
	switch {
	case f.Record.Role != pair.Backup:
		return Agreed // refused for that reason elsewhere
	case f.config.ObserveOnly && f.obeys(GuardObserveOnly):
		return WouldTakeOver
	case cmd.Stops: // a primary that stops has not failed, and serves no better
	case f.SickAt.within(sickFor, f.now) && f.obeys(GuardOfferSick):
		return WasSick
	case f.recentTakeovers() >= maxTakeovers && f.obeys(GuardOfferDamping):
		return TooManyTakeovers
	}
	return eligible(f).why
}

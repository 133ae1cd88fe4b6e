package failover

import (
	"slices"
	"time"

	"baton/internal/pair"
)

// A handover that the primary offers by itself: there is one rule for all causes. The backup takes it as
// it takes an administrator's planned switch, and counts it as it counts a takeover.

// offerPause is the time between two offers, and rolledBackPause that from a switch that was rolled
// back here to the next one: its site may not be served at all. An offer whose final data sync
// failed is followed by one without it, if that comes within unsyncedFor.
const (
	offerPause      = time.Minute
	rolledBackPause = 5 * time.Second
	unsyncedFor     = 2 * offerPause
)

// offerHandover asks a backup that is well to take over from a primary that is not: its
// site is sick, does not come up, as where a service of before does not stop, or the cable of a
// shared IP is out.
func offerHandover(t *turn) {
	f := t.facts()
	unwell := t.Sick && t.Door == Open || f.incapable() || f.Broken == StopOfServices && t.Door == Closed || t.due(unplugged(f))
	if !unwell || t.heed(f.weigh(offerGuards(f))) != Agreed || !t.due(t.Offered) {
		return
	}
	t.Offered = t.now.Add(offerPause)
	t.do(OfferHandover{Wait: handoverLimit})
}

// syncsFinally reports whether a switch is begun with a final data sync: as asked, but for an
// offer after one in which that failed. The services or the disk of such a primary may hang: its
// site is better served with the newest snapshot than not at all. What stands against a takeover
// with that, as its age, stands against this as well.
func syncsFinally(f facts, cmd BecomePrimary) bool {
	return cmd.FinalSync && (!cmd.Automatic || cmd.Stops || !f.Unsynced.within(unsyncedFor, f.now))
}

// noteUnsynced notes that an offered handover has failed for want of its final data sync.
func noteUnsynced(t *turn, why Reason) {
	if t.Switch.Own && t.Switch.Final && slices.Contains([]Reason{SyncFailed, PeerRefused, RolledBack, TookTooLong}, why) {
		t.Unsynced = at(t.now)
	}
}

// endSickness forgets that the site was sick here, once its primary, be it this one, has been
// well for long. A primary that is not heard says nothing. As retrySave, it saves in a turn of its own.
func endSickness(t *turn, ev Event) {
	well := t.Serving() && !t.Sick
	if t.Record.Role == pair.Backup {
		well = t.Peer.Role == pair.Primary && t.facts().hears()
	}
	if t.SickAt.Set && well && t.due(t.SickAt.At.Add(sickFor)) {
		t.SickAt = Moment{}
	}
	switch record := t.Record; {
	case !record.Sick || t.SickAt.Set || t.Broken == SavingRecord:
	case ev == Tick{}:
		record.Sick = false
		t.save(record)
	default:
		t.Wake = t.now
	}
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
		{GuardOfferSwitch, SwitchRuns, when(f.Switch.Step == NoSwitch || f.Switch.Step == Resuming)},
		{GuardOfferHeard, PeerSilent, when(f.Peer.Eligible && f.hears())},
		{GuardOfferFit, PeerUnfit, when(!f.Peer.Unfit)},
		{GuardOfferSick, SickBoth, when(!f.Peer.Sick)},
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
	case f.Unfit && f.obeys(GuardOfferFit):
		return PeerUnfit
	case f.SickAt.Set && f.obeys(GuardOfferSick):
		return WasSick
	case f.recentTakeovers() >= maxTakeovers && f.obeys(GuardOfferDamping):
		return TooManyTakeovers
	}
	return eligible(f).why
}

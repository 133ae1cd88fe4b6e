package failover

import (
	"time"

	"baton/internal/pair"
)

// A daemon that was told to stop. A primary first asks a backup that could take over to
// become primary, as in any planned switch, and goes once it is a backup itself. The role
// is given only by its answer to the backup's commit: if no commit comes in time, the hold
// is rolled back, and the record stays that of a primary. Then the daemon takes the site
// down here and says goodbye, and a backup that hears it need not wait for the timeout.

// Leaving says how far a daemon is that was told to stop.
type Leaving uint8

// The steps.
const (
	Stays   Leaving = iota
	Leaves          // was told to stop
	Offers          // has asked the backup to become primary
	Offered         // the backup has answered
	Gone            // nothing keeps it any more
)

// toldToStop notes that this daemon is to stop. It takes nothing over any more.
func toldToStop(t *turn, cmd Stop) {
	if t.Leaving != Stays {
		return
	}
	t.Leaving, t.LeaveBy = Leaves, t.now.Add(cmd.Within)
	t.changed()
	if t.Switch.takes() && t.Switch.Step != Committing {
		giveUp(t, ToldToStop)
	}
}

// leave ends the wait of a daemon that was told to stop, once nothing keeps it.
func leave(t *turn) {
	if t.Leaving == Stays || t.Leaving == Gone || keeps(t) {
		return
	}
	t.Leaving = Gone
	t.do(Depart{})
}

// keeps reports whether a daemon that was told to stop has still something to end.
func keeps(t *turn) bool {
	switch {
	case t.Switch.Step == Committing, t.Switch.Step == Giving:
		return true // whose role it is will be known soon: both are bounded
	case t.Record.Granted, t.Switch.Step == Forwarding: // without our answer, the backup does not know that it is the primary
		return !t.due(t.LeaveBy.Add(longestCommit))
	case t.Record.Role != pair.Primary:
		return false
	case t.due(t.LeaveBy):
		dropHold(t)
		return false
	case t.Leaving == Offers, t.Switch.Step != NoSwitch:
		return true
	case t.Leaving == Offered, t.heed(t.facts().weigh(leaveGuards(t.facts()))) != Agreed:
		return false
	}
	t.Leaving = Offers
	t.do(OfferHandover{Stops: true, Wait: t.LeaveBy.Sub(t.now)})
	return true
}

// offerEnded is the step after the backup's answer.
func offerEnded(l Leaving) Leaving {
	if l == Offers {
		return Offered
	}
	return l
}

// leaveGuards must all pass before a primary that was told to stop asks its backup to
// become primary.
func leaveGuards(f facts) []guardRow {
	return []guardRow{
		{GuardMaintenance, InMaintenance, when(!f.maintained())},
		{GuardOfferHeard, PeerSilent, when(f.Peer.Eligible && f.hears())},
	}
}

// dropHold ends a hold whose commit has not come in time. Nothing is started again: the
// daemon takes the site down now.
func dropHold(t *turn) {
	if t.Switch.holds() && !t.Switch.Ready {
		t.do(AnswerHold{Refusal: TookTooLong})
	}
	t.Switch = Switch{}
}

// commitBy is when a backup asks for the commit at the latest, if the primary may take no
// longer than within to hand over: the commit and the release of the address need the rest.
func commitBy(now Instant, within time.Duration) Moment {
	return at(now.Add(within - min(within/4, longestCommit)))
}

// hurry ends the steps before the commit, which there is no more time for. What the primary
// wrote since the newest snapshot is set aside there.
func hurry(t *turn) {
	if eligible(t.facts()).why != Agreed {
		giveUp(t, TookTooLong)
		return
	}
	t.Switch.Final = false
	askCommit(t)
}

// saidGoodbye reports whether the primary has told within the timeout that it stops, and has
// taken the shared IP off. What it told earlier says nothing about our network now; and it may
// be back, after its own timeout.
func saidGoodbye(f facts) bool {
	lately := f.PeerHeard.within(min(f.timeout(), f.Peer.Timeout), f.now)
	return f.Record.Role == pair.Backup && f.Peer.Role == pair.Primary && f.Peer.Stopping && lately && f.obeys(GuardGoodbye)
}

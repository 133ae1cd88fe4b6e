package failover

import (
	"time"

	"baton/internal/pair"
)

// facts is what the decision goes by: what is set, what is known, and the time. Its
// methods answer questions, and change nothing. Rules are functions of a turn: only they
// change the state and act.
//
// Where the passing of time alone changes the answer, it is an instant: from when
// something is so, or until when. The turn waits for it (turn.due).
type facts struct {
	*State
	config *Config
	now    Instant
}

// when turns a yes or no into an instant: 0 for always, Never for never. The smaller of two is
// when one of them becomes true.
func when(so bool) Instant {
	switch {
	case so:
		return 0
	default:
		return Never
	}
}

// every is the spacing of polls. It is never so wide that two of them exceed
// the lease, whatever is set, or being changed.
func (f facts) every() time.Duration {
	return max(min(f.config.Poll, least(f)/6), pair.MinPoll)
}

// heardUntil is until when a primary need not poll, by what it has of its backup's polls. What one
// poll confirms is as old as the poll before it.
func heardUntil(f facts) Instant {
	if !f.PeerHeard.Set || !f.Confirmed.Set {
		return f.now
	}
	return min(f.PeerHeard.At.Add(silentPolls*f.every()), f.Confirmed.At.Add((silentPolls+1)*f.every()))
}

// hears reports whether the peer has been heard within the timeout.
func (f facts) hears() bool { return f.PeerHeard.within(f.timeout(), f.now) }

// heardLately reports whether the peer is known to have heard us within the lease.
func (f facts) heardLately() bool {
	lease := part(leaseLen, f.timeout())
	return f.Confirmed.within(lease, f.now) && f.PeerHeard.within(lease, f.now)
}

// recentTakeovers counts the automatic takeovers within damping.
func (f facts) recentTakeovers() (n uint8) {
	for _, takeover := range f.Takeovers {
		if takeover.within(damping, f.now) {
			n++
		}
	}
	return n
}

// usedUp reports whether the next automatic takeover here would only pause automatic
// failover. A primary that was told to stop has not failed: that is not counted.
func usedUp(f facts) bool { return f.recentTakeovers() >= maxTakeovers && !saidGoodbye(f) }

// armed reports whether the settings let a backup take over by itself.
func (f facts) armed() bool {
	return f.config.AutomaticFailover && f.config.BackupOperations && f.config.TestIPs > 0
}

// needed is how many test IPs must answer for a takeover (any: 1; majority:
// more than half) or, at a primary, to stay. With the majority rule the primary
// needs n + 1 - p where p is what a takeover needs, so that both sides can
// never pass on views that are split.
func (f facts) needed(role pair.Role) int {
	takeover := 1
	if f.config.Majority {
		takeover = f.config.TestIPs/2 + 1
	}
	if role == pair.Primary && f.config.Majority {
		return f.config.TestIPs + 1 - takeover
	}
	return takeover
}

// heardLast is when the peer last gave a sign of life. A peer that answers is
// alive, whatever role it tells.
func (f facts) heardLast() Instant {
	return max(f.PeerHeard.or(f.Since), f.PrimaryHeard.or(f.Since))
}

// mustTell reports whether something changed here that the peer is not known to have
// received. A backup receives settings by asking for them.
func (f facts) mustTell() bool {
	if f.Record.Role == pair.Standalone {
		return false
	}
	missed := f.Changed.Set && f.Confirmed.or(0) <= f.Changed.At
	older := f.Record.Role == pair.Primary && f.Peer.Settings != 0 && f.Peer.Settings != f.config.SettingsSum
	return missed || older
}

// conflict reports whether either appliance claims data that the other does not know.
func (f facts) conflict() bool {
	return f.Phase == pair.Conflict || f.Record.Role != pair.Standalone && f.Peer.Phase == pair.Conflict && f.hears()
}

// leaderless reports whether both appliances are backups, and it lasts. A message of a former
// backup may come late, after its word as primary; and a handover has its time to be completed.
func (f facts) leaderless() bool {
	granted := f.Record.Granted || f.Peer.Granted
	return f.Record.Role == pair.Backup && f.PeerHeard.Set && f.Peer.Role == pair.Backup &&
		!f.PrimaryHeard.within(f.timeout(), f.now) && f.Phase != pair.Releasing && f.Phase != pair.Handover &&
		(!granted || f.now.Sub(f.Since) > f.timeout())
}

// maintained reports whether either side is in maintenance.
func (f facts) maintained() bool {
	return f.Record.Maintenance || f.Peer.Maintenance && f.PeerHeard.Set
}

// calm is the phase of a backup, or a serving primary, when nothing is wrong.
func (f facts) calm() pair.Phase {
	if f.maintained() {
		return pair.Maintenance
	}
	return pair.Steady
}

// whyCalm is why a phase becomes calm: what was calm before has only entered
// maintenance, or left it.
func (f facts) whyCalm(why Reason) Reason {
	if f.Phase == pair.Steady || f.Phase == pair.Maintenance {
		return MaintenanceChanged
	}
	return why
}

// otherIPs reports whether the shared IPs that are enabled on the two appliances are not the
// same, as far as both tell which they are.
func otherIPs(f facts) bool {
	return f.config.Ticked != 0 && f.Peer.Ticked != 0 && f.config.Ticked != f.Peer.Ticked
}

// canSave reports whether the record can be made durable, as far as is known: a change of
// role needs it.
func (f facts) canSave() bool { return !f.Unwritable && f.Broken != SavingRecord }

// closed reports whether nothing of a former opening is under way or on.
func (f facts) closed() bool { return !f.Opening && !f.Stopping && !f.Held }

// incapable reports whether the site could not be opened here when last tried.
func (f facts) incapable() bool {
	return f.Broken == OpeningOfData || f.Broken == StartOfServices || f.Broken == ClaimOfAddress
}

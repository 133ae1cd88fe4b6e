package failover

import (
	"time"

	"baton/internal/pair"
)

// A change of the timeout. The backup goes by the larger of what is set there and what its
// primary has told it last, so it never takes over before the primary has stepped down by
// what it goes by itself. The primary goes by a larger timeout once its backup has told that
// it has it too, and by a smaller one once it has been entitled by what it found out after the
// change: what came at the pace of a larger timeout is too old for a smaller one. What a
// backup has told it keeps to until its primary has received that there is a smaller one.

// timeout is the one that counts here now.
func (f facts) timeout() time.Duration {
	switch {
	case f.Record.Role == pair.Backup:
		return max(f.config.Timeout, f.Peer.Timeout, f.Timeout)
	case f.Record.Role == pair.Primary && f.Timeout > 0:
		return f.Timeout
	}
	return smaller(f)
}

// smaller is the smaller one of those that are set on the two appliances.
func smaller(f facts) time.Duration {
	if f.Peer.Timeout > 0 {
		return min(f.config.Timeout, f.Peer.Timeout)
	}
	return f.config.Timeout
}

// least is the smallest that anybody may go by: polls have its pace.
func least(f facts) time.Duration { return min(smaller(f), f.timeout()) }

// promised is the timeout that the peer is told. A primary promises that it is off the shared
// IP in time for a backup that goes by this one.
func promised(f facts) time.Duration {
	if f.Record.Role == pair.Primary {
		return max(f.config.Timeout, f.Timeout)
	}
	return f.config.Timeout
}

// leaseOf is how long an address stays on if this daemon hangs now. A smaller timeout that
// was set counts here at once: before it does elsewhere, the lease is that short.
func leaseOf(f facts) time.Duration { return addressLease(min(f.config.Timeout, f.timeout())) }

// keepTimeout takes a change of the timeout over, once it is safe.
func keepTimeout(t *turn) {
	f := t.facts()
	switch {
	case t.Record.Role == pair.Standalone:
		t.Timeout = 0
	case t.Record.Role == pair.Backup:
		raised := t.config.Timeout > t.Timeout
		if raised || t.Confirmed.or(0) > t.Changed.or(0) {
			t.Timeout = t.config.Timeout
		}
		t.Peer.Stopping = t.Peer.Stopping && !raised // a goodbye counts for a timeout, and for no longer one
	case t.Timeout == 0 && t.Confirmed.or(0) > t.Changed.or(0):
		t.Timeout = t.config.Timeout // it is new as primary: the peer has received this one from it, and goes by no smaller one
	case t.Timeout == 0:
		t.Timeout = smaller(f)
	case smaller(f) < min(t.Timeout, t.config.Timeout) && !t.Confirmed.Set:
		t.Timeout = smaller(f) // the peer may go by that until it has received what is told here
	case smaller(f) > t.Timeout && t.Peer.Role == pair.Backup:
		t.Timeout = smaller(f)
	case t.config.Timeout < t.Timeout && (entitledAnew(f) || !t.obeys(GuardPace)):
		t.Timeout = t.config.Timeout
		t.changed()
	}
}

// entitledAnew reports whether this primary has been in contact since something was last
// changed, so lately that the timeout that is set now entitles it to serve on; and whether its
// leases are as short as that needs.
func entitledAnew(f facts) bool {
	lease, since := part(leaseLen, f.config.Timeout), f.Changed.or(0)
	contact := f.Confirmed.At >= since && f.Confirmed.within(lease, f.now)
	pings := f.Evidence.Reached.At >= since && f.Evidence.Reached.within(lease-pace(f.config.Timeout), f.now)
	return (contact || pings) && !f.RenewFails.Set
}

package agent

import (
	"sync"

	"baton/internal/failover"
)

// answers remembers when the newest polls were answered, so that the peer's
// word of having received one says how long it will hold still: our entitlement
// counts from there. After a restart of the peer its numbers begin anew; an old
// entry then only says less than it could.
type answers struct {
	mu   sync.Mutex
	ring [64]struct {
		seq  uint64
		sent failover.Instant
	}
}

func (a *answers) add(seq uint64, sent failover.Instant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	slot := &a.ring[seq%uint64(len(a.ring))]
	slot.seq, slot.sent = seq, sent
}

func (a *answers) at(seq uint64) failover.Moment {
	a.mu.Lock()
	defer a.mu.Unlock()
	slot := a.ring[seq%uint64(len(a.ring))]
	return failover.Moment{At: slot.sent, Set: seq != 0 && slot.seq == seq}
}

package watch

import (
	"sync"
	"time"

	"baton/internal/pair"
)

// Runs notices that two machines speak as the peer: a daemon's run that was over, as
// another had begun, speaks again. That is what two machines of one image do, or
// a cloned one beside its original.
type Runs struct {
	mu       sync.Mutex
	now      uint64 // the run that spoke last
	before   uint64 // the one before it
	returned [3]time.Time
}

// clonedWithin is how long ago the oldest of the newest three returns may be.
const clonedWithin = time.Minute

// Heard takes in which run has spoken; 0: that version of Baton does not tell.
func (r *Runs) Heard(run uint64, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch run {
	case 0, r.now:
		return
	case r.before: // a message may be late, but not three
		copy(r.returned[1:], r.returned[:2])
		r.returned[0] = at
	}
	r.now, r.before = run, r.now
}

// two reports whether two machines speak as the peer.
func (r *Runs) two(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	oldest := r.returned[len(r.returned)-1]
	return !oldest.IsZero() && now.Sub(oldest) < clonedWithin
}

// Conditions tells of a peer that is two machines.
func (r *Runs) Conditions() []pair.Condition {
	if !r.two(time.Now()) {
		return nil
	}
	return []pair.Condition{{
		ID: "peer-cloned", Severity: pair.Critical,
		Text:     "Two machines speak as the peer, with one identity: they run from copies of one disk.",
		NextStep: "Stop the copy. If it is to become an appliance of its own, remove its data_dir before you start its daemon again.",
	}}
}

package credential

import (
	"context"
	"time"

	"baton/internal/pair"
)

// Bounds of those who sign in: a hash takes some 50 ms of a processor and 19 MiB.
const (
	WaitingHashes = 16              // sign-ins that wait; more are turned away at once
	mostWait      = 5 * time.Second // for one of them
)

// Lane computes one password hash at a time. In that of strangers each is followed by a
// rest as long as it took, so that a flood of sign-ins leaves the processor to what
// keeps the site up. Threads of a lower priority would do the contrary: the runtime
// waits for every thread that runs its code, however seldom the kernel lets it.
type Lane struct {
	turn     chan struct{} // one has it
	waiting  chan struct{} // a place for each who waits; nil: as many as come
	patience time.Duration // of who waits; 0: as long as its context allows
	rests    bool
}

// StrangersLane is for those who have proved nothing yet.
func StrangersLane() Lane {
	return Lane{turn: make(chan struct{}, 1), waiting: make(chan struct{}, WaitingHashes), patience: mostWait, rests: true}
}

// SignedInLane is for those who have proved who they are.
func SignedInLane() Lane { return Lane{turn: make(chan struct{}, 1)} }

// Run does work once it is its turn; pair.TooMany: too many wait, or it waited too long.
func (l Lane) Run(ctx context.Context, work func()) error {
	busy := pair.Refuse(pair.TooMany, "too many sign-ins at a time: try again in a moment")
	if l.waiting != nil {
		select {
		case l.waiting <- struct{}{}:
			defer func() { <-l.waiting }()
		default:
			return busy
		}
	}
	late := make(<-chan time.Time)
	if l.patience > 0 {
		timer := time.NewTimer(l.patience)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case l.turn <- struct{}{}:
	case <-late:
		return busy
	case <-ctx.Done():
		return ctx.Err()
	}
	began := time.Now()
	work()
	if !l.rests {
		<-l.turn
		return nil
	}
	time.AfterFunc(time.Since(began), func() { <-l.turn })
	return nil
}

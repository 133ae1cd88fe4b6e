package datasync

import (
	"context"
	"fmt"
	"sync"

	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
)

// runs are the pulls, copies and repairs of an engine: there is one at a time.
type runs struct {
	mu      sync.Mutex
	running *run
}

// run is the one under way.
type run struct {
	cancel context.CancelCauseFunc
	done   chan struct{}
}

// acquire begins a run.
func (r *runs) acquire(cancel context.CancelCauseFunc) (*run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running != nil {
		return nil, source.Sentence(refusal.ErrRunning, "A data sync is running already: wait for it or cancel it.")
	}
	r.running = &run{cancel: cancel, done: make(chan struct{})}
	return r.running, nil
}

// acquireNow begins a run as soon as the one under way can stop.
func (r *runs) acquireNow(ctx context.Context) (*run, error) {
	for {
		mine, err := r.acquire(func(error) {})
		if err == nil {
			return mine, nil
		}
		r.mu.Lock()
		other := r.running
		r.mu.Unlock()
		if other == nil {
			continue
		}
		other.cancel(source.Sentence(refusal.ErrRunning, "The data sync was stopped because this appliance opens its data."))
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the data sync to end: %w", ctx.Err())
		}
	}
}

func (r *runs) release(one *run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = nil
	close(one.done)
}

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
	yields bool // to every other
}

// acquire begins a run. One that yields ends before.
func (r *runs) acquire(cancel context.CancelCauseFunc) (*run, error) {
	for {
		mine := &run{cancel: cancel, done: make(chan struct{})}
		other := r.begin(mine)
		switch {
		case other == nil:
			return mine, nil
		case !other.yields:
			return nil, errRunning()
		}
		other.cancel(errRunning())
		<-other.done
	}
}

// acquireToYield begins a run that is cancelled as soon as another is to begin, and ends at once then.
func (r *runs) acquireToYield(cancel context.CancelCauseFunc) (*run, error) {
	mine := &run{cancel: cancel, done: make(chan struct{}), yields: true}
	if r.begin(mine) != nil {
		return nil, errRunning()
	}
	return mine, nil
}

// begin begins a run unless another is under way, which it returns.
func (r *runs) begin(mine *run) *run {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running != nil {
		return r.running
	}
	r.running = mine
	return nil
}

func errRunning() error {
	return source.Sentence(refusal.ErrRunning, "A data sync is running already: wait for it or cancel it.")
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

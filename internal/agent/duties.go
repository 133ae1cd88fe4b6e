package agent

import (
	"context"
	"sync"

	"baton/internal/pair"
)

// duties hands the newest duty that is wanted to the site's services, beside the loop:
// one that is wanted while another is under way ends that one, and takes its place.
type duties struct {
	edge  Services
	wake  chan struct{} // holds a token while there may be something to do
	ended chan struct{} // closed when run has returned

	mu     sync.Mutex
	wanted pair.Duty
	turn   uint64             // how many have been wanted
	end    context.CancelFunc // of the call under way
}

func newDuties(edge Services) *duties {
	return &duties{edge: edge, wake: make(chan struct{}, 1), ended: make(chan struct{}), end: func() {}}
}

// want says what the services are to do from now on. It waits for nothing.
func (d *duties) want(duty pair.Duty) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wanted = duty
	d.turn++
	d.end()
	select {
	case d.wake <- struct{}{}:
	default: // it is awake
	}
}

// newest reports whether nothing else has been wanted since.
func (d *duties) newest(turn uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.turn == turn
}

// begin is the duty that is wanted now, within a context that ends when another is.
func (d *duties) begin(ctx context.Context) (context.Context, pair.Duty, uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ctx, d.end = context.WithCancel(ctx)
	return ctx, d.wanted, d.turn
}

// run sees to what is wanted until ctx ends, and reports each outcome.
func (d *duties) run(ctx context.Context, report func(turn uint64, duty pair.Duty, err error)) {
	defer close(d.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		}
		call, duty, turn := d.begin(ctx)
		err := d.edge.Set(call, duty)
		d.mu.Lock()
		d.end()
		d.mu.Unlock()
		if d.newest(turn) && ctx.Err() == nil {
			report(turn, duty, err)
		}
	}
}

// rest stops the services at the end, when run has let go of them or ctx ends.
func (d *duties) rest(ctx context.Context) error {
	select {
	case <-d.ended:
	case <-ctx.Done():
	}
	return d.edge.Set(ctx, pair.Rest)
}

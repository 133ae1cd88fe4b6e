package agent

import (
	"context"
	"sync"
	"time"

	"baton/internal/failover"
)

// beside runs calls of edges that take a while, beside the loop. Their outcomes come back to
// the loop as events.
type beside struct {
	sync.WaitGroup

	inbox inbox
}

// later runs f beside the loop, within limit if there is one, and hands its
// event to the loop.
func (b *beside) later(ctx context.Context, limit time.Duration, f func(context.Context) failover.Event) {
	b.attempt(ctx, limit, func(ctx context.Context) (failover.Event, error) { return f(ctx), nil })
}

// attempt is later for a step of a switch: why it failed goes with its event.
func (b *beside) attempt(ctx context.Context, limit time.Duration, f func(context.Context) (failover.Event, error)) {
	b.Go(func() {
		bounded, cancel := ctx, context.CancelFunc(func() {})
		if limit > 0 {
			bounded, cancel = context.WithTimeout(ctx, limit)
		}
		event, cause := f(bounded)
		cancel()
		b.inbox.post(ctx, message{event: event, cause: cause})
	})
}

// call is a call of an edge that the loop may end, and whose outcome then says nothing.
type call struct{ cancel context.CancelFunc }

// begun is attempt for a call that ends when endCall does, or another takes its place.
func (b *beside) begun(ctx context.Context, slot **call, limit time.Duration, f func(context.Context) (failover.Event, error)) {
	endCall(slot)
	within, cancel := context.WithTimeout(ctx, limit)
	this := &call{cancel: cancel}
	*slot = this
	b.Go(func() {
		event, cause := f(within)
		b.inbox.post(ctx, message{event: event, cause: cause, newest: func() bool { return *slot == this }})
	})
}

// endCall ends a call, if one is under way.
func endCall(slot **call) {
	if *slot != nil {
		(*slot).cancel()
		*slot = nil
	}
}

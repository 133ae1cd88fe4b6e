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

// run runs f beside the loop, within limit if there is one, and hands its
// event to the loop.
func (b *beside) run(ctx context.Context, limit time.Duration, f func(context.Context) failover.Event) {
	b.runStep(ctx, limit, func(ctx context.Context) (failover.Event, error) { return f(ctx), nil })
}

// runStep runs a step of a switch; the error of the step goes with its event.
func (b *beside) runStep(ctx context.Context, limit time.Duration, f func(context.Context) (failover.Event, error)) {
	b.Go(func() {
		bounded, cancel := ctx, context.CancelFunc(func() {})
		if limit > 0 {
			bounded, cancel = context.WithTimeout(ctx, limit)
		}
		event, cause := f(bounded)
		cancel()
		_ = b.inbox.post(ctx, message{event: event, cause: cause}) // it is of no use to an agent that ends
	})
}

// call is a call of an edge that the loop may end, and whose outcome then says nothing.
type call struct{ cancel context.CancelFunc }

// cancellable runs a call that endCall, or the next call in the same slot, cancels.
func (b *beside) cancellable(ctx context.Context, slot **call, limit time.Duration, f func(context.Context) (failover.Event, error)) {
	endCall(slot)
	within, cancel := context.WithTimeout(ctx, limit)
	this := &call{cancel: cancel}
	*slot = this
	b.Go(func() {
		event, cause := f(within)
		_ = b.inbox.post(ctx, message{event: event, cause: cause, newest: func() bool { return *slot == this }}) // it is of no use to an agent that ends
	})
}

// endCall ends a call, if one is under way.
func endCall(slot **call) {
	if *slot != nil {
		(*slot).cancel()
		*slot = nil
	}
}

package keeper

import (
	"context"
	"errors"
	"fmt"

	"baton/internal/pair"
	"baton/internal/service"
)

// ask is what an operator asks for: that a service is as the list has it, now.
type ask struct {
	name string
	done chan<- error
}

// Do has a service do what the list says of it at once, and returns when it does: one that an
// operator has stopped does not run, and another one runs and passes its check, where the site
// is. If ctx ends first, it goes on. An error is a sentence about the service.
func (k *Keeper) Do(ctx context.Context, name string) error {
	k.interrupt()
	done := make(chan error, 1)
	select {
	case k.asks <- ask{name, done}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// obey is Do, while another duty does not interrupt it.
func (k *Keeper) obey(ctx context.Context, name string) error {
	select {
	case <-k.turn:
		defer func() { k.turn <- struct{}{} }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, end := k.interruptible(ctx)
	defer end()
	defer k.tallies.store()
	services, err := k.read(ctx)
	if err != nil {
		return err
	}
	duty, done := k.wanted()
	for _, s := range services {
		switch {
		case s.service.Name != name:
		case s.isParked():
			return k.halt(ctx, s) // also where none is to run: it may, as one that has not stopped
		case duty == pair.Lead && done: // else it does not run here, or all of them are about to be started
			return k.start(ctx, s)
		}
	}
	return nil
}

// interruptible is ctx until somebody interrupts what is done meanwhile. While a duty waits, it has
// ended: the look has its turn, and the duty was not to wait for it.
func (k *Keeper) interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancel(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.end = end; k.waiting > 0 {
		end()
	}
	return ctx, end
}

func (k *Keeper) interrupt() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.end()
}

// wait adds so many to the duties that wait for their turn.
func (k *Keeper) wait(more int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waiting += more
}

// Test asks the check of a service once; one without a check is to run. An error is a sentence.
func (k *Keeper) Test(ctx context.Context, of service.Definition) error {
	if of.Check.IsZero() {
		state, err := k.opt.Runner(of).State(ctx)
		if err == nil && !state.Runs {
			err = errors.New("it does not run here")
		}
		return err
	}
	select {
	case k.testing <- struct{}{}:
		defer func() { <-k.testing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	of.Name = fmt.Sprintf("test.%d", k.tests.Add(1)) // no service has such a name, and others may be tested now
	return k.check(ctx, &kept{service: of, runner: k.opt.Runner(of)})
}

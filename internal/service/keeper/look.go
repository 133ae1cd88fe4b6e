package keeper

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"baton/internal/pair"
	"baton/internal/service"
	"baton/internal/tick"
)

// A service that ends by itself is started again, with pauses; one that ended too often in a
// while is sick, and is started again all the same.
const (
	firstPause = time.Second
	lastPause  = 32 * time.Second
	while      = 10 * time.Minute
	tooOften   = 3
)

// Run looks at the services until ctx ends: those that are to run and do not are started again,
// those that run on a backup are stopped. Beside that it has those that run checked.
func (k *Keeper) Run(ctx context.Context) error {
	var checks sync.WaitGroup
	defer checks.Wait()
	checks.Go(func() { k.runChecks(ctx) })
	ticker := tick.Every(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case asked := <-k.asks:
			asked.done <- k.obey(ctx, asked.name)
			continue
		case <-ticker.C:
		}
		k.lookAt(ctx)
	}
}

// lookAt looks at each of them, unless somebody else is about to change them.
func (k *Keeper) lookAt(ctx context.Context) {
	select {
	case <-k.turn:
		defer func() { k.turn <- struct{}{} }()
	default:
		return
	}
	ctx, end := k.interruptible(ctx)
	defer end()
	services, err := k.read(ctx)
	if err != nil {
		k.opt.Log.Warn("the services are not known", slog.String("error", err.Error()))
		return
	}
	k.inOrder(ctx, services)
	for _, s := range services {
		if ctx.Err() != nil {
			return // another duty is wanted
		}
		s.answers(k.tend(ctx, s))
	}
	k.tallies.store()
}

// inOrder has the machine stop the services after Baton when it shuts down.
func (k *Keeper) inOrder(ctx context.Context, services []*kept) {
	list := make(service.List, 0, len(services))
	for _, s := range services {
		if k.opt.MayStop(s.service) {
			list = append(list, s.service)
		}
	}
	why := ""
	if err := k.opt.Order(ctx, list); err != nil && ctx.Err() == nil {
		why = err.Error()
	}
	if why != k.disorder && why != "" {
		k.opt.Log.Warn("a shutdown may stop services before the site has moved", slog.String("error", why))
	}
	k.disorder = why
}

// tend looks at one service, and has it do what is wanted. It reports whether it is to be judged by its check.
func (k *Keeper) tend(ctx context.Context, s *kept) bool {
	state, err := k.look(ctx, s)
	duty, done := k.wanted()
	if err != nil || !done {
		return false
	}
	idle := k.opt.Idle()
	switch {
	case duty == pair.Lead && s.isParked():
		k.keepParked(ctx, s, state)
	case duty == pair.Lead && k.opt.Refused(s.service) != "": // a condition says so; its check may be a line that root has not allowed either
	case duty == pair.Lead && !state.Runs && !idle && !s.begun(): // it has just been added
		if err := k.start(ctx, s); err != nil && ctx.Err() == nil {
			s.notStarted(err)
			k.opt.Log.Warn("a new service did not start", slog.String("service", s.service.Name), slog.String("error", err.Error()))
		}
	case duty == pair.Lead && !state.Runs && !idle:
		k.again(ctx, s, state)
	case duty == pair.Lead:
		k.startedMeanwhile(s, state)
		return state.Runs
	case !k.opt.MayStop(s.service): // it is not touched
		if state.Runs {
			s.ranHere(k.opt.Wall())
		}
	case !state.Runs:
		k.followRan(s, state)
	case !idle:
		s.ranHere(k.opt.Wall())
		k.opt.Log.Warn("a service runs on this backup, and is stopped", slog.String("service", s.service.Name))
		_ = k.halt(ctx, s)
	}
	return false
}

// keepParked stops a service that an operator has stopped, and that somebody has started by hand.
func (k *Keeper) keepParked(ctx context.Context, s *kept, state State) {
	if state.Runs && !k.opt.Idle() {
		k.opt.Log.Warn("a service that an operator has stopped runs, and is stopped", slog.String("service", s.service.Name))
		_ = k.halt(ctx, s)
	}
}

// followRan has a timer that does not run here hold for run when it last did on the peer: after a
// takeover it would run the job again. It is kept at once, since the peer may not be there then.
func (k *Keeper) followRan(s *kept, here State) {
	for _, there := range k.opt.Peer() {
		if there.Name != s.service.Name || !here.Persistent || here.Runs || !there.Ran.After(here.Ran) {
			continue
		}
		if err := s.runner.SetRan(there.Ran); err != nil {
			k.opt.Log.Warn("when a timer last ran is not kept", slog.String("service", s.service.Name), slog.String("error", err.Error()))
		}
	}
}

// again starts a service that has ended by itself.
func (k *Keeper) again(ctx context.Context, s *kept, state State) {
	if !s.ended(k.opt.Wall(), state.ended()) {
		return
	}
	k.opt.Log.Warn("a service has ended, and is started again", slog.String("service", s.service.Name), slog.String("why", state.ended()))
	began := k.opt.Wall()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	err := inTime(s.runner.Start(ctx))
	if errors.Is(err, context.Canceled) { // another duty is wanted
		return
	}
	if err != nil {
		s.notStarted(err)
		k.opt.Log.Warn("a service was not started", slog.String("service", s.service.Name), slog.String("error", err.Error()))
	}
	k.ended(s, began, state.ended(), err)
	_, _ = k.look(ctx, s)
}

func (k *Keeper) look(ctx context.Context, s *kept) (State, error) {
	state, err := s.runner.State(ctx)
	if ctx.Err() == nil {
		now := k.opt.Wall()
		if err == nil && s.restarted(now, state.Restarts) {
			k.tellEnd(s, "its own manager has started it again")
		}
		s.see(now, state, err)
	}
	return state, err
}

package keeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"baton/internal/health"
	"baton/internal/pair"
	"baton/internal/service"
)

// Options are what a keeper is made of.
type Options struct {
	Name      string                                          // of this appliance
	List      func(ctx context.Context) (service.List, error) // in the order in which they are started
	Refused   func(service service.Definition) string         // why it may not run on this machine, in a sentence; empty: it may
	MayStop   func(service service.Definition) bool           // root has allowed it on this machine: it is for Baton to stop it
	Runner    func(service service.Definition) Runner
	Order     func(ctx context.Context, list service.List) error // has the machine stop them after Baton at a shutdown
	Probe     Probe                                              // of what is no line of the shell
	Peer      func() []pair.ServiceStatus                        // how the services are on the peer, as far as it told
	SickThere func() bool                                        // the site was sick on the peer when that last told
	Idle      func() bool                                        // maintenance: nothing is started or stopped that nobody asked for
	Record    func(pair.Event)
	Wall      func() time.Time
	Log       *slog.Logger

	Tallies     func() Tallies          // as an earlier run of the daemon stored them; none: nothing is stored
	SaveTallies func(all Tallies) error // returns once they are durable
}

// Probe asks a service once, and returns why it does not answer as it should.
type Probe func(ctx context.Context, check pair.HealthCheck, want health.Answer, wait time.Duration) error

// Bounds of what a keeper does.
const (
	lookEvery  = 2 * time.Second
	startLimit = 90 * time.Second       // for a service to start, and then to pass its check
	stopMargin = 4 * time.Second        // for what was killed to be gone, beyond its own limit
	firstCheck = 10 * time.Millisecond  // after a check that failed at the start; each pause is twice as long
	nextCheck  = 100 * time.Millisecond // at most
	nextLine   = time.Second            // at most, of a line for the shell: each is a process, and a line in the log
	mostTests  = 8                      // that operators have asked for, at a time
)

// LongStop is how long each unit of a service may take to stop at most, whatever it declares.
const LongStop = 90 * time.Second

// Keeper has the services do the duty that is wanted. It implements agent.Services.
type Keeper struct {
	opt  Options
	turn chan struct{} // holds one token: who has it starts and stops services
	asks chan ask      // of operators

	tests    atomic.Int64  // that operators have asked for
	testing  chan struct{} // holds one token for each of them that runs
	disorder string        // why the machine would not stop them after Baton, as last told; empty: it would

	mu      sync.Mutex
	duty    pair.Duty
	done    bool // they do it, as far as the newest Set found
	known   []*kept
	end     context.CancelFunc // of the look under way
	waiting int                // duties that want that to end

	checks  checks
	tallies tallies
}

// New returns a keeper that wants nothing yet.
func New(opt Options) *Keeper {
	k := &Keeper{opt: opt, turn: make(chan struct{}, 1), asks: make(chan ask), end: func() {}}
	k.testing = make(chan struct{}, mostTests)
	k.checks.running = map[string]context.CancelFunc{}
	k.tallies.keeper = k
	k.turn <- struct{}{}
	return k
}

// Set implements agent.Services.
func (k *Keeper) Set(ctx context.Context, duty pair.Duty) error {
	k.wait(1)
	k.interrupt() // what it was about to start may not be wanted any more
	select {
	case <-k.turn:
		k.wait(-1)
		defer func() { k.turn <- struct{}{} }()
	case <-ctx.Done():
		k.wait(-1)
		return ctx.Err()
	}
	defer k.tallies.store()
	k.checks.stop()
	defer k.checks.allow()
	services, err := k.read(ctx)
	k.mu.Lock()
	k.duty, k.done = duty, false
	if err != nil && duty != pair.Lead && k.known != nil {
		services, err = slices.Clone(k.known), nil // a list that cannot be read now keeps none of them running
	}
	k.mu.Unlock()
	if err != nil {
		return err
	}
	if duty == pair.Lead {
		err = k.lead(ctx, services)
	} else {
		err = k.rest(ctx, services)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.done = err == nil
	return err
}

// lead starts them in their order. One that does not start keeps those after it waiting.
func (k *Keeper) lead(ctx context.Context, services []*kept) error {
	for _, s := range services {
		if s.isParked() {
			continue // one that runs all the same is stopped by the next look
		}
		if err := k.start(ctx, s); err != nil {
			return named(s, err)
		}
	}
	return nil
}

var errSlow = fmt.Errorf("it does not start within %s: look at its log", pair.LastingText(startLimit))

// inTime is why a start failed: that it took too long, or what failed.
func inTime(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errSlow
	}
	return err
}

// start returns once a service runs and, if it did not before, passes its check.
func (k *Keeper) start(ctx context.Context, s *kept) error {
	err := k.startNow(ctx, s)
	if err != nil && ctx.Err() == nil {
		s.starts(time.Time{})
		k.failed(s, "start", "does not start: "+err.Error())
	}
	return err
}

func (k *Keeper) startNow(ctx context.Context, s *kept) error {
	if why := k.opt.Refused(s.service); why != "" {
		return errors.New(why)
	}
	s.begin()
	within, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	state, err := s.runner.State(within)
	if err == nil && state.Up {
		s.see(k.opt.Wall(), state, nil)
		k.startedMeanwhile(s, state)
		return nil
	}
	if err == nil {
		k.followRan(s, state)
	}
	began := s.starts(k.opt.Wall())
	if err = inTime(s.runner.Start(within)); err == nil {
		err = k.passes(ctx, s, began)
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		k.started(s, began)
	}
	_, _ = k.look(ctx, s)
	return err
}

// passes waits until a service that was started passes its check. One that runs, and does not pass for long,
// is sick, and keeps the site from nothing: a sick site is better than none. Where the site was sick on
// the peer as well, that does not take long.
func (k *Keeper) passes(ctx context.Context, s *kept, began time.Time) error {
	until := began.Add(startLimit)
	if pace := s.service.Pace.OrUsual(); k.opt.SickThere() {
		until = began.Add(min(startLimit, time.Duration(pace.Fails)*pace.Every))
	}
	longest := nextCheck
	if s.service.Check.Exec != "" {
		longest = nextLine
	}
	for pause := firstCheck; ; pause = min(2*pause, longest) {
		why := k.check(ctx, s)
		if why == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if state, err := s.runner.State(ctx); err == nil && !state.Runs {
			return errors.New(state.ended())
		}
		if !k.opt.Wall().Before(until) {
			s.findSick(why)
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// rest stops them in the reverse order. One that does not stop keeps none from it.
func (k *Keeper) rest(ctx context.Context, services []*kept) error {
	var failed []error
	for _, s := range slices.Backward(services) {
		if err := k.halt(ctx, s); err != nil {
			failed = append(failed, named(s, err))
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(failed...)
}

// halt returns once nothing of a service is left. One that does not run is stopped as well:
// something may be left of it.
func (k *Keeper) halt(ctx context.Context, s *kept) error {
	state, unseen := s.runner.State(ctx)
	began := k.opt.Wall()
	var err error
	switch {
	case k.opt.MayStop(s.service):
		err = s.runner.Stop(ctx) // also one of which nothing is known
	case unseen != nil:
		err = unseen
	case state.Runs:
		err = fmt.Errorf("it runs on %s, and root has not allowed Baton to stop it: run there, as root, baton service allow %s, or stop it", k.opt.Name, s.service.Name)
	}
	if err == nil {
		s.starts(time.Time{})
	}
	switch {
	case err == nil && state.Runs:
		k.stopped(s, began)
	case err != nil && ctx.Err() == nil:
		k.failed(s, "stop", "does not stop: "+err.Error())
	}
	_, _ = k.look(ctx, s)
	return err
}

func named(s *kept, err error) error { return fmt.Errorf("%s: %w", s.service.Name, err) }

// StopLimit implements agent.Services.
func (k *Keeper) StopLimit() (sum time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.known {
		sum += s.limit() + stopMargin
	}
	return sum
}

// read brings what is known of the services into the order of the list.
func (k *Keeper) read(ctx context.Context) ([]*kept, error) {
	services, err := k.opt.List(ctx)
	if err != nil {
		return nil, err
	}
	earlier := k.tallies.earlier()
	k.mu.Lock()
	defer k.mu.Unlock()
	known := make([]*kept, 0, len(services))
	for _, service := range services {
		at := slices.IndexFunc(k.known, func(s *kept) bool { return s.service.Equal(service) })
		one := &kept{service: service, runner: k.opt.Runner(service), tally: newTally(service)}
		if at >= 0 {
			one = k.known[at]
		} else if at = slices.IndexFunc(k.known, func(s *kept) bool { return s.service.Checked(service).Equal(service) }); at >= 0 {
			one.follow(k.known[at])
		} else if before := earlier[service.Name]; before.Runs == one.tally.Runs {
			one.tally = before
		}
		one.heed(service)
		known = append(known, one)
	}
	k.known = known
	return slices.Clone(known), nil
}

// wanted is what the services are to do now, and whether they did.
func (k *Keeper) wanted() (duty pair.Duty, done bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.duty, k.done
}

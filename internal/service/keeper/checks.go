package keeper

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"baton/internal/pair"
)

// checks are those of the services that run, each at its own pace and beside all others: one that
// does not answer keeps neither another check nor a look waiting.
type checks struct {
	mu      sync.Mutex
	stopped bool // none begins
	running map[string]context.CancelFunc
	all     sync.WaitGroup
}

// begin runs one check of a service, unless one of it runs already or none may.
func (c *checks) begin(ctx context.Context, name string, check func(ctx context.Context)) (begun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || c.running[name] != nil {
		return false
	}
	ctx, c.running[name] = context.WithCancel(ctx)
	c.all.Go(func() {
		check(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.running[name]()
		delete(c.running, name)
	})
	return true
}

// stop ends those that run and returns once they have ended. None begins until allow is called.
func (c *checks) stop() {
	c.mu.Lock()
	c.stopped = true
	for _, cancel := range c.running {
		cancel()
	}
	c.mu.Unlock()
	c.all.Wait()
}

func (c *checks) allow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = false
}

// checkPause is the longest pause after which it is looked which checks are due.
const checkPause = 500 * time.Millisecond

// runChecks asks the services that run on a primary until ctx ends.
func (k *Keeper) runChecks(ctx context.Context) {
	defer k.checks.all.Wait()
	timer := time.NewTimer(checkPause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(k.checkDue(ctx))
	}
}

// checkDue begins the checks that are due, and returns how long after it to look again.
func (k *Keeper) checkDue(ctx context.Context) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	pause := checkPause
	if k.duty != pair.Lead || !k.done {
		return pause
	}
	now := k.opt.Wall()
	for _, s := range k.known {
		due, is := s.checkAt()
		if !is {
			continue
		}
		if left := due.Sub(now); left > 0 {
			pause = min(pause, left)
			continue
		}
		if k.opt.Refused(s.service) != "" { // a line of the shell may be another since it was looked at
			continue
		}
		if k.checks.begin(ctx, s.service.Name, func(ctx context.Context) { k.judge(ctx, s) }) {
			s.checked(now)
		}
	}
	return pause
}

// judge asks a service once, and takes in the result, unless that was interrupted.
func (k *Keeper) judge(ctx context.Context, s *kept) {
	err := k.check(ctx, s)
	if ctx.Err() != nil {
		return
	}
	if why := s.judge(err); why != nil {
		k.failed(s, "check", "fails its check: "+why.Error())
	} else if err == nil {
		s.recovered(k.opt.Wall())
	}
}

// check asks a service once; nil: it passes, or has no check.
func (k *Keeper) check(ctx context.Context, s *kept) error {
	check, wait := s.service.Check, s.service.Pace.OrUsual().Wait
	switch {
	case check.IsZero():
		return nil
	case check.Exec != "":
		return s.runner.Try(ctx, check.Exec, wait)
	}
	return k.opt.Probe(ctx, check, s.service.Answer, wait)
}

// Verdict implements watch.Part: it says why the site here is sick, as far as its services tell; nil: it is not, as far as is known. It is
// judged once each service has been found sick or well.
func (k *Keeper) Verdict() (sick error, judged bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.duty != pair.Lead || !k.done {
		return nil, false // a service that does not start is told by Set
	}
	judged = true
	for _, s := range k.known {
		why, known := s.verdict(k.opt.Wall())
		if why != "" {
			return fmt.Errorf("%s: %w", s.service.Name, errors.New(why)), true
		}
		judged = judged && known
	}
	return nil, judged
}

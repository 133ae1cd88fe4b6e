package demo

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
	"baton/internal/lab/siteclient"
	"baton/internal/pair"
)

// Options say how the demo runs. The zero value of each field but In and Out is
// a good default.
type Options struct {
	In  *os.File  // keys if it is a terminal, else lines; nil: none
	Out io.Writer // the screen
	// Script runs the built-in scenario and ends, instead of waiting for a person.
	Script bool
	// Timeout is the pair's Primary Site Instance Timeout; 0: 1 s, so that one need not wait long.
	Timeout time.Duration
	// Patience bounds the wait for a daemon to answer, and for the pair to be
	// steady; 0: 30 s.
	Patience time.Duration
	Pace     time.Duration // rest between two parts of the scenario; 0: 2 s, so that one can follow
	Program  string        // baton itself; empty: the running executable
	Dir      string        // see lab.Options
}

// complete fills in the defaults.
func (o Options) complete() (_ Options, err error) {
	o.Timeout = cmp.Or(o.Timeout, time.Second)
	o.Patience = cmp.Or(o.Patience, 30*time.Second)
	o.Pace = cmp.Or(o.Pace, 2*time.Second)
	if o.Program == "" {
		if o.Program, err = os.Executable(); err != nil {
			return o, fmt.Errorf("find this program: %w", err)
		}
	}
	return o, nil
}

// ErrFailed means that the demo failed and has said why on the screen.
var ErrFailed = errors.New("the demo failed")

// shared is the address that the two appliances share.
func shared() netip.Prefix { return netip.MustParsePrefix("198.51.100.10/24") }

// Run runs the demo until the person quits, the scenario ends or ctx does. For a
// user who is not root the program starts itself again in a user namespace.
func Run(ctx context.Context, opts Options) error {
	doors, err := openDoors(ctx)
	if err != nil {
		return err
	}
	defer doors.close()
	code, again, err := lab.Enter(doors.files()...)
	switch {
	case err != nil:
		return err
	case again && code != 0:
		return ErrFailed
	case again:
		return nil
	}
	if opts, err = opts.complete(); err != nil {
		return err
	}
	return runStage(ctx, opts, doors)
}

// stage is everything that the demo plays on.
type stage struct {
	opts        Options
	password    string // of the administrator of both consoles
	screen      *screen
	lab         *lab.Lab
	alpha, beta *daemon.Appliance
	client      *siteclient.Client
	ownership   *lab.Ownership
}

func runStage(ctx context.Context, opts Options, doors *doors) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := &stage{opts: opts, screen: newScreen(opts.Out), password: "demo-" + strings.ToLower(rand.Text()[:10])}
	s.screen.title("Baton: two appliances, a switch and a client, all on this machine")
	s.screen.say(fromDemo, "making the switch and the hosts")
	if s.lab, err = lab.New(ctx, lab.Options{Dir: opts.Dir, Prefix: "demo"}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.lab.Close()) }()
	if err := s.build(ctx); err != nil {
		return s.failed(ctx, err)
	}
	watched := s.watch(ctx, doors)
	defer watched.Wait()
	defer cancel()
	if err := s.ready(ctx); err != nil {
		return s.failed(ctx, err)
	}
	s.screen.urls(doors, s.password)
	if opts.Script {
		return s.failed(ctx, s.runScenario(ctx))
	}
	return s.play(ctx)
}

// failed puts a failure on the screen; an end that was asked for is none.
func (s *stage) failed(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return nil //nolint:nilerr // what ctx interrupted has not failed
	}
	if !errors.Is(err, ErrFailed) { // then it has been said
		s.screen.say(fromDemo, "%s", s.screen.bad(err.Error()))
	}
	for _, a := range s.appliances() {
		s.screen.lastLines(a)
	}
	return ErrFailed
}

// ready waits until the pair is steady and the client is answered.
func (s *stage) ready(ctx context.Context) error {
	err := s.await(ctx, "the pair is steady and the site answers", s.opts.Patience, func() bool {
		return s.alpha.Is(ctx, pair.Primary) && s.beta.Is(ctx, pair.Backup) && s.answeredBy(s.alpha.Name())
	})
	if err != nil {
		return err
	}
	s.screen.say(fromDemo, "%s", s.screen.good("the pair stands: alpha is primary, beta is backup, the site answers on "+shared().Addr().String()))
	return nil
}

// answeredBy reports whether that appliance gave the client's newest answer, just now.
func (s *stage) answeredBy(name string) bool {
	last, ok := s.client.Latest()
	return ok && last.Appliance == name && time.Since(last.End) < 200*time.Millisecond
}

// await polls until a condition holds.
func (s *stage) await(ctx context.Context, what string, within time.Duration, holds func() bool) error {
	limit := time.After(within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit:
			return fmt.Errorf("not within %s: %s", within, what)
		case <-tick.C:
		}
	}
	return nil
}

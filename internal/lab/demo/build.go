package demo

import (
	"context"
	"net/netip"
	"time"

	"baton/internal/lab/daemon"
	"baton/internal/lab/siteclient"
)

// build starts two daemons and makes a pair of them.
func (s *stage) build(ctx context.Context) error {
	var err error
	if s.alpha, err = daemon.New(s.lab, "alpha", s.opts.Program); err != nil {
		return err
	}
	if s.beta, err = daemon.New(s.lab, "beta", s.opts.Program); err != nil {
		return err
	}
	if err := s.alpha.WriteSite(); err != nil {
		return err
	}
	for _, a := range s.appliances() {
		if err := a.Configure(daemon.Config{Shared: []netip.Prefix{shared()}, Listen: ":443"}); err != nil {
			return err
		}
		if err := a.Serve(ctx); err != nil {
			return err
		}
		s.screen.say(a.Name(), "baton serve")
	}
	for _, a := range s.appliances() {
		if err := a.Ready(ctx, s.opts.Patience); err != nil {
			return err
		}
	}
	for _, step := range s.steps() {
		s.screen.say(step.On.Name(), "baton %s", step.Line)
		if err := step.Do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// appliances are those that have been made.
func (s *stage) appliances() []*daemon.Appliance {
	if s.beta == nil {
		return nil
	}
	return []*daemon.Appliance{s.alpha, s.beta}
}

// steps are the commands that make the pair, in order.
func (s *stage) steps() []daemon.Step {
	return daemon.Pairing(s.alpha, s.beta, daemon.Plan{
		Password: s.password, Timeout: s.opts.Timeout, Schedule: "continuous",
		TestIP: s.lab.Host("gateway").Addr4(), Shared: shared().Addr(),
	})
}

// newClient returns the client that asks for the site every 5 ms.
func (s *stage) newClient() *siteclient.Client {
	return siteclient.New(siteclient.Options{
		From:   s.lab.Host("client"),
		Target: netip.AddrPortFrom(shared().Addr(), 80),
		Keep:   5 * time.Minute,
	})
}

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"baton/internal/lab"
	"baton/internal/lab/siteclient"
)

// orderlyStop measures the longest time without an answer while the primary's daemon is stopped in
// order: keepalived in its tuned profile, and Baton at its default settings with the site behind its own
// door, and with that of another program.
func orderlyStop(ctx context.Context, b *bench) ([]row, error) {
	const scenario = "orderly stop of the primary"
	other := row{scenario: scenario, measure: withoutAnswer, program: fast().advertText() + " (no data moves)"}
	k := b.newKeepalived(fast())
	if err := b.repeat(ctx, k, b.runs(10), other.switches(k.stopPrimary)); err != nil {
		return nil, fmt.Errorf("keepalived: %w", err)
	}
	rows := []row{other}
	for _, way := range []struct {
		server bool
		text   string
		bound  time.Duration
	}{
		{false, usual().timeoutText() + ", its own server", 150 * time.Millisecond},
		{true, usual().timeoutText() + ", another server", time.Duration(other.median().number*float64(time.Second)) + 50*time.Millisecond},
	} {
		ours := row{scenario: scenario, measure: withoutAnswer, program: way.text, bound: atMost(way.bound)}
		pair := b.newBaton(usual())
		pair.server = way.server
		if err := b.repeat(ctx, pair, b.runs(10), ours.switches(pair.stopPrimary)); err != nil {
			return nil, fmt.Errorf("baton: %w", err)
		}
		rows = append(rows, ours)
	}
	return rows, nil
}

// reload measures what 200 requests a second lose while the primary's daemon is replaced by the
// program that is installed.
func reload(ctx context.Context, b *bench) ([]row, error) {
	pair := b.newBaton(usual())
	return b.underLoad(ctx, pair, underLoad{
		scenario: "reload of the primary", runs: 10, do: pair.reloadPrimary,
		after: func(_ *stage, primary *lab.Host) *lab.Host { return primary },
	})
}

// switchUnderLoad measures what 200 requests a second lose in a planned switch, and how long one waits.
func switchUnderLoad(ctx context.Context, b *bench) ([]row, error) {
	pair := b.newBaton(usual())
	return b.underLoad(ctx, pair, underLoad{
		scenario: "planned switch, 200 requests a second", runs: 20, do: pair.handOver,
		after: (*stage).other, longest: atMost(time.Second),
	})
}

// underLoad is something that may cost no request.
type underLoad struct {
	scenario string
	runs     int
	do       switcher
	after    func(s *stage, primary *lab.Host) *lab.Host // who serves then
	longest  *float64                                    // bound of the longest answer; nil: none
}

// lastAnswer is how long the last requests have for their answers.
const lastAnswer = 2 * time.Second

// visitors sends 200 requests a second, each of which waits for its answer as long as a browser would.
func (s *stage) visitors(ctx context.Context) (visitors *siteclient.Client, leave func()) {
	const patience = 20 * time.Second
	visitors = siteclient.New(siteclient.Options{
		From: s.lab.Host("client"), Target: netip.AddrPortFrom(sharedIP().Addr(), s.rival.port()), Timeout: patience, Patience: patience, Limit: 4096,
	})
	ctx, cancel := context.WithCancel(ctx)
	var asked sync.WaitGroup
	asked.Go(func() { _ = visitors.Run(ctx) }) // ends with its context
	return visitors, func() { cancel(); asked.Wait() }
}

// underLoad counts the requests of the client that fail, and measures the longest answer.
func (b *bench) underLoad(ctx context.Context, pair *baton, u underLoad) ([]row, error) {
	failed := row{scenario: u.scenario, measure: "requests that failed", program: usual().timeoutText(), unit: count, bound: new(float64)}
	longest := row{scenario: u.scenario, measure: "longest answer", program: usual().timeoutText(), bound: u.longest}
	err := b.repeat(ctx, pair, b.runs(u.runs), func(ctx context.Context, s *stage) error {
		primary, err := s.rival.primary(ctx)
		if err != nil {
			return err
		}
		if err := s.anyMoment(ctx); err != nil {
			return err
		}
		at := time.Now()
		visitors, leave := s.visitors(ctx)
		defer leave()
		if err := u.do(ctx); err != nil {
			return err
		}
		if err := errors.Join(s.answeredFor(ctx, u.after(s, primary), settled), rest(ctx, lastAnswer)); err != nil {
			return err
		}
		report := visitors.Report().Between(at, time.Now().Add(-lastAnswer))
		lost, slowest := 0, time.Duration(0)
		for _, a := range report.Attempts {
			if a.Result != siteclient.Answered {
				lost++
			}
			slowest = max(slowest, a.End.Sub(a.Start))
		}
		failed.add(float64(lost))
		longest.addTime(slowest)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("baton: %w", err)
	}
	return []row{failed, longest}, nil
}

package main

import (
	"context"
	"fmt"
	"time"

	"baton/internal/lab"
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
	const scenario = "reload of the primary"
	failed := row{scenario: scenario, measure: "requests that failed", program: usual().timeoutText(), unit: count, bound: new(float64)}
	longest := row{scenario: scenario, measure: "longest answer", program: usual().timeoutText()}
	pair := b.newBaton(usual())
	err := b.repeat(ctx, pair, b.runs(10), func(ctx context.Context, s *stage) error {
		primary, err := s.rival.primary(ctx)
		if err != nil {
			return err
		}
		if err := s.anyMoment(ctx); err != nil {
			return err
		}
		at := time.Now()
		if err := pair.reloadPrimary(ctx); err != nil {
			return err
		}
		if err := s.answeredFor(ctx, primary, settled); err != nil {
			return err
		}
		report := s.client.Report().Between(at, time.Now())
		lost, slowest := 0, time.Duration(0)
		for _, a := range report.Attempts {
			if a.Result != lab.Answered {
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

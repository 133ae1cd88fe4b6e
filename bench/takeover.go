package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"baton/internal/lab"
)

// fault is what happens to the primary's host.
type fault func(*lab.Lab, *lab.Host) (time.Time, error)

func powerCutFast(ctx context.Context, b *bench) ([]row, error) {
	return b.outage(ctx, "power cut, fast profile", fast(), (*lab.Lab).PowerCut, fastBound())
}

func cableFast(ctx context.Context, b *bench) ([]row, error) {
	return b.outage(ctx, "cable pulled, fast profile", fast(), (*lab.Lab).CutCable, fastBound())
}

func powerCutDefault(ctx context.Context, b *bench) ([]row, error) {
	return b.outage(ctx, "power cut, default settings", usual(), (*lab.Lab).PowerCut, outageBound{runs: 5, most: usual().timeout + 300*time.Millisecond})
}

// outageBound is how long an outage may last, in so many runs.
type outageBound struct {
	runs   int
	most   time.Duration
	middle bool // in the middle of them, not at worst
}

func fastBound() outageBound {
	return outageBound{runs: 11, most: fast().timeout + 30*time.Millisecond, middle: true}
}

// outage measures from the fault to the first answer of the other appliance.
func (b *bench) outage(ctx context.Context, scenario string, p profile, hit fault, bound outageBound) ([]row, error) {
	other := row{scenario: scenario, measure: withoutAnswer, program: p.advertText()}
	err := b.repeat(ctx, b.newKeepalived(p), b.runs(bound.runs), other.takes(hit))
	if err != nil {
		return nil, fmt.Errorf("keepalived: %w", err)
	}
	ours := row{scenario: scenario, measure: withoutAnswer, program: p.timeoutText(), bound: atMost(bound.most), middle: bound.middle}
	err = b.repeat(ctx, b.newBaton(p), b.runs(bound.runs), ours.takes(hit))
	if err != nil {
		return nil, fmt.Errorf("baton: %w", err)
	}
	return []row{other, ours}, nil
}

const withoutAnswer = "without an answer"

// takes is one takeover, whose length it adds to the row.
func (r *row) takes(hit fault) trial {
	return func(ctx context.Context, s *stage) error {
		primary, err := s.rival.primary(ctx)
		if err != nil {
			return err
		}
		if err := s.anyMoment(ctx); err != nil {
			return err
		}
		at, err := hit(s.lab, primary)
		if err != nil {
			return err
		}
		heir := s.other(primary)
		if err := await(ctx, heir.Name()+" answers the client", func() bool { return s.answersSince(heir, at) }); err != nil {
			return err
		}
		took, ok := s.client.Report().GapAfter(at, heir.Name())
		if !ok {
			return errors.New("the client was answered but has no record of it")
		}
		r.addTime(took)
		return nil
	}
}

// anyMoment lets the fault fall on any phase of what the programs do at an interval.
func (s *stage) anyMoment(ctx context.Context) error {
	return rest(ctx, rand.N(time.Second)) //nolint:gosec // chance, not secrecy
}

// plannedSwitch measures the longest time without an answer while the roles are
// switched on request.
func plannedSwitch(ctx context.Context, b *bench) ([]row, error) {
	const scenario = "planned switch, small site"
	priority := row{scenario: scenario, measure: withoutAnswer, program: "keepalived, by priority (no data moves)"}
	stop := row{scenario: scenario, measure: withoutAnswer, program: "keepalived, by stop (no data moves)"}
	ours := row{scenario: scenario, measure: withoutAnswer, program: "Baton, with final data sync", bound: atMost(300 * time.Millisecond)}
	for _, way := range []struct {
		row *row
		do  func(*keepalived) switcher
	}{
		{&priority, func(k *keepalived) switcher { return k.lowerPriority }},
		{&stop, func(k *keepalived) switcher { return k.stopPrimary }},
	} {
		k := b.newKeepalived(usual())
		if err := b.repeat(ctx, k, b.runs(5), way.row.switches(way.do(k))); err != nil {
			return nil, fmt.Errorf("keepalived: %w", err)
		}
	}
	pair := b.newBaton(usual())
	if err := b.repeat(ctx, pair, b.runs(5), ours.switches(pair.handOver)); err != nil {
		return nil, fmt.Errorf("baton: %w", err)
	}
	return []row{priority, stop, ours}, nil
}

// switcher asks for a switch of roles.
type switcher func(ctx context.Context) error

// switches is one planned switch, whose longest gap it adds to the row.
func (r *row) switches(do switcher) trial {
	return func(ctx context.Context, s *stage) error {
		primary, err := s.rival.primary(ctx)
		if err != nil {
			return err
		}
		if err := s.anyMoment(ctx); err != nil {
			return err
		}
		at := time.Now()
		if err := do(ctx); err != nil {
			return err
		}
		if err := s.answeredFor(ctx, s.other(primary), settled); err != nil {
			return err
		}
		r.addTime(s.client.Report().Between(at.Add(-100*time.Millisecond), time.Now()).Longest().Duration())
		return nil
	}
}

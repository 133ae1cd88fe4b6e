package main

import (
	"context"
	"fmt"
	"time"

	"baton/internal/lab"
)

// stroke is what happens to the primary's host.
type stroke func(s *stage, primary *lab.Host) (time.Time, error)

func killed(ctx context.Context, b *bench) ([]row, error) {
	return b.split(ctx, "daemon killed", usual(), func(s *stage, primary *lab.Host) (time.Time, error) {
		return time.Now(), s.rival.kill(primary)
	}, goneBound())
}

func hung(ctx context.Context, b *bench) ([]row, error) {
	return b.split(ctx, "daemon hung", usual(), func(s *stage, primary *lab.Host) (time.Time, error) {
		return s.lab.Pause(primary)
	}, goneBound())
}

func silence(ctx context.Context, b *bench) ([]row, error) {
	return b.split(ctx, "silence (carrier stays)", usual(), silenced, bounds{})
}

func silenceFast(ctx context.Context, b *bench) ([]row, error) {
	return b.split(ctx, "silence, fast profile", fast(), silenced, bounds{})
}

func silenced(s *stage, primary *lab.Host) (time.Time, error) { return s.lab.Silence(primary) }

// bounds are those of Baton's rows, besides that never two serve.
type bounds struct {
	gone *float64
}

func goneBound() bounds { return bounds{gone: atMost(4 * time.Second)} }

// looking is how long the observer goes on looking after the takeover.
const looking = 1500 * time.Millisecond

// owners are the rows of one program.
type owners struct{ own, serve, gone row }

func newOwners(scenario, program string) owners {
	return owners{
		own:   row{scenario: scenario, measure: "both own the address", program: program},
		serve: row{scenario: scenario, measure: "both serve", program: program},
		gone:  row{scenario: scenario, measure: "old owner keeps it", program: program},
	}
}

// split measures for how long two appliances own the address and serve after
// something that leaves the old primary's kernel alive.
func (b *bench) split(ctx context.Context, scenario string, p profile, hit stroke, set bounds) ([]row, error) {
	other, ours := newOwners(scenario, p.advertText()), newOwners(scenario, p.timeoutText())
	ours.serve.bound, ours.gone.bound = atMost(0), set.gone
	if err := b.repeat(ctx, b.newKeepalived(p), b.runs(5), other.look(hit)); err != nil {
		return nil, fmt.Errorf("keepalived: %w", err)
	}
	if err := b.repeat(ctx, b.newBaton(p), b.runs(5), ours.look(hit)); err != nil {
		return nil, fmt.Errorf("baton: %w", err)
	}
	return []row{other.own, ours.own, other.serve, ours.serve, other.gone, ours.gone}, nil
}

// look is one takeover with the observer looking on.
func (r *owners) look(hit stroke) trial {
	return func(ctx context.Context, s *stage) error {
		seen, err := s.strike(ctx, hit, takenOver)
		if err != nil {
			return err
		}
		r.add(seen)
		return nil
	}
}

// sight is what the observer saw.
type sight struct {
	*observer
	at, end   time.Time // of the stroke, and of looking
	old, heir *lab.Host
}

// takenOver reports whether the other appliance has the address.
func takenOver(seen sight) bool { return owns(seen.heir) }

// decided reports the same of a partition, in which the old primary may keep the
// site as well: an heir whose machine stood still when it was to take over asks
// first, and is told by the gateway that the address is in use.
func decided(seen sight) bool { return takenOver(seen) || time.Since(seen.at) > 10*time.Second }

// strike hits the primary, waits for what comes of it, and looks on for a while.
func (s *stage) strike(ctx context.Context, hit stroke, over func(sight) bool) (sight, error) {
	primary, err := s.rival.primary(ctx)
	if err != nil {
		return sight{}, err
	}
	if err := s.anyMoment(ctx); err != nil {
		return sight{}, err
	}
	o, stop := s.observe(ctx)
	defer stop()
	seen := sight{observer: o, old: primary, heir: s.other(primary)}
	if seen.at, err = hit(s, primary); err != nil {
		return seen, err
	}
	if err := await(ctx, seen.heir.Name()+" takes the address", func() bool { return over(seen) }); err != nil {
		return seen, err
	}
	err = rest(ctx, looking)
	seen.end = time.Now()
	return seen, err
}

func (r *owners) add(seen sight) {
	r.own.addOverlap(seen.owned(seen.old), seen.owned(seen.heir), seen)
	r.serve.addOverlap(seen.served(seen.old), seen.served(seen.heir), seen)
	gone := last(seen.owned(seen.old))
	if seen.open(gone) {
		r.gone.addOpen(seen.end.Sub(seen.at))
		return
	}
	r.gone.addTime(max(gone.Sub(seen.at), 0))
}

// open reports whether something that was seen last at an instant was still so
// when the observer stopped looking.
func (s sight) open(last time.Time) bool { return s.end.Sub(last) < serveWait }

func (r *row) addOverlap(a, b []span, seen sight) {
	both := overlap(a, b, seen.at)
	if both > 0 && seen.open(last(a)) && seen.open(last(b)) {
		r.addOpen(both)
		return
	}
	r.addTime(both)
}

// Of the partition.
const (
	// Longer than keepalived's garp_master_delay (5 s): what it says again
	// then would heal, by luck, what a partition soon after has upset.
	hush     = 5500 * time.Millisecond
	healCap  = 15 * time.Second        // how long the observer waits for service after the heal
	calm     = 1500 * time.Millisecond // without a gap, until it believes that all is well
	gapLimit = 100 * time.Millisecond
)

// partition cuts the two appliances off from each other, while everybody else
// hears both, and joins them again.
func partition(ctx context.Context, b *bench) ([]row, error) {
	const scenario = "partition of the two only"
	p := fast()
	other, ours := newOwners(scenario, p.advertText()), newOwners(scenario, p.timeoutText())
	otherHeal := row{scenario: scenario + ", after the heal", measure: withoutAnswer, program: p.advertText()}
	ourHeal := row{scenario: scenario + ", after the heal", measure: withoutAnswer, program: p.timeoutText(), bound: atMost(300 * time.Millisecond)}
	ours.own.bound = atMost(2 * time.Second)
	if err := b.repeat(ctx, b.newKeepalived(p), b.runs(10), other.cutAndHeal(&otherHeal)); err != nil {
		return nil, fmt.Errorf("keepalived: %w", err)
	}
	if err := b.repeat(ctx, b.newBaton(p), b.runs(10), ours.cutAndHeal(&ourHeal)); err != nil {
		return nil, fmt.Errorf("baton: %w", err)
	}
	return []row{other.own, ours.own, otherHeal, ourHeal}, nil
}

func (r *owners) cutAndHeal(healed *row) trial {
	return func(ctx context.Context, s *stage) error {
		if err := rest(ctx, hush); err != nil {
			return err
		}
		seen, err := s.strike(ctx, func(s *stage, primary *lab.Host) (time.Time, error) {
			return s.lab.Partition(primary, s.other(primary))
		}, decided)
		if err != nil {
			return err
		}
		r.add(seen)
		at, err := s.lab.Heal()
		if err != nil {
			return err
		}
		return s.afterHeal(ctx, healed, at)
	}
}

// afterHeal adds the longest time without an answer since the heal.
func (s *stage) afterHeal(ctx context.Context, healed *row, at time.Time) error {
	since := at
	for time.Since(since) < calm && time.Since(at) < healCap {
		if last, ok := s.client.Latest(); !ok || time.Since(last.End) > gapLimit {
			since = time.Now()
		}
		if err := rest(ctx, serveLook); err != nil {
			return err
		}
	}
	report := s.client.Report().Between(at.Add(-100*time.Millisecond), time.Now())
	silent := time.Since(at)
	if answers := report.Answers(); len(answers) > 0 {
		silent = time.Since(answers[len(answers)-1].End)
	}
	if longest := report.Longest().Duration(); silent > max(longest, gapLimit) {
		healed.addOpen(silent)
	} else {
		healed.addTime(longest)
	}
	return nil
}

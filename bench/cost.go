package main

import (
	"context"
	"fmt"
	"time"

	"baton/internal/lab"
	"baton/internal/pair"
)

// startToServing measures from the start of a stored primary's daemon, whose
// backup answers, to the first answer.
func startToServing(ctx context.Context, b *bench) ([]row, error) {
	ours := row{
		scenario: "restart of the primary", measure: "start to the first answer", program: usual().timeoutText(),
		bound: atMost(time.Second),
	}
	p := b.newBaton(usual())
	err := b.repeat(ctx, p, b.runs(5), func(ctx context.Context, s *stage) error {
		primary, err := p.find(ctx, pair.Primary)
		if err != nil {
			return err
		}
		// One that is told to stop hands over.
		if err := lab.KillFamily(primary.Daemon().PID()); err != nil {
			return fmt.Errorf("end the daemon: %w", err)
		}
		<-primary.Daemon().Done()
		at := time.Now()
		if err := primary.Serve(ctx); err != nil {
			return err
		}
		if err := await(ctx, "the primary answers", func() bool { return s.answersSince(primary.Host, at) }); err != nil {
			return err
		}
		took, _ := s.client.Report().GapAfter(at, primary.Name())
		ours.addTime(took)
		return nil
	})
	return []row{ours}, err
}

// Of the idle daemons.
const (
	idleTime  = 20 * time.Second
	idleQuiet = 3 * time.Second // after the set-up
)

// idle measures what the daemons use while nothing happens and nobody asks; a
// value each for the primary and the backup.
func idle(ctx context.Context, b *bench) ([]row, error) {
	const scenario = "idle, default settings"
	var rows []row
	k, p := b.newKeepalived(usual()), b.newBaton(usual())
	memory, processor := 40.0, 1.0
	for _, one := range []struct {
		rival             rival
		program           string
		pids              func() []int
		memory, processor *float64
	}{
		{k, usual().advertText(), func() []int { return []int{k.daemons["alpha"].PID(), k.daemons["beta"].PID()} }, nil, nil},
		{p, usual().timeoutText(), func() []int { return []int{p.appliances[0].Daemon().PID(), p.appliances[1].Daemon().PID()} }, &memory, &processor},
	} {
		resident := row{scenario: scenario, measure: "resident memory", program: one.program, unit: megabytes, bound: one.memory}
		used := row{scenario: scenario, measure: "of one core", program: one.program, unit: percent, bound: one.processor}
		if err := b.measureIdle(ctx, one.rival, one.pids, &resident, &used); err != nil {
			return nil, err
		}
		rows = append(rows, resident, used)
	}
	return []row{rows[0], rows[2], rows[1], rows[3]}, nil
}

func (b *bench) measureIdle(ctx context.Context, r rival, pids func() []int, resident, used *row) error {
	defer r.end()
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := rest(ctx, idleQuiet); err != nil {
		return err
	}
	return b.watchIdle(ctx, pids(), resident, used)
}

// watchIdle adds what processes use for a while.
func (b *bench) watchIdle(ctx context.Context, pids []int, resident, used *row) error {
	var before []usage
	for _, pid := range pids {
		use, err := usageOf(pid)
		if err != nil {
			return err
		}
		before = append(before, use)
	}
	began, lasting := time.Now(), idleTime
	if b.opts.quick {
		lasting /= 4
	}
	if err := rest(ctx, lasting); err != nil {
		return err
	}
	for i, pid := range pids {
		use, err := usageOf(pid)
		if err != nil {
			return err
		}
		resident.add(float64(use.resident) / (1 << 20))
		used.add(100 * (use.processor - before[i].processor).Seconds() / time.Since(began).Seconds())
	}
	return nil
}

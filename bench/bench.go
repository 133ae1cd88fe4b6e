package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"baton/internal/lab"
	"baton/internal/lab/siteclient"
)

// bench is one run of the program.
type bench struct {
	opts    options
	out     io.Writer
	lab     *lab.Lab
	program string // baton
	record  *record
}

// study measures one scenario with every program, and returns its rows.
type study struct {
	name string // for -only
	run  func(ctx context.Context, b *bench) ([]row, error)
}

// studies lists all, in the order of the table.
func studies() []study {
	return []study{
		{"power-cut-fast", powerCutFast},
		{"cable-fast", cableFast},
		{"power-cut-default", powerCutDefault},
		{"planned-switch", plannedSwitch},
		{"switch-under-load", switchUnderLoad},
		{"stop", orderlyStop},
		{"reload", reload},
		{"killed", killed},
		{"hung", hung},
		{"partition", partition},
		{"silence", silence},
		{"silence-fast", silenceFast},
		{"start", startToServing},
		{"idle", idle},
		{"front", front},
		{"data-small", onDisks(lab.Ext4, "daily", smallWorks)},
		{"data-large", onDisks(lab.Ext4, "daily", largeWorks)},
		{"data-shared", onDisks(lab.XFS, "daily", sharedWorks)},
		{"growth", onDisks(lab.Ext4, "daily", growth)},
		{"growth-size", onDisks(lab.Ext4, "daily", growthOfOne)},
		{"write-to-snapshot", onDisks(lab.Ext4, "continuous", writeToSnapshot)},
		{"switch-many-files", onDisks(lab.Ext4, "continuous", switchOfManyFiles)},
		{"database", onDisks(lab.Ext4, "continuous", database)},
		{"rest-200000", onDisks(lab.Ext4, "continuous", atRest(200_000))},
		{"rest-1000000", onDisks(lab.Ext4, "continuous", atRest(1_000_000))},
	}
}

// all runs the studies that were asked for and have not ended in an earlier run.
func (b *bench) all(ctx context.Context) (found []row, err error) {
	began := time.Now()
	for _, study := range studies() {
		if only := b.opts.only.study; only != nil && !only.MatchString(study.name) {
			continue
		}
		rows, kept := b.record.has(study.name)
		if !kept {
			if rows, err = b.measured(ctx, study, began); err != nil {
				return nil, err
			}
		}
		found = append(found, rows...)
	}
	return found, nil
}

// measured runs a study, and says what it found.
func (b *bench) measured(ctx context.Context, study study, began time.Time) ([]row, error) {
	stalled := watchStalls(ctx)
	rows, err := study.run(ctx, b)
	stall := stalled()
	b.record.Stall = max(b.record.Stall, stall)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", study.name, err)
	}
	b.say("%5.0f s  %s (a ready program waited for a processor up to %d ms)", time.Since(began).Seconds(), study.name, stall.Milliseconds())
	for _, row := range rows {
		b.say("         %s", row.line())
		if b.opts.verbose {
			b.say("         %v", row.values)
		}
	}
	return rows, b.record.keep(study.name, rows)
}

// watchStalls looks how long the machine lets a program wait that is ready to
// run, until the function that it returns is called: on a machine that is busy
// with other things, the figures say little.
func watchStalls(ctx context.Context) func() time.Duration {
	ctx, cancel := context.WithCancel(ctx)
	worst := make(chan time.Duration, 1)
	go func() {
		const nap = 5 * time.Millisecond
		var longest time.Duration
		for before := time.Now(); rest(ctx, nap) == nil; before = time.Now() {
			longest = max(longest, time.Since(before)-nap)
		}
		worst <- longest
	}()
	return func() time.Duration { cancel(); return <-worst }
}

func (b *bench) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.out, format+"\n", args...)
}

// runs is how often something is measured: as given, or less where it must be quick.
func (b *bench) runs(full int) int {
	if b.opts.quick {
		return 1
	}
	return full
}

// sharedIP is the address that the two appliances share.
func sharedIP() netip.Prefix { return netip.MustParsePrefix("198.51.100.10/24") }

// rival is a program that keeps an address up on alpha and beta.
type rival interface {
	// begin starts it on both hosts, which are clean, and returns when it is steady.
	begin(ctx context.Context) error
	// primary is the host that serves while all is well.
	primary(ctx context.Context) (*lab.Host, error)
	// port is where the site is served.
	port() uint16
	// mend makes both hosts whole after a fault and returns when it is steady again.
	mend(ctx context.Context) error
	// kill ends the daemon on the host at once (SIGKILL).
	kill(host *lab.Host) error
	// end stops it on both hosts.
	end()
}

// trial is one measurement while the client asks.
type trial func(ctx context.Context, s *stage) error

// stage is a rival at work, with the client that asks for its site.
type stage struct {
	*bench
	rival  rival
	client *siteclient.Client
}

// repeat starts the rival, runs the trial a number of times, each time from a
// steady pair, and stops it.
func (b *bench) repeat(ctx context.Context, r rival, runs int, one trial) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer r.end()
	if err := r.begin(ctx); err != nil {
		return err
	}
	for run := range runs {
		if run > 0 {
			if err := r.mend(ctx); err != nil {
				return err
			}
		}
		if err := b.once(ctx, r, one); err != nil {
			return err
		}
	}
	return nil
}

// once runs one trial with a client of its own, which has been answered by the
// primary for a while when the trial begins.
func (b *bench) once(ctx context.Context, r rival, one trial) error {
	s := &stage{bench: b, rival: r, client: siteclient.New(siteclient.Options{
		From: b.lab.Host("client"), Target: netip.AddrPortFrom(sharedIP().Addr(), r.port()),
	})}
	asking, stop := context.WithCancel(ctx)
	var asked sync.WaitGroup
	asked.Go(func() { _ = s.client.Run(asking) }) // ends with its context
	defer asked.Wait()
	defer stop()
	primary, err := r.primary(ctx)
	if err != nil {
		return err
	}
	if err := s.answeredFor(ctx, primary, settled); err != nil {
		return err
	}
	return one(ctx, s)
}

// other is the appliance that the given one is not.
func (b *bench) other(host *lab.Host) *lab.Host {
	if host.Name() == "alpha" {
		return b.lab.Host("beta")
	}
	return b.lab.Host("alpha")
}

// settled is how long the client must be answered without a gap to believe it.
const settled = 500 * time.Millisecond

// limit bounds every wait for something that must come.
const limit = 60 * time.Second

// await polls until a condition holds.
func await(ctx context.Context, what string, holds func() bool) error {
	end := time.After(limit)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return fmt.Errorf("not within %s: %s", limit, what)
		case <-tick.C:
		}
	}
	return nil
}

// rest waits, unless ctx ends first.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// answers reports whether the newest answer is of that host, and new.
func (s *stage) answers(host *lab.Host) bool {
	last, ok := s.client.Latest()
	return ok && last.Appliance == host.Name() && time.Since(last.End) < 100*time.Millisecond
}

// answersSince reports whether the newest answer is of that host, to a question
// asked after the instant.
func (s *stage) answersSince(host *lab.Host, at time.Time) bool {
	last, ok := s.client.Latest()
	return ok && last.Appliance == host.Name() && last.Start.After(at)
}

// answeredFor waits until only that host has answered for a while without a gap.
func (s *stage) answeredFor(ctx context.Context, host *lab.Host, lasting time.Duration) error {
	since := time.Now()
	return await(ctx, "the client is answered by "+host.Name(), func() bool {
		if !s.answers(host) {
			since = time.Now()
		}
		return time.Since(since) >= lasting
	})
}

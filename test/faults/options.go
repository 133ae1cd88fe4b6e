package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"baton/internal/pair"
)

// options are the flags.
type options struct {
	rounds   int
	seed     uint64
	profiles []profile
	only     int // the one round to run; 0: all
	without  string
	program  string
	upgrade  string // another build of it, with another version
	dir      string
	page     string
	resume   bool
	limit    time.Duration
	verbose  bool
}

// profile is a timeout under which the campaign runs.
type profile struct {
	name    string
	timeout time.Duration // primary_timeout
}

func profiles() []profile {
	return []profile{{"100ms", pair.MinTimeout}, {"300ms", 300 * time.Millisecond}, {"1s", time.Second}, {"default", pair.LeasedTimeout}}
}

func profileNames() string {
	var names []string
	for _, p := range profiles() {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}

const (
	usualRounds = 300
	pageRounds  = 100 // so many faults a profile must have met to stand in the page
)

func parse(args []string, errs io.Writer) (opts options, err error) {
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.IntVar(&opts.rounds, "n", usualRounds, "how many faults; the page is written from 100 on")
	flags.Uint64Var(&opts.seed, "seed", rand.Uint64N(1_000_000), "what everything is drawn from") //nolint:gosec // chance, not secrecy
	names := flags.String("profile", "300ms", "timeouts, with commas between them: "+profileNames())
	flags.IntVar(&opts.only, "only", 0, "run this round of the seed alone")
	flags.StringVar(&opts.without, "without", "", "remove this guard of the decision, and expect the campaign to fail: timeout, silence, isolation, higher-epoch, set-aside, return")
	flags.StringVar(&opts.program, "baton", "bin/baton", "the program to break")
	flags.StringVar(&opts.dir, "dir", "bin/faults", "directory for results, and for the logs of rounds that failed")
	flags.StringVar(&opts.page, "page", "docs/faults.md", "the page to write")
	flags.BoolVar(&opts.resume, "resume", false, "go on after the last round in -dir instead of starting anew")
	flags.DurationVar(&opts.limit, "for", 0, "end after this time, though not all faults have been met; 0: no limit")
	flags.BoolVar(&opts.verbose, "v", false, "print what happens in each round, as it happens")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	for name := range strings.SplitSeq(*names, ",") {
		found := false
		for _, p := range profiles() {
			if p.name == name {
				opts.profiles, found = append(opts.profiles, p), true
			}
		}
		if !found {
			err = fmt.Errorf("-profile: %q is none of %s", name, profileNames())
			_, _ = fmt.Fprintln(errs, "faults:", err)
			return opts, err
		}
	}
	return opts, nil
}

var errBroken = errors.New("a promise was broken: see the rounds above")

// all runs the campaign under every profile that was asked for.
func (o options) all(ctx context.Context, out io.Writer) (err error) {
	for _, name := range []*string{&o.program, &o.dir} {
		if *name, err = filepath.Abs(*name); err != nil {
			return err
		}
	}
	if o.without != "" {
		if o.program, err = o.buildWithout(ctx); err != nil {
			return err
		}
	}
	if o.upgrade, err = o.build(ctx, "upgrade", "-ldflags", "-s -w -X main.version=upgraded"); err != nil {
		return err
	}
	if _, err := exec.LookPath(o.program); err != nil {
		return fmt.Errorf("%w: run make faults, or make build", err)
	}
	broken := false
	for _, p := range o.profiles {
		c := &campaign{options: o, profile: p, out: out, dir: filepath.Join(o.dir, p.name)}
		failed, err := c.run(ctx)
		if err != nil {
			return fmt.Errorf("profile %s: %w", p.name, err)
		}
		broken = broken || failed > 0
	}
	switch {
	case o.without != "" && !broken:
		return fmt.Errorf("without the guard %s nothing went wrong", o.without)
	case o.without == "" && broken:
		return errBroken
	}
	return nil
}

// buildWithout makes a daemon that leaves out one guard of the decision.
func (o options) buildWithout(ctx context.Context) (program string, err error) {
	if program, err = o.build(ctx, "weakened"); err != nil {
		return "", err
	}
	return program, os.Setenv("BATON_WITHOUT", o.without)
}

// build makes a daemon of this tree, in a directory of that name.
func (o options) build(ctx context.Context, name string, flags ...string) (program string, err error) {
	program = filepath.Join(o.dir, name, "baton")
	if o.without != "" {
		flags = append(flags, "-tags", "weakened")
	}
	build := exec.CommandContext(ctx, "go", slices.Concat([]string{"build", "-trimpath", "-o", program}, flags, []string{"./cmd/baton"})...) //nolint:gosec // this module
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the daemon (%s): %w\n%s", name, err, text)
	}
	return program, nil
}

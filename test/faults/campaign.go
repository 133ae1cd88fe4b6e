package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"baton/internal/api"
)

// campaign is one profile's rounds.
type campaign struct {
	options
	profile profile
	out     io.Writer
	dir     string
	commit  string // of the tree when it began

	world   *world
	book    *ledger
	results *os.File
}

func (c *campaign) say(format string, args ...any) {
	_, _ = fmt.Fprintf(c.out, format+"\n", args...)
}

// resultsName is the file of a profile's results, one round a line.
const resultsName = "rounds.jsonl"

// run plays the rounds and returns how many broke a promise.
func (c *campaign) run(ctx context.Context) (failed int, err error) {
	first, err := c.open()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	last := c.rounds
	if c.only > 0 {
		first, last = c.only, c.only
	}
	c.say("%s: rounds %d to %d of seed %d; results and logs in %s", c.profile.name, first, last, c.seed, c.dir)
	began, played := time.Now(), 0
	for number := first; number <= last; number++ {
		if c.limit > 0 && time.Since(began) > c.limit {
			c.say("%s: the time is over after %d faults", c.profile.name, number-first)
			break
		}
		broken, err := c.round(ctx, number)
		if err != nil {
			return failed, err
		}
		played++
		if broken {
			failed++
			if c.without != "" {
				c.say("without the guard %s a promise was broken by fault %d", c.without, number)
				return failed, nil
			}
		}
	}
	c.say("%s: %d of %d rounds broke a promise", c.profile.name, failed, played)
	return failed, c.conclude()
}

// conclude judges the campaign as a whole, and writes the page if it was long enough.
func (c *campaign) conclude() error {
	s, err := c.summarize()
	if err != nil || c.only > 0 {
		return err
	}
	c.say("%s: two owners %d ms at most (%d ms in cases of I5), %d of %d writes lost, %d excused, %d persons, data age p99 %d ms",
		s.Profile, s.Two, s.TwoSplit, s.Lost, s.Answered, s.Excused, s.Persons, s.AgeP99)
	if c.without != "" {
		return nil
	}
	if s.AgeP99 > ageBound.Milliseconds() {
		return fmt.Errorf("%w: 1 of 100 faults met data older than %s", errBroken, ageBound)
	}
	if s.Faults < pageRounds {
		c.say("%s is left as it was: it is written from %d faults on", c.page, pageRounds)
		return nil
	}
	c.say("written: %s", c.page)
	return s.write(c.page)
}

// open makes the directory and finds the first round.
func (c *campaign) open() (first int, err error) {
	if !c.resume && c.only == 0 {
		if err := os.RemoveAll(c.dir); err != nil {
			return 0, err
		}
	}
	if err := os.MkdirAll(c.dir, 0o755); err != nil { //nolint:gosec // for the one who runs it
		return 0, err
	}
	path := filepath.Join(c.dir, resultsName)
	first, err = nextRound(path)
	if err != nil {
		return 0, err
	}
	if c.only > 0 {
		path = filepath.Join(c.dir, "only.jsonl")
	}
	c.results, err = os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // for the one who runs it
	c.book, c.commit = newLedger(), thisCommit()
	return first, err
}

// nextRound is the one after the last in the file.
func nextRound(path string) (int, error) {
	next := 1
	err := eachResult(path, func(r result) { next = r.Plan.Round + 1 })
	return next, err
}

// eachResult reads a file of results; one that is not there has none.
func eachResult(path string, take func(result)) error {
	file, err := os.Open(path) //nolint:gosec // the campaign's own
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		take(r)
	}
	return lines.Err()
}

func (c *campaign) close() error {
	err := c.results.Close()
	if c.world != nil {
		err = errors.Join(err, c.world.close())
		c.world = nil
	}
	return err
}

// round plays one, and makes a new pair first if there is none.
func (c *campaign) round(ctx context.Context, number int) (broken bool, err error) {
	if c.world == nil {
		if c.world, err = newWorld(ctx, [2]string{c.program, c.upgrade}, c.dir, c.profile.timeout); err != nil {
			return false, fmt.Errorf("make the pair: %w", err)
		}
		c.book = newLedger()
	}
	r := &round{plan: draw(c.seed, number, c.profile.timeout), world: c.world, profile: c.profile, verbose: func(string, ...any) {}}
	if c.verbose {
		r.verbose = c.say
	}
	if err := c.ready(ctx, r); err != nil {
		return false, err
	}
	res, err := r.play(ctx)
	if err == nil {
		err = r.judge(ctx, &res, c.book, c.dir)
	}
	if err != nil {
		return false, errors.Join(err, r.evidence(c.dir, res))
	}
	if err := c.keep(r, res); err != nil {
		return false, err
	}
	if res.Person != "" { // the person makes a new pair
		err = c.world.close()
		c.world = nil
	}
	return len(res.Broken) > 0, err
}

// ready waits for a whole pair and opens the round.
func (c *campaign) ready(ctx context.Context, r *round) (err error) {
	r.world.visitor.begin(r.plan.Round)
	whole := func() (why string) {
		if why = c.world.protected(ctx); why == "" {
			r.primary, r.backup, why = c.world.roles(ctx)
		}
		return why
	}
	if why := r.await(ctx, time.Now(), whole); why != "" {
		return fmt.Errorf("round %d: the pair is not whole: %s", r.plan.Round, why)
	}
	for _, m := range c.world.both() {
		// Automatic failover pauses after three takeovers in an hour: the campaign is no hour.
		if err := api.Resume().Do(ctx, m.appliance.API, api.None{}); err != nil {
			return fmt.Errorf("resume on %s: %w", m.appliance.Name(), err)
		}
		if err := errors.Join(m.forgetLog(), m.forgetBeats(c.dir)); err != nil {
			return err
		}
	}
	return nil
}

// keep writes the result, and the evidence if a promise was broken.
func (c *campaign) keep(r *round, res result) error {
	line, err := json.Marshal(res)
	if err != nil {
		return err
	}
	if _, err := c.results.Write(append(line, '\n')); err != nil {
		return err
	}
	c.say("%s", describe(res))
	for _, what := range res.Broken {
		c.say("    BROKEN: %s", what)
	}
	if len(res.Broken) == 0 {
		return nil
	}
	return r.evidence(c.dir, res)
}

// describe is the round in one line.
func describe(res result) string {
	text := fmt.Sprintf("%5d  %-9s %-20s", res.Plan.Round, res.Plan.Moment, res.Plan.First.Kind+kind(" ("+string(res.Plan.First.On)+")"))
	if s := res.Plan.Second; s != nil {
		text += fmt.Sprintf(" + %s (%s)", s.Kind, s.On)
	}
	return fmt.Sprintf("%s: two %d ms, job %d ms, gap %d ms, back %d ms, safe %d ms, age %d ms, %d answered, %d aside, %d lost, took %.1f s, stall %d ms",
		text, res.OwnersMS, res.JobMS, res.GapMS, res.BackMS, res.SafeMS, res.AgeMS, res.Answered, res.Aside, res.Lost, res.TookSeconds, res.StallMS)
}

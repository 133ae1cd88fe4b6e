package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// round is one round under way.
type round struct {
	plan            plan
	world           *world
	profile         profile
	primary, backup *machine // when it began
	asked           sync.WaitGroup
	began           time.Time
	struck          time.Time     // by the first of all faults
	epoch           uint64        // when it began
	raised          int           // how often the epoch has risen
	late            time.Duration // the latest fault or mending, against the plan
	ages            []shown

	mu      sync.Mutex
	log     []string
	refused bool // a planned switch
	stays   bool // a daemon that was to be reloaded, or to stop
	verbose func(format string, args ...any)
	mended  time.Time
	visits  []visit
	claims  []lab.Claim
}

func (r *round) machine(s side) *machine {
	if s == onPrimary {
		return r.primary
	}
	return r.backup
}

func (r *round) note(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	line := time.Now().Format(clock) + " " + fmt.Sprintf(format, args...)
	r.log = append(r.log, line)
	r.verbose("    %s", line)
}

func (r *round) switchRefused() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused = true
}

func (r *round) orderRefused() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stays = true
}

// play runs the round: from a pair that is whole to one that is again.
func (r *round) play(ctx context.Context) (result, error) {
	res := result{Plan: r.plan}
	stalled := watchStalls(ctx)
	held, stopLooking := r.look(ctx)
	err := r.strike(ctx, &res)
	if err == nil {
		err = r.recover(ctx, &res)
	}
	stopLooking()
	r.asked.Wait()
	if err != nil {
		stalled()
		return res, err
	}
	stall := stalled()
	res.StallMS = stall.longest.Milliseconds()
	res.HeldMS = held().Milliseconds()
	res.TookSeconds = time.Since(r.began).Seconds()
	return res, nil
}

// look watches whose kernels have the address.
func (r *round) look(ctx context.Context) (held func() time.Duration, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ownership := r.world.lab.Ownership(sharedIP().Addr(), lookEvery)
	var looking sync.WaitGroup
	looking.Go(func() {
		for ctx.Err() == nil {
			_ = ownership.Run(ctx) // a host that loses its power just then is an error
		}
	})
	return func() (sum time.Duration) {
			for _, both := range ownership.Overlaps() {
				sum += both.Duration()
			}
			return sum
		}, func() {
			cancel()
			looking.Wait()
		}
}

// strike brings about the moment and does all that the plan asks for.
func (r *round) strike(ctx context.Context, res *result) error {
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if why := r.cast(ctx); why != "" {
		return fmt.Errorf("round %d: the pair fell apart by itself: %s", r.plan.Round, why)
	}
	r.began = time.Now()
	res.At = r.began
	for _, d := range r.deeds() {
		if err := rest(ctx, time.Until(r.began.Add(d.at))); err != nil {
			return err
		}
		if err := r.readAge(ctx); err == nil && res.AgeMS == 0 {
			res.AgeMS = r.ages[0].age.Milliseconds()
		}
		r.note("%s", d.what)
		r.late = max(r.late, time.Since(r.began.Add(d.at)))
		if r.struck.IsZero() {
			r.struck = time.Now()
		}
		if err := d.do(ctx); err != nil {
			return fmt.Errorf("round %d: %s: %w", r.plan.Round, d.what, err)
		}
	}
	return nil
}

// cast says who is who, right before the first fault: a machine that stood still
// since the pair was looked at may have changed that.
func (r *round) cast(ctx context.Context) (why string) {
	why = r.await(ctx, time.Now(), func() (why string) {
		r.primary, r.backup, why = r.world.roles(ctx)
		return why
	})
	r.epoch = r.world.epoch
	return why
}

// prepare has a data sync run when that is the moment.
func (r *round) prepare(ctx context.Context) error {
	if r.plan.Moment != momentSyncing {
		return nil
	}
	bulk := make([]byte, 8<<20)
	_, _ = rand.Read(bulk)
	if err := os.WriteFile(filepath.Join(r.primary.appliance.Path(daemon.SiteDir), "bulk"), bulk, 0o644); err != nil { //nolint:gosec // a public site
		return err
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if status, err := r.backup.appliance.Status(ctx); err == nil && status.Sync.State == pair.SyncRunning && status.Sync.BytesTotal > 1<<20 {
			return nil
		}
	}
	r.note("no data sync was seen to run")
	return ctx.Err()
}

// readAge notes what the backup shows.
func (r *round) readAge(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	status, err := r.backup.appliance.Status(ctx)
	if err != nil || status.Role != pair.Backup || status.Sync.DataAgeMS < 0 {
		return fmt.Errorf("no data age is shown (%w)", err)
	}
	r.ages = append(r.ages, shown{time.Now(), time.Duration(status.Sync.DataAgeMS) * time.Millisecond})
	return nil
}

// recover mends everything and waits until the pair has found back by itself.
func (r *round) recover(ctx context.Context, res *result) error {
	if err := r.world.mend(ctx); err != nil {
		return fmt.Errorf("mend: %w", err)
	}
	r.mended = time.Now()
	r.note("all is mended")
	r.asked.Wait()
	whole := time.Now()
	why := r.await(ctx, whole, func() string {
		primary, _, why := r.world.roles(ctx)
		if why == "" && !r.answers(primary) {
			why = "visitors are not answered by " + primary.appliance.Name()
		}
		return why
	})
	res.BackMS = time.Since(whole).Milliseconds()
	if why == "" {
		r.note("one primary and one backup")
		why = r.await(ctx, whole, func() string { return r.world.protected(ctx) })
		res.SafeMS = time.Since(whole).Milliseconds()
	}
	if why != "" {
		r.note("a person is needed: %s", why)
		res.Person = why
	} else {
		r.note("whole again")
	}
	return ctx.Err()
}

// answers reports whether the newest answer is the primary's, and new.
func (r *round) answers(primary *machine) bool {
	last := r.world.visitor.last()
	return last.host == primary.appliance.Name() && time.Since(last.done) < 300*time.Millisecond
}

// await waits until there is no more reason why not, and returns it if it stays.
func (r *round) await(ctx context.Context, since time.Time, reason func() string) (why string) {
	for {
		if why = reason(); why == "" || ctx.Err() != nil || time.Since(since) > giveUp {
			return why
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// judge fills in what visitors and observers saw, and says which promises were broken.
func (r *round) judge(ctx context.Context, res *result, book *ledger, dir string) error {
	job, err := r.bothRanIt(dir)
	if err != nil {
		return err
	}
	res.JobMS = job.Milliseconds()
	end := time.Now()
	var failures []string
	r.visits, failures = r.world.visitor.take()
	res.Failed, res.Unanswered = len(failures), failures[:min(len(failures), mostNamed)]
	book.add(r.visits, r.plan.Round)
	claims := r.world.watcher.Since(time.Time{}, sharedIP().Addr())
	r.world.watcher.Forget(end) // what comes later is the next round's
	r.claims = claims
	res.Answered = len(r.visits)
	link, visits := bothOnLink(claims), bothForVisitors(r.visits)
	res.LinkMS, res.VisitsMS, res.OwnersMS = link.Milliseconds(), visits.Milliseconds(), max(link, visits).Milliseconds()
	res.GapMS = longestGap(r.visits, r.began.Add(-50*time.Millisecond), end).Milliseconds()
	res.Split = split(r.plan)
	if res.Person == "" {
		if err := r.balance(ctx, res, book); err != nil {
			return err
		}
	}
	if res.Person == "" {
		if why := r.await(ctx, time.Now(), func() string { return r.world.idle(ctx, dir) }); why != "" {
			res.Broken = append(res.Broken, why)
		}
	}
	res.Broken = append(res.Broken, r.broken(res)...)
	return nil
}

func (r *round) balance(ctx context.Context, res *result, book *ledger) error {
	var primary *machine
	why := r.await(ctx, time.Now(), func() (why string) { primary, _, why = r.world.roles(ctx); return why })
	if why != "" {
		return fmt.Errorf("the pair fell apart by itself: %s", why)
	}
	account, err := book.balance(ctx, r.world, primary)
	if err != nil {
		return err
	}
	res.Aside = account.aside
	r.raised = int(r.world.epoch - r.epoch) //nolint:gosec // a few
	for _, v := range account.lost {
		if younger(v, r.ages) {
			res.Excused++
			continue
		}
		res.Lost++
		r.note("lost: number %d of round %d, acknowledged by %s at %s", v.number, v.file, v.host, v.done.Format(clock))
	}
	_, err = primary.database(ctx, "forget", strconv.Itoa(r.plan.Round-keptRounds))
	return errors.Join(err, forgetNotes(primary.appliance.Path(daemon.SiteDir), r.plan.Round))
}

// evidence writes what a round that broke a promise left.
func (r *round) evidence(dir string, res result) error {
	dir = filepath.Join(dir, fmt.Sprintf("round-%06d", r.plan.Round))
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // for the one who runs it
		return err
	}
	facts, err := json.MarshalIndent(res, "", "  ")
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s\n\n%s\n\n%s\n", strings.Join(r.log, "\n"), r.turns(), facts)
	if err := os.WriteFile(filepath.Join(dir, "round.txt"), []byte(text), 0o644); err != nil { //nolint:gosec // for the one who runs it
		return err
	}
	for _, m := range r.world.both() {
		said, err := os.ReadFile(m.appliance.Log)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, m.appliance.Name()+".log"), said, 0o644); err != nil { //nolint:gosec // for the one who runs it
			return err
		}
	}
	return nil
}

// turns lists who answered when.
func (r *round) turns() string {
	var lines []string
	list := func(when map[string][]time.Time, closeness time.Duration, whom string) {
		for host, instants := range when {
			for _, s := range spans(instants, closeness) {
				lines = append(lines, fmt.Sprintf("%s to %s: %s answered %s", s.from.Format(clock), s.to.Format(clock), host, whom))
			}
		}
	}
	list(visitTimes(r.visits), joinedVisits, "visitors")
	list(claimTimes(r.claims), joinedClaims, "on the link")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

const clock = "15:04:05.000"

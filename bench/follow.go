package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// Of what is written while Baton follows.
const (
	writesASecond = 100
	watchedWrites = 10 // every so many of them is looked for on the backup
	followed      = 30 * time.Second
)

// writer writes small files of the tree anew, so many a second, until its context ends.
func (t *trees) writer(ctx context.Context, files int, wrote func(i, round int, at time.Time)) error {
	tick := time.NewTicker(time.Second / writesASecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		i, round := n*7919%files, 1000+n // no two of them side by side
		if err := t.tree.WriteOne(i, smallSize, round); err != nil {
			return err
		}
		wrote(i, round, time.Now())
	}
}

// writeToSnapshot measures from a write on the primary to the complete snapshot with it on the backup.
func writeToSnapshot(ctx context.Context, t *trees) ([]row, error) {
	files := smallFiles / t.share
	scenario := fmt.Sprintf("%d files of 10 KiB, %d written a second", files, writesASecond)
	ours := row{scenario: scenario, measure: "from a write to a snapshot with it, median", program: "Baton, continuous"}
	late := row{scenario: scenario, measure: "from a write to a snapshot with it, p99", program: "Baton, continuous", bound: atMost(time.Second)}
	if err := t.prepare(ctx, files, smallSize); err != nil {
		return nil, err
	}
	lasting := followed
	if t.opts.quick {
		lasting /= 5
	}
	writing, stop := context.WithTimeout(ctx, lasting)
	defer stop()
	type write struct {
		i, round int
		at       time.Time
	}
	writes := make(chan write, writesASecond*int(followed/time.Second))
	failed := make(chan error, 1)
	go func() {
		defer close(writes)
		failed <- t.writer(writing, files, func(i, round int, at time.Time) {
			if round%watchedWrites == 0 {
				writes <- write{i, round, at}
			}
		})
	}()
	var took row
	for w := range writes {
		there := strings.Replace(t.tree.Small(w.i), t.tree.Dir, t.baton.appliances[1].Path(treeDir), 1)
		text := fmt.Sprintf("file %d in round %d\n", w.i, w.round)
		if err := await(ctx, "the write is in a snapshot", func() bool { return begins(there, text) }); err != nil {
			return nil, err
		}
		took.addTime(time.Since(w.at))
	}
	if err := <-failed; err != nil {
		return nil, err
	}
	sorted := took.sorted()
	ours.values = append(ours.values, sorted[len(sorted)/2])
	late.values = append(late.values, sorted[len(sorted)*99/100])
	return []row{ours, late}, nil
}

func begins(path, with string) bool {
	text, err := os.ReadFile(path) //nolint:gosec // ours
	return err == nil && strings.HasPrefix(string(text), with)
}

// prepare makes the tree, protects it, and waits until the backup has it.
func (t *trees) prepare(ctx context.Context, files, size int) error {
	if err := t.tree.Write(files, size, 1, 0); err != nil {
		return err
	}
	if err := t.protect(ctx, "followed"); err != nil {
		return err
	}
	return t.baton.sync(ctx)
}

// switchOfManyFiles measures a planned switch while the tree is written to until the site is closed.
func switchOfManyFiles(ctx context.Context, t *trees) ([]row, error) {
	files := smallFiles / t.share
	ours := row{
		scenario: fmt.Sprintf("planned switch, %d files, %d written a second", files, writesASecond), measure: withoutAnswer,
		program: "Baton, with final data sync", bound: atMost(300 * time.Millisecond),
	}
	if err := t.prepare(ctx, files, smallSize); err != nil {
		return nil, err
	}
	var err error
	for round := range t.runs(4) {
		on := t.baton.appliances[round%2]
		t.tree.Dir = on.Path(treeDir)
		writing, stop := context.WithCancel(ctx)
		failed := make(chan error, 1)
		go func() { failed <- t.writer(writing, files, func(int, int, time.Time) {}) }()
		err = t.once(ctx, t.baton, ours.switches(func(ctx context.Context) error {
			time.AfterFunc(50*time.Millisecond, stop) // about when the site is closed
			return t.baton.handOver(ctx)
		}))
		stop()
		if err == nil {
			err = <-failed
		}
		if err == nil {
			err = t.baton.steady(ctx)
		}
		if err != nil {
			return nil, err
		}
	}
	return []row{ours}, nil
}

// atRest measures what the daemons use while they follow a tree in which nothing changes.
func atRest(files int) func(ctx context.Context, t *trees) ([]row, error) {
	return func(ctx context.Context, t *trees) ([]row, error) {
		files := files / t.share
		scenario := fmt.Sprintf("at rest, %d files followed", files)
		memory, processor := 100.0, 1.0
		if files > 500_000 {
			memory = 200
		}
		resident := row{scenario: scenario, measure: "resident memory", program: "Baton, primary and backup", unit: megabytes, bound: &memory}
		used := row{scenario: scenario, measure: "of one core", program: "Baton, primary and backup", unit: percent, bound: &processor}
		if err := t.prepare(ctx, files, 100); err != nil {
			return nil, err
		}
		if err := rest(ctx, 10*idleQuiet); err != nil { // until what the first sync took is given back
			return nil, err
		}
		pids := []int{t.baton.appliances[0].Daemon().PID(), t.baton.appliances[1].Daemon().PID()}
		if err := t.watchIdle(ctx, pids, &resident, &used); err != nil {
			return nil, err
		}
		return []row{resident, used}, nil
	}
}

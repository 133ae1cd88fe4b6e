package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/lab"
)

// Of the application whose database is copied while it writes.
const (
	databaseName    = "app.db"
	databaseRows    = 40_000 // of 4 KiB
	transactions    = 500    // a second
	agedFor         = 20 * time.Second
	undisturbedFor  = 8 * time.Second
	copyDatabaseFor = 30 * time.Second // a copy that takes longer has not ended
)

// database measures what following a database costs its program, how old the copy is, and how long a whole copy takes.
func database(ctx context.Context, t *trees) ([]row, error) {
	rows := databaseRows / t.share
	a := &application{trees: t, alpha: t.lab.Host("alpha"), beta: t.lab.Host("beta"), rows: rows}
	if _, err := a.on(ctx, a.alpha, "make", rows); err != nil {
		return nil, err
	}
	primary := t.baton.appliances[0]
	if err := primary.Do(ctx, "", "data", "add", "sqlite", "app", a.path()); err != nil {
		return nil, err
	}
	scenario := fmt.Sprintf("SQLite database of %d MB in use", rows*4/1000)
	var found []row
	for _, part := range []func(ctx context.Context, scenario string) ([]row, error){a.throughput, a.age, a.copied} {
		more, err := part(ctx, scenario)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// application is the program on alpha that has the database.
type application struct {
	trees       *trees
	alpha, beta *lab.Host
	rows        int
}

func (a *application) path() string { return filepath.Join(a.trees.lab.Disk(), treeDir, databaseName) }

// on runs a part of it on a host, see application.go, and returns the numbers that it prints, each with a moment.
func (a *application) on(ctx context.Context, host *lab.Host, part string, args ...any) ([]moment, error) {
	words := []string{applicationCommand, part, a.path()}
	for _, arg := range args {
		words = append(words, fmt.Sprint(arg))
	}
	out, err := host.Output(ctx, lab.Cmd{Path: a.trees.opts.self, Args: words})
	if err != nil {
		return nil, fmt.Errorf("the application on %s: %w", host.Name(), err)
	}
	var all []moment
	for line := range strings.Lines(string(out)) {
		number, nanos, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, _ := strconv.Atoi(number)
		at, err := strconv.ParseInt(nanos, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the application on %s says %q", host.Name(), line)
		}
		all = append(all, moment{n, time.Unix(0, at)})
	}
	return all, nil
}

// moment is when a transaction was acknowledged, or seen.
type moment struct {
	number int
	at     time.Time
}

// throughput counts the program's transactions in turns, with and without data syncs.
func (a *application) throughput(ctx context.Context, scenario string) ([]row, error) {
	const measure = "transactions a second of its program"
	alone := row{scenario: scenario, measure: measure, program: "nobody copies it", unit: count}
	beside := row{scenario: scenario, measure: measure, program: "Baton, continuous", unit: count}
	lasting := undisturbedFor / time.Duration(a.trees.share)
	for range a.trees.runs(3) {
		for _, turn := range []struct {
			on string
			to *row
		}{{"false", &alone}, {"true", &beside}} {
			if err := a.trees.baton.appliances[0].Do(ctx, "", "settings", "set", "backup_operations="+turn.on); err != nil {
				return nil, err
			}
			made, err := a.on(ctx, a.alpha, "write", lasting.Seconds(), 0)
			if err != nil {
				return nil, err
			}
			turn.to.add(float64(len(made)) / lasting.Seconds())
		}
	}
	return []row{alone, beside}, a.trees.baton.sync(ctx)
}

// age measures from a transaction to a copy with it.
func (a *application) age(ctx context.Context, scenario string) ([]row, error) {
	scenario = fmt.Sprintf("%s, %d transactions a second", scenario, transactions)
	middle := row{scenario: scenario, measure: "from a transaction to a copy with it, median", program: "Baton, continuous"}
	late := row{scenario: scenario, measure: "from a transaction to a copy with it, p99", program: "Baton, continuous", bound: atMost(time.Second)}
	lasting := agedFor / time.Duration(a.trees.share)
	type outcome struct {
		seen []moment
		err  error
	}
	watched := make(chan outcome, 1)
	go func() {
		seen, err := a.on(ctx, a.beta, "watch", (lasting + 5*time.Second).Seconds())
		watched <- outcome{seen, err}
	}()
	made, err := a.on(ctx, a.alpha, "write", lasting.Seconds(), transactions)
	found := <-watched
	if err != nil || found.err != nil {
		return nil, errors.Join(err, found.err)
	}
	var took row
	for _, m := range made {
		at, _ := slices.BinarySearchFunc(found.seen, m.number, func(s moment, number int) int { return s.number - number })
		if at == len(found.seen) {
			return nil, fmt.Errorf("transaction %d is in no copy", m.number)
		}
		took.addTime(found.seen[at].at.Sub(m.at))
	}
	sorted := took.sorted()
	middle.values = append(middle.values, sorted[len(sorted)/2])
	late.values = append(late.values, sorted[len(sorted)*99/100])
	return []row{middle, late}, nil
}

// copied measures how long a copy of the database as it is now takes while its program writes to it.
func (a *application) copied(ctx context.Context, scenario string) ([]row, error) {
	scenario = fmt.Sprintf("%s, %d transactions a second", scenario, transactions)
	const measure = "until there is a copy of it as it is now"
	theirs := row{scenario: scenario, measure: measure, program: "sqlite3 .backup (backup API), on the same machine"}
	ours := row{scenario: scenario, measure: measure, program: "Baton (TLS 1.3, verified, durable), on the other"}
	writing, stop := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		_, _ = a.on(writing, a.alpha, "write", time.Hour.Seconds(), transactions) // it is stopped
		close(stopped)
	}()
	defer func() {
		stop()
		<-stopped
	}()
	for range a.trees.runs(3) {
		began := time.Now()
		if err := a.trees.baton.sync(ctx); err != nil {
			return nil, err
		}
		ours.addTime(time.Since(began))
		began = time.Now()
		waiting, end := context.WithTimeout(ctx, copyDatabaseFor/time.Duration(a.trees.share))
		_, err := a.alpha.Output(waiting, lab.Cmd{Path: "sqlite3", Args: []string{"-cmd", ".timeout 20000", a.path(), ".backup " + filepath.Join(a.trees.lab.Disk(), "copy.db")}})
		switch {
		case waiting.Err() != nil: // each transaction has it begin anew
			theirs.addOpen(time.Since(began))
		case err == nil:
			theirs.addTime(time.Since(began))
		}
		if end(); err != nil && waiting.Err() == nil {
			return nil, err
		}
	}
	return []row{theirs, ours}, nil
}

package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/lab/daemon"
)

// keptRounds is for how many rounds an acknowledged write is asked for again.
const keptRounds = 3

// ledger holds every acknowledged write of the last rounds.
type ledger struct {
	visits map[uint64]visit // by the number of the request
	aside  map[uint64]bool  // seen in a diverged copy, which has been deleted since
}

func newLedger() *ledger { return &ledger{visits: map[uint64]visit{}, aside: map[uint64]bool{}} }

// add notes what was answered in a round, and forgets what is old.
func (l *ledger) add(visits []visit, round int) {
	for number, v := range l.visits {
		if v.file <= round-keptRounds {
			delete(l.visits, number)
			delete(l.aside, number)
		}
	}
	for _, v := range visits {
		l.visits[v.number] = v
	}
}

// account says how many acknowledged writes are where.
type account struct {
	aside int     // in a diverged copy only
	lost  []visit // nowhere
}

// balance looks for every write, in the active data first, then in the diverged
// copies of both, which it deletes afterwards.
func (l *ledger) balance(ctx context.Context, w *world, primary *machine) (a account, err error) {
	active, err := readNotes(primary.appliance.Path(daemon.SiteDir))
	if err != nil {
		return a, err
	}
	rows, err := primary.database(ctx, "read")
	if err != nil {
		return a, err
	}
	addNumbers(active, rows)
	for _, m := range w.both() {
		if err := l.takeAside(ctx, m); err != nil {
			return a, err
		}
	}
	for number, v := range l.visits {
		switch {
		case active[number]:
		case l.aside[number]:
			a.aside++
		default:
			a.lost = append(a.lost, v)
		}
	}
	for _, v := range a.lost { // told once
		delete(l.visits, v.number)
	}
	return a, nil
}

// readNotes reads the numbers in the files of a directory.
func readNotes(dir string) (map[uint64]bool, error) {
	names, err := filepath.Glob(filepath.Join(dir, notePrefix+"*"))
	if err != nil {
		return nil, err
	}
	numbers := map[uint64]bool{}
	for _, name := range names {
		text, err := os.ReadFile(name) //nolint:gosec // the site's own
		if err != nil {
			return nil, fmt.Errorf("read the active data: %w", err)
		}
		addNumbers(numbers, string(text))
	}
	return numbers, nil
}

func addNumbers(numbers map[uint64]bool, text string) {
	for field := range strings.FieldsSeq(text) {
		if number, err := strconv.ParseUint(field, 10, 64); err == nil {
			numbers[number] = true
		}
	}
}

// takeAside reads the numbers in the machine's diverged copies, and deletes them.
func (l *ledger) takeAside(ctx context.Context, m *machine) error {
	copies, err := api.ListDiverged().Call(ctx, m.appliance.API, api.None{})
	if err != nil {
		return fmt.Errorf("list the diverged copies of %s: %w", m.appliance.Name(), err)
	}
	for _, one := range copies {
		if err := api.ExportDiverged().Call(ctx, m.appliance.API, one.ID, func(archive io.Reader) error { return l.readCopy(ctx, archive) }); err != nil {
			return fmt.Errorf("export %s of %s: %w", one.ID, m.appliance.Name(), err)
		}
		if err := api.DeleteDiverged().Do(ctx, m.appliance.API, one.ID); err != nil {
			return fmt.Errorf("delete %s of %s: %w", one.ID, m.appliance.Name(), err)
		}
	}
	return nil
}

func (l *ledger) readCopy(ctx context.Context, archive io.Reader) error {
	files := tar.NewReader(archive)
	for {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if path.Base(header.Name) == databaseName && header.Size > 0 {
			if err := addDatabase(ctx, l.aside, files); err != nil {
				return err
			}
			continue
		}
		if !strings.HasPrefix(path.Base(header.Name), notePrefix) {
			continue
		}
		text, err := io.ReadAll(files)
		if err != nil {
			return err
		}
		addNumbers(l.aside, string(text))
	}
}

// younger reports whether a write was younger than the data age shown at one of
// the faults: that much may be lost by a takeover from a disk that never returns.
func younger(v visit, faults []shown) bool {
	for _, f := range faults {
		if v.done.Before(f.at) && v.done.After(f.at.Add(-f.age)) {
			return true
		}
	}
	return false
}

// shown is the data age that the backup showed right before a fault.
type shown struct {
	at  time.Time
	age time.Duration
}

// forgetNotes removes the files of old rounds from the active data.
func forgetNotes(dir string, round int) error {
	err := os.Remove(filepath.Join(dir, notePrefix+strconv.Itoa(round-keptRounds)))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

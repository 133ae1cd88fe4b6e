// Package ledger keeps what the data sync must not forget on this appliance: which
// snapshot is here, which one both appliances have had, their manifests, and the journal
// of a snapshot that is being put into place.
//
// It keeps files and changes no data. In which order they are written while a snapshot is
// committed is told in commit.go of package datasync.
//
// Start reading at State and Record, then Ledger.
package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/durable"
	"baton/internal/pair"
)

// The files of the ledger.
const (
	stateFile   = "state.json"
	nextFile    = "state.next.json" // the state once the recorded snapshot is in place
	journalFile = "journal.json"
	lostFile    = "journal.lost.json" // of a snapshot that can be neither finished nor taken back
	manifests   = "manifests"
	steps       = "steps"
)

// ErrTorn means that a snapshot is half in place.
var ErrTorn = errors.New("a snapshot is half in place")

func errLost() error {
	return source.Sentence(ErrTorn, "A snapshot is half in place here, and what is needed to finish it or to take it back is damaged: a complete data sync makes the data whole again.")
}

// Options are what a Ledger is made of.
type Options struct {
	Dir    string                   // its folder
	Check  func(manifest.Set) error // refuses a set that is not safe to be put into place
	Inline pair.Data                // what travels with the manifest; the zero value: nothing does
	Log    *slog.Logger
}

// Ledger is what the data sync remembers. Its methods may be called at once.
type Ledger struct {
	opt Options

	saving sync.Mutex // one change of the state at a time

	mu       sync.Mutex
	state    State
	cached   map[Reference]manifest.Manifest // of the state's manifests, as far as loaded
	kept     map[manifest.Digest]kept        // how manifests are kept, as far as known
	pending  *Record                         // in the journal
	torn     error                           // why the recorded snapshot is half in place, and stays so; nil: the data is whole
	measured measured
}

// Open reads what is in the ledger's folder, which it makes if it is missing.
func Open(opt Options) (*Ledger, error) {
	l := &Ledger{opt: opt, cached: map[Reference]manifest.Manifest{}, kept: map[manifest.Digest]kept{}}
	for _, sub := range []string{manifests, steps} {
		if err := os.MkdirAll(l.path(sub), 0o700); err != nil {
			return nil, fmt.Errorf("make what the data sync needs: %w", err)
		}
	}
	_ = durable.Reserve(l.path(stateFile)) // a takeover writes it, also on a disk that is full by then
	if err := l.readState(); err != nil {
		return nil, err
	}
	if err := l.readJournal(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(l.path(lostFile)); err == nil {
		l.torn = errLost()
	}
	return l, nil
}

func (l *Ledger) path(parts ...string) string {
	return filepath.Join(append([]string{l.opt.Dir}, parts...)...)
}

// readState reads the state, and tells a first start from a state that is lost.
func (l *Ledger) readState() error {
	path := l.path(stateFile)
	found, err := durable.ReadJSON(path, "snapshot", &l.state)
	_, marked := os.Lstat(durable.MarkOf(path))
	switch {
	case err == nil && !found && marked == nil:
		err = fmt.Errorf("%s is missing, but was here before", path)
	case err == nil:
		return nil
	}
	return fmt.Errorf("%w. It says which snapshot is here and what both appliances have: put it back from a backup, or remove it and %s; "+
		"then nothing counts as in step with the peer, and the next data sync sets aside what it replaces", err, durable.MarkOf(path))
}

func (l *Ledger) readJournal() error {
	var rec Record
	found, err := durable.ReadJSON(l.path(journalFile), "snapshot", &rec)
	if err != nil {
		return fmt.Errorf("%w. It says which snapshot was being put into place, so the protected data may be half of one and half of another: "+
			"put it back from a backup, or rename it to %s; then this appliance does not take over by itself until a complete data sync has made the data whole", err, lostFile)
	}
	if found {
		l.pending = &rec
	}
	return nil
}

// State returns what is remembered.
func (l *Ledger) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Pending returns what the journal holds; nil: nothing.
func (l *Ledger) Pending() *Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pending
}

// Torn returns why a snapshot is half in place and stays so; nil: none is.
func (l *Ledger) Torn() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.torn
}

// SetTorn notes why a snapshot is half in place, and returns it; nil: the data is whole.
func (l *Ledger) SetTorn(why error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.torn = why
	return why
}

// Save makes a changed state durable, and forgets what it no longer refers to.
func (l *Ledger) Save(change func(*State)) error {
	l.saving.Lock()
	defer l.saving.Unlock()
	next := l.State()
	change(&next)
	if err := l.writeJSON(stateFile, next); err != nil {
		return err
	}
	l.adopt(next)
	return nil
}

// adopt takes over a state that is durable.
func (l *Ledger) adopt(next State) {
	if err := durable.Mark(l.path(stateFile)); err != nil { // on a full disk: the next state marks it
		l.opt.Log.Warn("the state of the data sync is not marked", slog.Any("error", err))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = next
	for of := range l.cached {
		if of != next.Newest() && of != next.confirmed() {
			delete(l.cached, of)
		}
	}
}

// Fresh notes as of when nothing is other on the primary than in a snapshot that both sides have. It is not written: after a
// start the snapshot is as old as it was when it was stored.
func (l *Ledger) Fresh(of pair.Snapshot, takenAt int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range []*pair.Snapshot{&l.state.Snapshot, &l.state.Confirmed} {
		if one.Epoch == of.Epoch && one.Number == of.Number {
			one.TakenAt = max(one.TakenAt, takenAt)
		}
	}
}

// SaveNext writes what the state will be once the recorded snapshot is in place.
func (l *Ledger) SaveNext(rec Record) error { return l.writeJSON(nextFile, rec.complete(l.State())) }

// WriteJournal writes the journal: from then on the snapshot is finished or taken back.
func (l *Ledger) WriteJournal(rec *Record) error {
	l.setPending(rec)
	err := l.writeJSON(journalFile, rec)
	if err != nil && l.remove(journalFile) == nil {
		l.setPending(nil)
	}
	return err
}

func (l *Ledger) setPending(rec *Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = rec
}

// Complete makes the recorded snapshot the newest of this appliance. It needs no room.
func (l *Ledger) Complete(rec Record, m manifest.Manifest) error {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.cache(rec.reference(), m)
	next := rec.complete(l.State())
	var written State
	found, err := durable.ReadJSON(l.path(nextFile), "snapshot", &written)
	switch {
	case err == nil && found && written.Snapshot == next.Snapshot && written.Manifest == next.Manifest && written.Run == next.Run:
		err = l.rename(nextFile, stateFile)
	case err != nil || found: // damaged, or of another time: what it says is known
		err = l.writeJSON(stateFile, next)
	}
	if err != nil {
		return err
	}
	l.adopt(next)
	return nil
}

// Renumber gives the data that is here already the number of a snapshot that is no other.
func (l *Ledger) Renumber(rec Record, m manifest.Manifest) error {
	l.cache(rec.reference(), m)
	return l.Save(func(s *State) { *s = rec.complete(*s) })
}

// RemoveJournal removes the journal: what it recorded is in place, or was taken back.
func (l *Ledger) RemoveJournal() error {
	if err := l.remove(journalFile); err != nil {
		return err
	}
	l.setPending(nil)
	return nil
}

// LoseJournal sets the journal aside, because what it needs is damaged.
func (l *Ledger) LoseJournal() error {
	if err := l.rename(journalFile, lostFile); err != nil {
		return l.SetTorn(source.Sentence(ErrTorn, "A snapshot is half in place, and its record could not be set aside (%v): look at the disk of %s; it is tried again by itself.", err, l.opt.Dir))
	}
	l.setPending(nil)
	_ = l.SetTorn(errLost()) // whoever needs whole data asks Torn
	return nil
}

// DropLeftovers removes what an earlier journal left. Somebody may have put anything in
// the place of a file.
func (l *Ledger) DropLeftovers() error {
	for _, name := range []string{nextFile, lostFile} {
		if _, err := os.Lstat(l.path(name)); err != nil {
			continue
		}
		if err := os.RemoveAll(l.path(name)); err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
		if err := durable.SyncDir(l.opt.Dir); err != nil {
			return err
		}
	}
	return nil
}

// Clean removes manifests and steps that nothing refers to any more.
func (l *Ledger) Clean() {
	l.mu.Lock()
	s, pending := l.state, l.pending
	l.mu.Unlock()
	keep := map[string]bool{s.Manifest.String(): true, s.ConfirmedManifest.String(): true, s.Kept.String(): true}
	for _, point := range s.Points {
		keep[point.Manifest.String()] = true
	}
	if pending != nil {
		keep[pending.Manifest.String()], keep[pending.Steps.String()], keep[pending.Before.String()] = true, true, true
	}
	l.bases(keep)
	l.mu.Lock()
	maps.DeleteFunc(l.kept, func(of manifest.Digest, _ kept) bool { return !keep[of.String()] })
	l.mu.Unlock()
	for _, sub := range []string{manifests, steps} {
		entries, err := os.ReadDir(l.path(sub))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !keep[e.Name()] {
				_ = os.RemoveAll(l.path(sub, e.Name()))
			}
		}
	}
}

func (l *Ledger) writeJSON(name string, v any) error {
	if err := durable.WriteJSON(l.path(name), v); err != nil {
		return fmt.Errorf("write %s: %w", l.path(name), err)
	}
	return nil
}

// rename gives a file its final name, which needs no room.
func (l *Ledger) rename(from, to string) error {
	if err := os.Rename(l.path(from), l.path(to)); err != nil {
		return fmt.Errorf("rename %s: %w", from, err)
	}
	return durable.SyncDir(l.opt.Dir)
}

func (l *Ledger) remove(name string) error {
	if err := os.Remove(l.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return durable.SyncDir(l.opt.Dir)
}

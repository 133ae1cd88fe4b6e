package datasync

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"slices"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
)

// target is one piece of data on this appliance while a snapshot is brought into it.
type target struct {
	source  source.Source
	have    []manifest.Entry
	staging source.Staging // nil while nothing has to change
	change  source.Change  // nil until the staging is settled
}

func (t *target) close() {
	if t.staging != nil {
		_ = t.staging.Close()
		t.staging = nil
	}
	_ = t.source.Close()
}

// complete is the state once the recorded snapshot is in place.
func (r record) complete(s state) state {
	s.Snapshot, s.Manifest, s.Export, s.Disks, s.Mounts = r.Snapshot, r.Manifest, r.Export, r.Disks, r.Mounts
	s.Keep, s.Kept = false, manifest.Digest{}
	return s
}

// Sentinels of a recorded snapshot.
var (
	errApply = errors.New("snapshot could not be applied")
	// ErrTorn means that one is half in place.
	ErrTorn = errors.New("a snapshot is half in place")
)

func errLost() error {
	return source.Sentence(ErrTorn, "A snapshot is half in place here, and what is needed to finish it or to take it back is damaged: a complete data sync makes the data whole again.")
}

// finishPending finishes the recorded snapshot, if there is one, or else takes it
// back. It needs the recorded changes alone, no scan and no peer.
func (e *Engine) finishPending(ctx context.Context) error {
	e.mu.Lock()
	rec := e.pending
	e.mu.Unlock()
	if rec == nil {
		return nil
	}
	m, changes, err := e.recorded(*rec)
	if err != nil {
		return e.lose(err)
	}
	var targets []*target
	defer func() {
		for _, t := range targets {
			t.close()
		}
	}()
	for i, set := range m.Sets {
		kind, err := e.kind(set.Data)
		if err != nil {
			return e.lose(err)
		}
		if bytes.Equal(changes[i], kind.Idle()) {
			continue
		}
		if err := e.unmounted(set.Data, rec.Mounts[set.Data.Spec.String()], ErrTorn); err != nil {
			return e.tear(err)
		}
		src, err := e.open(set.Data, source.Recover)
		if err != nil {
			return e.tear(source.Sentence(ErrTorn, "Snapshot %d is half in place: %v", rec.Snapshot.Number, err))
		}
		t := &target{source: src}
		targets = append(targets, t)
		if t.change, err = src.Resume(changes[i]); err != nil {
			return e.lose(err)
		}
	}
	return e.finish(ctx, *rec, m, targets)
}

// recorded reads what a recorded snapshot needs: its manifest, and the change of each set.
func (e *Engine) recorded(rec record) (m manifest.Manifest, changes [][]byte, err error) {
	if m, err = e.loadManifest(reference{rec.Manifest, rec.Export}); err != nil {
		return m, nil, err
	}
	if changes, err = e.disk.loadSteps(rec.Steps); err != nil {
		return m, nil, err
	}
	if len(changes) != len(m.Listed()) {
		return m, nil, manifest.ErrMalformed
	}
	if len(m.Sets) > len(changes) {
		changes = append(changes, []byte(rec.Inline))
	}
	return m, changes, nil
}

// lose gives up a recorded snapshot whose changes cannot be read. The next complete
// data sync makes the data whole.
func (e *Engine) lose(why error) error {
	e.opt.Log.Error("what a recorded snapshot needs is damaged", slog.Any("error", why))
	if err := e.disk.rename(journalFile, lostFile); err != nil {
		return e.tear(source.Sentence(ErrTorn, "A snapshot is half in place, and its record could not be set aside (%v): look at the disk of %s; it is tried again by itself.", err, e.opt.Dir))
	}
	e.mu.Lock()
	e.pending = nil
	e.mu.Unlock()
	_ = e.tear(errLost()) // whoever needs whole data asks Torn
	return nil
}

// tear notes why the data is not whole, and returns it.
func (e *Engine) tear(why error) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.torn = why
	return why
}

// finish carries out a recorded snapshot, or takes it back if that cannot be done.
// Everything it does may be done again.
func (e *Engine) finish(ctx context.Context, rec record, m manifest.Manifest, targets []*target) error {
	e.progress.update(func(p *Progress) { p.Applying = true })
	if err := e.apply(ctx, targets); err != nil {
		return e.takeBack(ctx, rec, targets, err)
	}
	e.opt.Hook("save-state")
	err := e.complete(rec, m)
	if err == nil {
		e.opt.Hook("remove-journal")
		err = e.endRecord()
	}
	if err != nil {
		return e.tear(source.Sentence(ErrTorn, "Snapshot %d is in place, but that could not be recorded (%v): look at the disk of %s; it is tried again by itself.", rec.Snapshot.Number, err, e.opt.Dir))
	}
	e.opt.Hook("journal-removed")
	e.done(targets)
	e.clean()
	return nil
}

func (e *Engine) apply(ctx context.Context, targets []*target) error {
	for _, t := range targets {
		if t.change == nil {
			continue
		}
		if err := t.change.Apply(ctx, e.opt.Hook); err != nil {
			return err
		}
		if err := t.change.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// takeBack makes the snapshot before the recorded one whole again.
func (e *Engine) takeBack(ctx context.Context, rec record, targets []*target, why error) error {
	for _, t := range targets {
		if t.change != nil && t.change.Final(ctx) { // by an earlier run
			return e.tear(source.Sentence(ErrTorn, "Snapshot %d is half in place and could not be finished: %s. Remove the cause; it is tried again by itself.", rec.Snapshot.Number, source.Bare(why)))
		}
	}
	for _, t := range slices.Backward(targets) {
		if t.change == nil {
			continue
		}
		err := t.change.Undo(e.opt.Hook)
		if err == nil {
			err = t.change.Sync()
		}
		if err != nil {
			return e.tear(source.Sentence(ErrTorn, "Snapshot %d is half in place: it could neither be finished (%s) nor taken back (%s). Remove the cause; it is tried again by itself.",
				rec.Snapshot.Number, source.Bare(why), source.Bare(err)))
		}
	}
	e.opt.Hook("remove-journal")
	if err := e.endRecord(); err != nil {
		return e.tear(source.Sentence(ErrTorn, "Snapshot %d was taken back, but its record could not be removed (%v): look at the disk of %s; it is tried again by itself.", rec.Snapshot.Number, err, e.opt.Dir))
	}
	return source.Sentence(errApply, "Snapshot %d is received, but could not be put into place, and the one before it is whole again: %s.", rec.Snapshot.Number, source.Bare(why))
}

// endRecord removes the journal: the data is whole.
func (e *Engine) endRecord() error {
	if err := e.disk.remove(journalFile); err != nil {
		return err
	}
	e.mu.Lock()
	e.pending = nil
	e.mu.Unlock()
	return e.whole()
}

// whole notes that the data is of one moment.
func (e *Engine) whole() error {
	for _, name := range []string{nextFile, lostFile} {
		if _, err := os.Lstat(e.disk.path(name)); err != nil {
			continue
		}
		if err := e.disk.removeAll(name); err != nil {
			return err
		}
	}
	e.CheckMounts()
	return e.tear(nil)
}

// done ends the changes that are in place. What cannot be dropped is in nobody's way.
func (e *Engine) done(targets []*target) {
	for _, t := range targets {
		if t.change == nil {
			continue
		}
		e.opt.Hook("drop-staging")
		if err := t.change.Done(); err != nil {
			e.opt.Log.Warn("what was staged is not removed", slog.Any("error", err))
		}
	}
}

// complete makes the recorded snapshot the newest of this appliance. It needs no room.
func (e *Engine) complete(rec record, m manifest.Manifest) error {
	e.mu.Lock()
	e.cached[reference{rec.Manifest, rec.Export}] = m
	next := rec.complete(e.state)
	e.mu.Unlock()
	var written state
	found, err := e.disk.readJSON(nextFile, "snapshot", &written)
	switch {
	case err == nil && found && written.Snapshot == next.Snapshot && written.Manifest == next.Manifest:
		err = e.disk.rename(nextFile, stateFile)
	case err != nil || found: // damaged, or of another time: what it says is known
		err = e.disk.writeJSON(stateFile, next)
	}
	if err != nil {
		return err
	}
	e.adopt(next)
	return nil
}

func (e *Engine) clean() {
	e.mu.Lock()
	s, pending := e.state, e.pending
	e.mu.Unlock()
	e.disk.clean(s, pending)
}

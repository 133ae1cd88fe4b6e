package datasync

import (
	"bytes"
	"context"
	"errors"
	"log/slog"

	"baton/internal/datasync/ledger"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
)

// finishPending finishes the recorded snapshot, if there is one, or else takes it
// back. It needs the recorded changes alone, no scan and no peer.
func (e *Engine) finishPending(ctx context.Context) error {
	rec := e.ledger.Pending()
	if rec == nil {
		return nil
	}
	m, changes, err := e.ledger.Recorded(*rec)
	if err != nil {
		return e.lose(err)
	}
	r := &placing{engine: e, rec: *rec, manifest: m}
	defer func() {
		for _, t := range r.targets {
			t.close()
		}
	}()
	for i, set := range m.Sets {
		err := r.resume(set, changes[i])
		if lost, is := errors.AsType[damagedError](err); is {
			return e.lose(lost.error)
		}
		if err != nil {
			return err
		}
	}
	if rec.Run != 0 && !e.ledger.Completed(*rec) {
		e.Points.Begin(m)
	}
	return r.finish(ctx)
}

// resume opens what the recorded change of a set is about, if anything changes.
func (r *placing) resume(set manifest.Set, change []byte) error {
	e := r.engine
	kind, err := e.sources.Kind(set.Data)
	if err != nil {
		return damagedError{err}
	}
	if bytes.Equal(change, kind.Idle()) {
		return nil
	}
	if err := e.mounts.Unmounted(set.Data, r.rec.Mounts[set.Data.Spec.String()], ledger.ErrTorn); err != nil {
		return e.ledger.SetTorn(err)
	}
	src, err := e.sources.Open(set.Data, source.Recover)
	if err != nil {
		return e.ledger.SetTorn(source.Sentence(ledger.ErrTorn, "Snapshot %d is half in place: %v", r.rec.Snapshot.Number, err))
	}
	t := &target{data: set.Data, source: src}
	r.targets = append(r.targets, t)
	if t.change, err = src.Resume(change); err != nil {
		return damagedError{err}
	}
	return nil
}

// damagedError is why a recorded change cannot be read.
type damagedError struct{ error }

// lose gives up a recorded snapshot whose changes cannot be read. The next complete
// data sync makes the data whole.
func (e *Engine) lose(why error) error {
	e.opt.Log.Error("what a recorded snapshot needs is damaged", slog.Any("error", why))
	return e.ledger.LoseJournal()
}

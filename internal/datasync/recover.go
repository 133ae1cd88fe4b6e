package datasync

import (
	"bytes"
	"context"
	"log/slog"

	"baton/internal/datasync/ledger"
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
	var targets []*target
	defer func() {
		for _, t := range targets {
			t.close()
		}
	}()
	for i, set := range m.Sets {
		kind, err := e.sources.Kind(set.Data)
		if err != nil {
			return e.lose(err)
		}
		if bytes.Equal(changes[i], kind.Idle()) {
			continue
		}
		if err := e.mounts.Unmounted(set.Data, rec.Mounts[set.Data.Spec.String()], ledger.ErrTorn); err != nil {
			return e.ledger.SetTorn(err)
		}
		src, err := e.sources.Open(set.Data, source.Recover)
		if err != nil {
			return e.ledger.SetTorn(source.Sentence(ledger.ErrTorn, "Snapshot %d is half in place: %v", rec.Snapshot.Number, err))
		}
		t := &target{source: src}
		targets = append(targets, t)
		if t.change, err = src.Resume(changes[i]); err != nil {
			return e.lose(err)
		}
	}
	return e.finish(ctx, *rec, m, targets)
}

// lose gives up a recorded snapshot whose changes cannot be read. The next complete
// data sync makes the data whole.
func (e *Engine) lose(why error) error {
	e.opt.Log.Error("what a recorded snapshot needs is damaged", slog.Any("error", why))
	return e.ledger.LoseJournal()
}

package datasync

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"baton/internal/datasync/diverged"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/kept"
	"baton/internal/pair"
)

// abandon ends a recorded snapshot at an administrator's word, who takes the data
// as it is: what can be put into place is, and the rest is set aside and named.
func (e *Engine) abandon(ctx context.Context) error {
	rec, why, lacking := e.ledger.Pending(), e.Torn(), e.mounts.Missing()
	if rec == nil { // its steps are lost, or a disk is not mounted
		e.opt.Missing(pair.Snapshot{}, source.Bare(why))
		return e.whole()
	}
	if e.ledger.Completed(*rec) { // all of it is in place, and what was staged may be gone
		if lacking != nil {
			e.opt.Missing(rec.Snapshot, source.Bare(lacking))
		}
		return e.endRecord()
	}
	m, changes, err := e.ledger.Recorded(*rec)
	if err != nil {
		return fmt.Errorf("read the recorded snapshot: %w", err)
	}
	var missing []string
	if lacking != nil {
		missing = append(missing, source.Bare(lacking))
	}
	listed := len(m.Listed())
	names, aside := e.applyRest(ctx, m.Sets[:listed], changes)
	missing = append(missing, names...)
	err = e.keepUnplaced(ctx, rec.Snapshot, aside)
	for _, d := range aside {
		_ = d.Source.Close()
	}
	if err != nil {
		return err
	}
	names, _ = e.applyRest(ctx, m.Sets[listed:], changes[listed:]) // last: it cannot be taken back
	e.opt.Missing(rec.Snapshot, strings.Join(append(missing, names...), "; "))
	return e.endRecord()
}

// applyRest puts into place what can be of the recorded changes of sets. It returns what
// cannot, by name and as it is in the staging.
func (e *Engine) applyRest(ctx context.Context, sets []manifest.Set, changes [][]byte) (names []string, aside []diverged.Divergence) {
	for i, set := range sets {
		left, err := e.applyOne(ctx, set.Data, changes[i])
		if err != nil {
			left.Names = []string{fmt.Sprintf("everything that changed in %s (%s)", set.Data.Name, source.Bare(err))}
		}
		names = append(names, left.Names...)
		if left.From != nil {
			aside = append(aside, diverged.Divergence{Data: set.Data, Source: left.From, Divergence: left.Kept})
		}
	}
	return names, aside
}

// keepUnplaced sets aside what of a snapshot could not be put into place.
func (e *Engine) keepUnplaced(ctx context.Context, of pair.Snapshot, aside []diverged.Divergence) error {
	if len(aside) == 0 {
		return nil
	}
	id := fmt.Sprintf("unplaced-%d-%s", of.Number, diverged.NameOf(aside, nil))
	if _, err := e.Diverged.One(id); err == nil {
		return nil // by an earlier try, before the power was cut
	}
	made, err := e.Diverged.Make(ctx, kept.DivergedCopy{ID: id, Time: e.opt.Now().UTC(), Epoch: of.Epoch}, aside)
	if err == nil {
		e.opt.Aside(made)
	}
	return err
}

func (e *Engine) applyOne(ctx context.Context, data pair.Data, b []byte) (source.Leftover, error) {
	kind, err := e.sources.Kind(data)
	if err != nil || bytes.Equal(b, kind.Idle()) {
		return source.Leftover{}, err
	}
	src, err := e.sources.Open(data, source.Recover)
	if err != nil {
		return source.Leftover{}, err
	}
	defer func() { _ = src.Close() }()
	change, err := src.Resume(b)
	if err != nil {
		return source.Leftover{}, err
	}
	return change.ApplyRest(ctx)
}

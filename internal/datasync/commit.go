package datasync

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"baton/internal/datasync/ledger"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/progress"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/durable"
	"baton/internal/pair"
)

// This file is the order in which a snapshot is committed, from top to bottom. A hook stands
// before each step that a power cut may come between; a kind of data has its own steps
// within Apply and Undo. Until the journal is written a power cut leaves the old snapshot;
// from then on the next start finishes the new one, or takes it back (recover.go).

var errApply = errors.New("snapshot could not be applied")

// commit makes what is staged the newest snapshot.
func (p *pull) commit(ctx context.Context) (pair.Snapshot, error) {
	e := p.engine
	rec, err := p.makeRecord(ctx)
	if err != nil {
		return pair.Snapshot{}, err
	}
	if p.unchanged() {
		e.opt.Hook("save-state")
		err := e.ledger.Renumber(rec, p.manifest)
		if err == nil {
			err = e.whole()
		}
		if err != nil {
			return pair.Snapshot{}, source.Explain(err, e.opt.Dir)
		}
		e.ledger.Clean()
		e.LeftOut.note(ctx)
		p.report(ctx, rec)
		return rec.Snapshot, nil
	}
	if err := p.keepReplaced(ctx); err != nil {
		return pair.Snapshot{}, err
	}
	if err := p.makeDurable(ctx); err != nil {
		return pair.Snapshot{}, err
	}
	e.Points.Begin(p.manifest)
	if err := p.writeRecord(&rec); err != nil {
		return pair.Snapshot{}, source.Explain(err, e.opt.Dir)
	}
	e.opt.Hook("recorded")
	if err := (&placing{e, rec, p.manifest, p.targets}).finish(ctx); err != nil {
		return pair.Snapshot{}, err
	}
	e.LeftOut.note(ctx)
	p.report(ctx, rec)
	return rec.Snapshot, nil
}

// makeRecord numbers the snapshot and keeps its manifest.
func (p *pull) makeRecord(ctx context.Context) (ledger.Record, error) {
	e := p.engine
	rec := ledger.Record{Export: p.head.Inline, Manifest: p.manifest.Digest(), Before: e.ledger.State().Manifest, Run: 1 + rand.Int64N(math.MaxInt64-1)} //nolint:gosec // no secret
	rec.Disks, rec.Mounts = p.disks(ctx), e.mounts.Of(p.data(ctx))
	rec.Snapshot = pair.Snapshot{Number: p.head.Number, Epoch: p.head.Epoch, TakenAt: p.head.TakenAt}
	rec.Skew = time.Duration(p.head.Skew) * time.Millisecond
	e.opt.Hook("save-manifest")
	if err := e.ledger.SaveManifest(p.manifest, rec.Manifest); err != nil {
		return rec, source.Explain(err, e.opt.Dir)
	}
	return rec, nil
}

func (p *pull) unchanged() bool {
	for _, t := range p.targets {
		if t.staging != nil {
			return false
		}
	}
	return true
}

// makeDurable is the last moment at which cancelling still means the old snapshot.
func (p *pull) makeDurable(ctx context.Context) error {
	e := p.engine
	for _, t := range p.targets {
		if t.change == nil {
			continue
		}
		e.opt.Hook("sync-staging")
		if err := t.change.Sync(); err != nil {
			return err
		}
	}
	if err := durable.SyncFS(e.opt.Dir); err != nil {
		return source.Explain(err, e.opt.Dir)
	}
	return ctx.Err()
}

// writeRecord writes the journal, and before it all that finishing or taking back
// the snapshot needs. From then on it is one of the two.
func (p *pull) writeRecord(rec *ledger.Record) error {
	e := p.engine
	changes := make([][]byte, len(p.targets))
	for i, t := range p.targets {
		if t.change != nil {
			changes[i] = t.change.Append(nil)
			continue
		}
		kind, err := e.sources.Kind(p.manifest.Sets[i].Data)
		if err != nil {
			return err
		}
		changes[i] = kind.Idle()
	}
	e.opt.Hook("save-steps")
	if err := e.ledger.SaveSteps(rec, p.manifest, changes); err != nil {
		return err
	}
	e.opt.Hook("save-next-state")
	if err := e.ledger.SaveNext(*rec); err != nil {
		return err
	}
	e.opt.Hook("write-record")
	for _, t := range p.targets {
		if t.change == nil {
			continue
		}
		if err := t.change.Check(); err != nil {
			return err
		}
	}
	return e.ledger.WriteJournal(rec)
}

// placing is a snapshot that the journal says is being put into place.
type placing struct {
	engine   *Engine
	rec      ledger.Record
	manifest manifest.Manifest
	targets  []*target // what changes
}

// finish carries out a recorded snapshot, or takes it back if that cannot be done.
// Everything it does may be done again. Once the new state is written, nothing of the changes is: what they have taken
// out is kept then, as far as restore points need it, and what is staged is no longer complete. Cancelling ends that alone.
func (r *placing) finish(ctx context.Context) error {
	e, rec := r.engine, r.rec
	e.progress.Update(func(p *progress.Progress) { p.Applying = true })
	was := r.before()
	var err error
	if !e.ledger.Completed(rec) {
		if err := r.apply(context.WithoutCancel(ctx)); err != nil {
			return r.takeBack(context.WithoutCancel(ctx), err)
		}
		e.opt.Hook("save-state")
		err = e.ledger.Complete(rec, r.manifest)
	}
	if err == nil {
		r.keep(ctx, was)
		e.opt.Hook("remove-journal")
		err = e.endRecord()
	}
	if err != nil {
		return e.ledger.SetTorn(source.Sentence(ledger.ErrTorn, "Snapshot %d is in place, but that could not be recorded (%v): look at the disk of %s; it is tried again by itself.", rec.Snapshot.Number, err, e.opt.Dir))
	}
	e.opt.Hook("journal-removed")
	r.done()
	e.sources.Agreed(r.manifest)
	e.ledger.Clean()
	return nil
}

// before is the snapshot that the recorded one replaces; without it, restore points may lack files.
func (r *placing) before() manifest.Manifest {
	book := r.engine.ledger
	if now := book.State(); now.Manifest == r.rec.Before {
		return book.ManifestOrNone(now.Newest())
	}
	m, err := book.ManifestOf(ledger.Point{Manifest: r.rec.Before})
	if err != nil {
		r.engine.opt.Log.Warn("the snapshot before is unreadable, so restore points may lack files", slog.Any("error", err))
	}
	return m
}

// keep keeps what restore points need of what the changes have taken out. Of a record that a version without restore points
// wrote it is not known later that it is in place, so its changes are made again after a crash, and need all that is staged.
func (r *placing) keep(ctx context.Context, was manifest.Manifest) {
	if r.rec.Run == 0 {
		return
	}
	for _, t := range r.targets {
		if t.change != nil {
			r.engine.Points.Keep(ctx, t.source, t.change, was.Find(t.data).Listing)
		}
	}
}

func (r *placing) apply(ctx context.Context) error {
	for _, t := range r.targets {
		if t.change == nil {
			continue
		}
		if err := t.change.Apply(ctx, r.engine.opt.Hook); err != nil {
			return err
		}
		if err := t.change.Sync(); err != nil {
			return err
		}
	}
	return nil
}

// takeBack makes the snapshot before the recorded one whole again.
func (r *placing) takeBack(ctx context.Context, why error) error {
	e, rec := r.engine, r.rec
	for _, t := range r.targets {
		if t.change != nil && t.change.Final(ctx) { // by an earlier run
			return e.ledger.SetTorn(source.Sentence(ledger.ErrTorn, "Snapshot %d is half in place and could not be finished: %s. Remove the cause; it is tried again by itself.", rec.Snapshot.Number, source.Bare(why)))
		}
	}
	for _, t := range slices.Backward(r.targets) {
		if t.change == nil {
			continue
		}
		err := t.change.Undo(e.opt.Hook)
		if err == nil {
			err = t.change.Sync()
		}
		if err != nil {
			return e.ledger.SetTorn(source.Sentence(ledger.ErrTorn, "Snapshot %d is half in place: it could neither be finished (%s) nor taken back (%s). Remove the cause; it is tried again by itself.",
				rec.Snapshot.Number, source.Bare(why), source.Bare(err)))
		}
	}
	e.opt.Hook("remove-journal")
	if err := e.endRecord(); err != nil {
		return e.ledger.SetTorn(source.Sentence(ledger.ErrTorn, "Snapshot %d was taken back, but its record could not be removed (%v): look at the disk of %s; it is tried again by itself.", rec.Snapshot.Number, err, e.opt.Dir))
	}
	return source.Sentence(errApply, "Snapshot %d is received, but could not be put into place, and the one before it is whole again: %s.", rec.Snapshot.Number, source.Bare(why))
}

// endRecord removes the journal: the data is whole.
func (e *Engine) endRecord() error {
	if err := e.ledger.RemoveJournal(); err != nil {
		return err
	}
	return e.whole()
}

// whole notes that the data is of one moment.
func (e *Engine) whole() error {
	if err := e.ledger.DropLeftovers(); err != nil {
		return err
	}
	e.mounts.Check()
	return e.ledger.SetTorn(nil)
}

// done ends the changes that are in place. What cannot be dropped is in nobody's way.
func (r *placing) done() {
	for _, t := range r.targets {
		if t.change == nil {
			continue
		}
		r.engine.opt.Hook("drop-staging")
		if err := t.change.Done(); err != nil {
			r.engine.opt.Log.Warn("what was staged is not removed", slog.Any("error", err))
		}
	}
}

// report tells the primary. The snapshot is complete whether it hears or not: the
// next pull tells it again. A takeover does not wait for a primary that died here.
func (p *pull) report(ctx context.Context, rec ledger.Record) {
	err := p.post(ctx, "done", wire.Report{Session: p.head.Session, Snapshot: rec.Snapshot, Manifest: rec.Manifest})
	if err != nil {
		p.engine.opt.Log.Warn("primary could not be told of the complete snapshot", slog.Uint64("number", rec.Snapshot.Number), slog.Any("error", err))
	}
}

package datasync

import (
	"context"
	"errors"
	"log/slog"
	"slices"

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
	rec, err := p.makeRecord()
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
		p.report(ctx, rec)
		return rec.Snapshot, nil
	}
	if err := p.keepReplaced(ctx); err != nil {
		return pair.Snapshot{}, err
	}
	if err := p.makeDurable(ctx); err != nil {
		return pair.Snapshot{}, err
	}
	if err := p.writeRecord(&rec); err != nil {
		return pair.Snapshot{}, source.Explain(err, e.opt.Dir)
	}
	e.opt.Hook("recorded")
	if err := e.finish(context.WithoutCancel(ctx), rec, p.manifest, p.targets); err != nil {
		return pair.Snapshot{}, err
	}
	p.report(ctx, rec)
	return rec.Snapshot, nil
}

// makeRecord numbers the snapshot and keeps its manifest.
func (p *pull) makeRecord() (ledger.Record, error) {
	e := p.engine
	rec := ledger.Record{Export: p.head.Inline, Manifest: p.manifest.Digest()}
	rec.Disks, rec.Mounts = p.disks(), e.mounts.Of(p.manifest)
	rec.Snapshot = pair.Snapshot{Number: p.head.Number, Epoch: p.head.Epoch, TakenAt: p.head.TakenAt}
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
	return e.ledger.WriteJournal(rec)
}

// finish carries out a recorded snapshot, or takes it back if that cannot be done.
// Everything it does may be done again.
func (e *Engine) finish(ctx context.Context, rec ledger.Record, m manifest.Manifest, targets []*target) error {
	e.progress.Update(func(p *progress.Progress) { p.Applying = true })
	if err := e.apply(ctx, targets); err != nil {
		return e.takeBack(ctx, rec, targets, err)
	}
	e.opt.Hook("save-state")
	err := e.ledger.Complete(rec, m)
	if err == nil {
		e.opt.Hook("remove-journal")
		err = e.endRecord()
	}
	if err != nil {
		return e.ledger.SetTorn(source.Sentence(ledger.ErrTorn, "Snapshot %d is in place, but that could not be recorded (%v): look at the disk of %s; it is tried again by itself.", rec.Snapshot.Number, err, e.opt.Dir))
	}
	e.opt.Hook("journal-removed")
	e.done(targets)
	e.sources.Agreed(m)
	e.ledger.Clean()
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
func (e *Engine) takeBack(ctx context.Context, rec ledger.Record, targets []*target, why error) error {
	for _, t := range targets {
		if t.change != nil && t.change.Final(ctx) { // by an earlier run
			return e.ledger.SetTorn(source.Sentence(ledger.ErrTorn, "Snapshot %d is half in place and could not be finished: %s. Remove the cause; it is tried again by itself.", rec.Snapshot.Number, source.Bare(why)))
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

// report tells the primary. The snapshot is complete whether it hears or not: the
// next pull tells it again. A takeover does not wait for a primary that died here.
func (p *pull) report(ctx context.Context, rec ledger.Record) {
	err := p.post(ctx, "done", wire.Report{Session: p.head.Session, Snapshot: rec.Snapshot, Manifest: rec.Manifest})
	if err != nil {
		p.engine.opt.Log.Warn("primary could not be told of the complete snapshot", slog.Uint64("number", rec.Snapshot.Number), slog.Any("error", err))
	}
}

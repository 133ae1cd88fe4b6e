package datasync

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"baton/internal/datasync/plan"
	"baton/internal/datasync/source/directory"
	"baton/internal/pair"
)

// Request says what a pull is for.
type Request struct {
	Epoch        pair.Epoch // of the primary, as heard; must not be below that of our newest snapshot
	Final        bool       // the services are stopped: nothing may change on the primary meanwhile
	AcceptShrink bool       // an administrator knows that the primary's data shrank
}

// Pull runs one data sync from the primary at base (scheme and host; Prefix is
// added) and returns the snapshot that is then complete here. Cancelling ctx
// cancels it until it is being applied, which takes renames only. After a
// failure the old snapshot is whole, and the next pull goes on where it stopped.
func (e *Engine) Pull(ctx context.Context, from *http.Client, base string, req Request) (pair.Snapshot, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, err := e.acquire(cancel)
	if err != nil {
		return pair.Snapshot{}, err
	}
	defer e.release(r)
	e.progress.begin(e.opt.Now())
	client := *from
	client.Timeout = 0 // a transfer may be long; silence is what is bounded
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	p := &pull{engine: e, req: req, cancel: cancel, client: &client, base: strings.TrimSuffix(base, "/") + Prefix}
	snapshot, err := p.run(ctx)
	p.close()
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, errApply) {
		err = cause
		if errors.Is(cause, context.Canceled) {
			err = sentence(context.Canceled, "The data sync was cancelled; the next one goes on where it stopped.")
		}
	}
	e.progress.end(e.opt.Now(), err)
	return snapshot, err
}

// pull is one data sync on the backup.
type pull struct {
	engine *Engine
	req    Request
	cancel context.CancelCauseFunc
	client *http.Client
	base   string

	head     header
	manifest plan.Manifest
	site     string // file name of the received site export; empty: unchanged
	targets  []*target
}

// rounds bounds how often the primary is asked anew because files vanished
// between its scan and their transfer.
const rounds = 5

func (p *pull) run(ctx context.Context) (pair.Snapshot, error) {
	e := p.engine
	if err := e.finishPending(ctx); err != nil {
		return pair.Snapshot{}, err
	}
	if err := p.checkEpoch(); err != nil {
		return pair.Snapshot{}, err
	}
	for range rounds {
		whole, err := p.receive(ctx)
		if err != nil {
			return pair.Snapshot{}, err
		}
		if whole {
			return p.commit(ctx)
		}
	}
	return pair.Snapshot{}, sentence(ErrChanging, "Files on the primary vanish faster than they can be copied: protect a calmer directory, or sync when there is less going on.")
}

func (p *pull) checkEpoch() error {
	common, _ := p.engine.currentState().common()
	last := common.Epoch
	switch {
	case p.req.Epoch.IsZero():
		return sentence(ErrStaleEpoch, "The peer has never been primary, so there is nothing to sync: look at the roles of both.")
	case last.Above(p.req.Epoch) || last.Clashes(p.req.Epoch):
		return sentence(ErrStaleEpoch, "This appliance holds data of epoch %s, which that of epoch %s does not continue, so it is not synced over it: look at the conditions of both.", last, p.req.Epoch)
	}
	return nil
}

// receive brings everything that differs into the staging. It reports false if
// the primary has to be asked anew.
func (p *pull) receive(ctx context.Context) (bool, error) {
	p.close()
	if err := p.fetchManifest(ctx); err != nil {
		return false, err
	}
	if err := errors.Join(p.checkShrink(), p.checkMounts()); err != nil {
		return false, err
	}
	var tops []directory.Top
	for _, set := range p.manifest.Sets {
		t, err := p.engine.look(ctx, set, p.manifest.Scheme)
		if err != nil {
			return false, err
		}
		p.targets = append(p.targets, t)
		top, err := t.tree.Top()
		if err == nil {
			err = apart(tops, top)
		}
		if err != nil {
			return false, explain(err, t.tree.Path())
		}
		tops = append(tops, top)
	}
	return p.stage(ctx)
}

func (p *pull) close() {
	for _, t := range p.targets {
		t.close()
	}
	p.targets = nil
}

// commit makes what is staged the newest snapshot.
func (p *pull) commit(ctx context.Context) (pair.Snapshot, error) {
	e := p.engine
	rec, err := p.makeRecord()
	if err != nil {
		return pair.Snapshot{}, err
	}
	if p.unchanged() {
		e.opt.Hook("save-state")
		if err := p.completeUnchanged(rec); err != nil {
			return pair.Snapshot{}, explain(err, e.opt.Dir)
		}
		e.clean()
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
		return pair.Snapshot{}, explain(err, e.opt.Dir)
	}
	e.opt.Hook("recorded")
	if err := e.finish(context.WithoutCancel(ctx), rec, p.manifest, p.targets); err != nil {
		return pair.Snapshot{}, err
	}
	p.report(ctx, rec)
	return rec.Snapshot, nil
}

// writeRecord writes the journal, and before it all that finishing or taking back
// the snapshot needs. From then on it is one of the two.
func (p *pull) writeRecord(rec *record) (err error) {
	e := p.engine
	steps := make([][]directory.Step, len(p.targets))
	for i, t := range p.targets {
		steps[i] = t.steps
	}
	e.opt.Hook("save-steps")
	if rec.Steps, err = e.disk.saveSteps(steps); err != nil {
		return err
	}
	e.opt.Hook("save-next-state")
	if err := e.disk.writeJSON(nextFile, rec.complete(e.currentState())); err != nil {
		return err
	}
	e.opt.Hook("write-record")
	e.mu.Lock()
	e.pending = rec
	e.mu.Unlock()
	err = e.disk.writeJSON(journalFile, rec)
	if err != nil && e.disk.remove(journalFile) == nil {
		e.mu.Lock()
		e.pending = nil
		e.mu.Unlock()
	}
	return err
}

// completeUnchanged gives the state that is here already its new number.
func (p *pull) completeUnchanged(rec record) error {
	e := p.engine
	e.mu.Lock()
	e.cached[rec.Manifest] = p.manifest
	e.mu.Unlock()
	if err := e.save(func(s *state) { *s = rec.complete(*s) }); err != nil {
		return err
	}
	return e.whole()
}

// makeRecord numbers the snapshot and keeps its manifest.
func (p *pull) makeRecord() (record, error) {
	e := p.engine
	rec := record{Site: p.site, Export: p.head.Site, Manifest: p.manifest.Digest()}
	rec.Disks, rec.Mounts = p.disks(), p.mounts()
	rec.Snapshot = pair.Snapshot{Number: p.head.Number, Epoch: p.head.Epoch, TakenAt: p.head.TakenAt}
	e.opt.Hook("save-manifest")
	if err := e.disk.saveManifest(p.manifest, rec.Manifest); err != nil {
		return rec, explain(err, e.opt.Dir)
	}
	return rec, nil
}

func (p *pull) unchanged() bool {
	for _, t := range p.targets {
		if t.staging != nil {
			return false
		}
	}
	return p.site == ""
}

// makeDurable is the last moment at which cancelling still means the old snapshot.
func (p *pull) makeDurable(ctx context.Context) error {
	e := p.engine
	for _, t := range p.targets {
		if t.staging == nil {
			continue
		}
		e.opt.Hook("sync-staging")
		if err := t.tree.Sync(); err != nil {
			return explain(err, t.tree.Path())
		}
	}
	if err := syncFS(e.opt.Dir); err != nil {
		return explain(err, e.opt.Dir)
	}
	return ctx.Err()
}

// report tells the primary. The snapshot is complete whether it hears or not: the
// next pull tells it again. A takeover does not wait for a primary that died here.
func (p *pull) report(ctx context.Context, rec record) {
	err := p.post(ctx, "done", report{Session: p.head.Session, Snapshot: rec.Snapshot, Manifest: rec.Manifest})
	if err != nil {
		p.engine.opt.Log.Warn("primary could not be told of the complete snapshot", slog.Uint64("number", rec.Snapshot.Number), slog.Any("error", err))
	}
}

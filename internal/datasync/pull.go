package datasync

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// Request says what a pull is for.
type Request struct {
	Epoch        pair.Epoch // of the primary, as heard; must not be below that of our newest snapshot
	Final        bool       // the services are stopped: nothing may change on the primary meanwhile
	AcceptShrink bool       // an administrator knows that the primary's data shrank
}

// Pull runs one data sync from the primary at base (scheme and host; wire.Prefix is
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
	p := &pull{engine: e, req: req, cancel: cancel, client: &client, base: strings.TrimSuffix(base, "/") + wire.Prefix}
	snapshot, err := p.run(ctx)
	p.close()
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, errApply) {
		err = cause
		if errors.Is(cause, context.Canceled) {
			err = source.Sentence(context.Canceled, "The data sync was cancelled; the next one goes on where it stopped.")
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

	head     wire.Header
	manifest manifest.Manifest
	inline   []byte    // what travelled inline, if it is not what is here
	targets  []*target // in the order of the manifest
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
	return pair.Snapshot{}, source.Sentence(source.ErrChanging, "Files on the primary vanish faster than they can be copied: protect calmer data, or sync when there is less going on.")
}

func (p *pull) checkEpoch() error {
	common, _ := p.engine.currentState().common()
	last := common.Epoch
	switch {
	case p.req.Epoch.IsZero():
		return source.Sentence(ErrStaleEpoch, "The peer has never been primary, so there is nothing to sync: look at the roles of both.")
	case last.Above(p.req.Epoch) || last.Clashes(p.req.Epoch):
		return source.Sentence(ErrStaleEpoch, "This appliance holds data of epoch %s, which that of epoch %s does not continue, so it is not synced over it: look at the conditions of both.", last, p.req.Epoch)
	}
	return nil
}

// receive brings everything that differs into the staging. It reports false if
// the primary has to be asked anew.
func (p *pull) receive(ctx context.Context) (bool, error) {
	p.close()
	inline, err := p.scanInline(ctx)
	if err != nil {
		return false, err
	}
	if err := p.fetchManifest(ctx, inline); err != nil {
		return false, err
	}
	if err := errors.Join(p.checkShrink(), p.checkMounts()); err != nil {
		return false, err
	}
	var places []source.Place
	for _, set := range p.manifest.Listed() {
		scan, err := p.scan(ctx, set.Data)
		if err != nil {
			return false, err
		}
		if err := apart(places, scan.Place); err != nil {
			return false, err
		}
		places = append(places, scan.Place)
	}
	if inline != nil {
		p.targets = append(p.targets[1:], inline)
	}
	return p.stage(ctx)
}

// scanInline finds out what is here of what travels inline; nil: nothing does.
func (p *pull) scanInline(ctx context.Context) (*target, error) {
	if p.engine.opt.Inline.Spec == nil {
		return nil, nil //nolint:nilnil // documented
	}
	if _, err := p.scan(ctx, p.engine.opt.Inline); err != nil {
		return nil, err
	}
	return p.targets[0], nil
}

// scan opens one piece of data, and finds out what is here of it.
func (p *pull) scan(ctx context.Context, data pair.Data) (source.Scan, error) {
	src, err := p.engine.open(data, source.Receive)
	if err != nil {
		return source.Scan{}, err
	}
	t := &target{source: src}
	p.targets = append(p.targets, t)
	scan, err := src.Scan(ctx, p.manifest.Scheme)
	t.have = scan.Entries
	return scan, err
}

// apart refuses a place that is really one of the others, or in one, or around it.
func apart(others []source.Place, place source.Place) error {
	for _, other := range others {
		if err := other.Apart(place); err != nil {
			return err
		}
	}
	return nil
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
			return pair.Snapshot{}, source.Explain(err, e.opt.Dir)
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
		return pair.Snapshot{}, source.Explain(err, e.opt.Dir)
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
	changes := make([][]byte, len(p.targets))
	for i, t := range p.targets {
		if t.change != nil {
			changes[i] = t.change.Append(nil)
			continue
		}
		kind, err := e.kind(p.manifest.Sets[i].Data)
		if err != nil {
			return err
		}
		changes[i] = kind.Idle()
	}
	if listed := len(p.manifest.Listed()); listed < len(changes) {
		rec.Inline, changes = string(changes[listed]), changes[:listed]
	}
	e.opt.Hook("save-steps")
	if rec.Steps, err = e.disk.saveSteps(changes); err != nil {
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
	e.cached[reference{rec.Manifest, rec.Export}] = p.manifest
	e.mu.Unlock()
	if err := e.save(func(s *state) { *s = rec.complete(*s) }); err != nil {
		return err
	}
	return e.whole()
}

// makeRecord numbers the snapshot and keeps its manifest.
func (p *pull) makeRecord() (record, error) {
	e := p.engine
	rec := record{Export: p.head.Inline, Manifest: p.manifest.Digest()}
	rec.Disks, rec.Mounts = p.disks(), p.mounts()
	rec.Snapshot = pair.Snapshot{Number: p.head.Number, Epoch: p.head.Epoch, TakenAt: p.head.TakenAt}
	e.opt.Hook("save-manifest")
	if err := e.disk.saveManifest(p.manifest, rec.Manifest); err != nil {
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
	if err := syncFS(e.opt.Dir); err != nil {
		return source.Explain(err, e.opt.Dir)
	}
	return ctx.Err()
}

// report tells the primary. The snapshot is complete whether it hears or not: the
// next pull tells it again. A takeover does not wait for a primary that died here.
func (p *pull) report(ctx context.Context, rec record) {
	err := p.post(ctx, "done", wire.Report{Session: p.head.Session, Snapshot: rec.Snapshot, Manifest: rec.Manifest})
	if err != nil {
		p.engine.opt.Log.Warn("primary could not be told of the complete snapshot", slog.Uint64("number", rec.Snapshot.Number), slog.Any("error", err))
	}
}

package datasync

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/protected"
	"baton/internal/datasync/refusal"
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
	r, err := e.runs.acquire(cancel)
	if err != nil {
		return pair.Snapshot{}, err
	}
	defer e.runs.release(r)
	e.progress.Begin(e.opt.Now())
	snapshot, err := pull{engine: e, req: req, cancel: cancel, client: wire.Asking(from), base: strings.TrimSuffix(base, "/") + wire.Prefix}.whole(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(err, errApply) {
		err = cause
		if errors.Is(cause, context.Canceled) {
			err = source.Sentence(context.Canceled, "The data sync was cancelled; the next one goes on where it stopped.")
		}
	}
	e.ended(err)
	return snapshot, err
}

// whole runs the data sync. Restore points give way to it, one after the other, if there is no room.
func (p pull) whole(ctx context.Context) (pair.Snapshot, error) {
	for {
		try := p
		snapshot, err := try.run(ctx)
		try.close()
		if !errors.Is(err, source.ErrNoRoom) || ctx.Err() != nil || !p.engine.Points.GiveWay(ctx, p.engine.opt.Now()) {
			return snapshot, err
		}
	}
}

func (e *Engine) ended(err error) {
	switch now := e.opt.Now(); {
	case err == nil:
		e.progress.End(now)
	case errors.Is(err, context.Canceled), errors.Is(err, refusal.ErrNotPrimary): // neither has failed, nor has it succeeded
		e.progress.Stop(now, err)
	default:
		e.progress.Fail(now, err)
	}
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
	common, _ := p.engine.ledger.State().Common()
	last := common.Epoch
	switch {
	case p.req.Epoch.IsZero():
		return source.Sentence(refusal.ErrStaleEpoch, "The peer has never been primary, so there is nothing to sync: look at the roles of both.")
	case last.Above(p.req.Epoch) || last.Clashes(p.req.Epoch):
		return source.Sentence(refusal.ErrStaleEpoch, "This appliance holds data of epoch %s, which that of epoch %s does not continue, so it is not synced over it: look at the conditions of both.", last, p.req.Epoch)
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
	if err := errors.Join(p.checkShrink(), p.checkMounts(ctx)); err != nil {
		return false, err
	}
	p.makePlaces(ctx)
	var places []source.Place
	for i, set := range p.manifest.Listed() {
		scan, err := p.scan(ctx, set.Data)
		if err != nil {
			return false, err
		}
		if err := protected.Apart(places, scan.Place); err != nil {
			return false, err
		}
		places = append(places, scan.Place)
		p.manifest.Sets[i].Listing = set.Sharing(scan.Listing)
	}
	if inline != nil {
		p.targets = append(p.targets[1:], inline)
	}
	if err := p.checkReturned(); err != nil {
		return false, err
	}
	return p.stage(ctx)
}

// data is that of the snapshot, and then what else is protected here, which the primary leaves out altogether.
func (p *pull) data(ctx context.Context) []pair.Data {
	var listed []pair.Data
	for _, set := range p.manifest.Sets {
		listed = append(listed, set.Data)
	}
	return p.engine.sources.With(ctx, listed)
}

// makePlaces makes the places of data that the primary leaves out altogether, so that a takeover finds them, and drops what an earlier data sync staged there. What
// fails is in nobody's way.
func (p *pull) makePlaces(ctx context.Context) {
	for _, d := range p.data(ctx)[len(p.manifest.Sets):] {
		src, err := p.engine.sources.Open(d, source.Receive)
		if err == nil {
			err = errors.Join(src.DropStaging(), src.Close())
		}
		if err != nil {
			p.engine.opt.Log.Debug("data that is left out was not looked at", slog.Any("error", err))
		}
	}
}

// scanInline finds out what is here of what travels inline; nil: nothing does.
func (p *pull) scanInline(ctx context.Context) (*target, error) {
	if p.engine.sources.Inline.Spec == nil {
		return nil, nil //nolint:nilnil // documented
	}
	if _, err := p.scan(ctx, p.engine.sources.Inline); err != nil {
		return nil, err
	}
	return p.targets[0], nil
}

// scan opens one piece of data, and finds out what is here of it.
func (p *pull) scan(ctx context.Context, data pair.Data) (source.Scan, error) {
	src, err := p.engine.sources.Open(data, source.Receive)
	if err != nil {
		return source.Scan{}, err
	}
	t := &target{data: data, source: src}
	p.targets = append(p.targets, t)
	scan, err := src.Scan(ctx, p.manifest.Scheme)
	t.have = scan.Listing
	return scan, err
}

func (p *pull) close() {
	for _, t := range p.targets {
		t.close()
	}
	p.targets = nil
}

// target is one piece of data on this appliance while a snapshot is brought into it.
type target struct {
	data    pair.Data
	source  source.Source
	have    manifest.Listing
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

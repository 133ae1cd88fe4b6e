package datasync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"baton/internal/datasync/plan"
	"baton/internal/datasync/source/directory"
)

func compareStrings(a, b string) int { return strings.Compare(a, b) }

// target is one protected directory of this appliance while a snapshot is
// brought into it.
type target struct {
	tree    *directory.Tree
	staging *directory.Staging // nil while nothing has to change
	have    []plan.Entry       // as scanned
	work    plan.Work
}

func (t *target) close() {
	if t.staging != nil {
		_ = t.staging.Close()
		t.staging = nil
	}
	_ = t.tree.Close()
}

// look opens the directory of one set and finds out what differs.
func (e *Engine) look(ctx context.Context, set plan.Set) (*target, error) {
	if err := e.checkPlace(set.Data); err != nil {
		return nil, err
	}
	tree, err := directory.Create(e.opt.Place(set.Data))
	if err != nil {
		return nil, explain(err, e.opt.Place(set.Data))
	}
	t := &target{tree: tree}
	scan, err := e.scan(ctx, tree)
	if err == nil && len(scan.Mounts) > 0 {
		err = sentence(ErrUnsafe, "Another disk is mounted at %s/%s, inside a protected directory: protect it as a directory of its own.", tree.Path(), scan.Mounts[0])
	}
	if err != nil {
		t.close()
		return nil, err
	}
	t.have = scan.Entries
	t.work = plan.Compare(scan.Entries, set.Entries)
	return t, nil
}

// finishPending finishes the recorded snapshot, if there is one: it looks at what
// is left to do and does that.
func (e *Engine) finishPending(ctx context.Context) error {
	e.mu.Lock()
	rec := e.pending
	e.mu.Unlock()
	if rec == nil {
		return nil
	}
	m, err := e.disk.loadManifest(rec.Manifest)
	if err != nil {
		return fmt.Errorf("finish snapshot %d: %w", rec.Snapshot.Number, err)
	}
	var targets []*target
	defer func() {
		for _, t := range targets {
			t.close()
		}
	}()
	for _, set := range m.Sets {
		t, err := e.look(ctx, set)
		if err != nil {
			return fmt.Errorf("finish snapshot %d: %w", rec.Snapshot.Number, err)
		}
		targets = append(targets, t)
		if t.staging, err = t.tree.Stage(); err != nil {
			return explain(err, t.tree.Path())
		}
	}
	return e.finish(ctx, *rec, m, targets)
}

// finish carries out a recorded snapshot. Everything it does may be done again.
func (e *Engine) finish(ctx context.Context, rec record, m plan.Manifest, targets []*target) error {
	e.progress.update(func(p *Progress) { p.Applying = true })
	for _, t := range targets {
		if t.staging == nil {
			continue
		}
		if err := t.tree.Apply(t.work, e.opt.Hook); err != nil {
			return sentence(errApply, "Snapshot %d is received, but could not be put into place (%v): remove the cause; the next sync or start finishes it.", rec.Snapshot.Number, err)
		}
		if err := t.tree.Sync(); err != nil {
			return err
		}
	}
	e.opt.Hook("import-site")
	if err := e.importSite(ctx, rec); err != nil {
		return err
	}
	e.opt.Hook("save-state")
	if err := e.complete(rec, m); err != nil {
		return err
	}
	e.opt.Hook("remove-journal")
	if err := e.disk.remove(journalFile); err != nil {
		return err
	}
	e.opt.Hook("journal-removed")
	e.mu.Lock()
	e.pending = nil
	e.mu.Unlock()
	e.learn(targets)
	e.disk.clean(e.currentState())
	return nil
}

// errApply marks a recorded snapshot that could not be finished.
var errApply = errors.New("snapshot could not be applied")

func (e *Engine) importSite(ctx context.Context, rec record) error {
	if rec.Site == "" {
		return nil
	}
	f, err := os.Open(e.disk.path("site", rec.Site))
	if err != nil {
		return fmt.Errorf("open staged site database: %w", err)
	}
	defer func() { _ = f.Close() }()
	if err := e.opt.Site.Import(ctx, f); err != nil {
		return sentence(errApply, "The site database of snapshot %d could not be imported: %v.", rec.Snapshot.Number, err)
	}
	return nil
}

// complete makes the snapshot the newest of this appliance.
func (e *Engine) complete(rec record, m plan.Manifest) error {
	e.mu.Lock()
	e.cached[rec.Manifest] = m
	e.mu.Unlock()
	return e.save(func(s *state) { s.Snapshot, s.Manifest, s.Export = rec.Snapshot, rec.Manifest, rec.Export })
}

func (e *Engine) learn(targets []*target) {
	for _, t := range targets {
		changed := len(t.work.Put) + len(t.work.Touch)
		if changed == 0 {
			continue
		}
		files := e.indexOf(t.tree.Path())
		if files == nil {
			files = directory.Index{}
		}
		t.tree.Learn(files, t.work, e.opt.Now)
		e.keepIndex(t.tree.Path(), files, changed)
		e.opt.Log.Debug("applied to protected directory", slog.String("path", t.tree.Path()), slog.Int("files", changed))
	}
}

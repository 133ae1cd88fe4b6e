package datasync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/zeebo/blake3"

	"baton/internal/cause"
	"baton/internal/datasync/plan"
	"baton/internal/datasync/source/directory"
)

// target is one protected directory of this appliance while a snapshot is
// brought into it.
type target struct {
	tree    *directory.Tree
	staging *directory.Staging // nil while nothing has to change
	have    []plan.Entry       // as scanned
	work    plan.Work
	steps   []directory.Step // that do the work, and can be taken back
}

func (t *target) close() {
	if t.staging != nil {
		_ = t.staging.Close()
		t.staging = nil
	}
	_ = t.tree.Close()
}

// look opens the directory of one set and finds out what differs.
func (e *Engine) look(ctx context.Context, set plan.Set, scheme plan.Scheme) (*target, error) {
	if err := e.checkPlace(set.Data); err != nil {
		return nil, err
	}
	tree, err := e.create(set.Data)
	if err != nil {
		return nil, err
	}
	tree.Scheme = scheme
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

// complete is the state once the recorded snapshot is in place.
func (r record) complete(s state) state {
	s.Snapshot, s.Manifest, s.Export, s.Disks, s.Mounts = r.Snapshot, r.Manifest, r.Export, r.Disks, r.Mounts
	s.Keep, s.Kept = false, plan.Digest{}
	return s
}

// Sentinels of a recorded snapshot.
var (
	errApply = errors.New("snapshot could not be applied")
	// ErrTorn means that one is half in place.
	ErrTorn = errors.New("a snapshot is half in place")
)

func errLost() error {
	return sentence(ErrTorn, "A snapshot is half in place here, and what is needed to finish it or to take it back is damaged: a complete data sync makes the data whole again.")
}

// finishPending finishes the recorded snapshot, if there is one, or else takes it
// back. It takes the recorded steps alone, so it needs no scan and no peer.
func (e *Engine) finishPending(ctx context.Context) error {
	e.mu.Lock()
	rec := e.pending
	e.mu.Unlock()
	if rec == nil {
		return nil
	}
	m, steps, err := e.recorded(*rec)
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
		if len(steps[i]) == 0 {
			continue
		}
		if err := e.unmounted(set.Data, rec.Mounts[set.Data.Spec.String()], ErrTorn); err != nil {
			return e.tear(err)
		}
		tree, err := e.open(set.Data)
		if err != nil {
			return e.tear(sentence(ErrTorn, "Snapshot %d is half in place: %v", rec.Snapshot.Number, err))
		}
		targets = append(targets, &target{tree: tree, steps: steps[i]})
		if !tree.HasStaging() {
			return e.lose(directory.ErrMissing)
		}
	}
	return e.finish(ctx, *rec, m, targets)
}

// recorded reads what a recorded snapshot needs.
func (e *Engine) recorded(rec record) (m plan.Manifest, steps [][]directory.Step, err error) {
	if m, err = e.disk.loadManifest(rec.Manifest); err != nil {
		return m, nil, err
	}
	if steps, err = e.disk.loadSteps(rec.Steps); err != nil {
		return m, nil, err
	}
	if len(steps) != len(m.Sets) {
		return m, nil, plan.ErrMalformed
	}
	return m, steps, nil
}

// lose gives up a recorded snapshot whose steps cannot be read. The next complete
// data sync makes the data whole.
func (e *Engine) lose(why error) error {
	e.opt.Log.Error("what a recorded snapshot needs is damaged", slog.Any("error", why))
	if err := e.disk.rename(journalFile, lostFile); err != nil {
		return e.tear(sentence(ErrTorn, "A snapshot is half in place, and its record could not be set aside (%v): look at the disk of %s; it is tried again by itself.", err, e.opt.Dir))
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
func (e *Engine) finish(ctx context.Context, rec record, m plan.Manifest, targets []*target) error {
	e.progress.update(func(p *Progress) { p.Applying = true })
	if err := e.apply(ctx, rec, targets); err != nil {
		return e.takeBack(ctx, rec, targets, err)
	}
	e.opt.Hook("save-state")
	err := e.complete(rec, m)
	if err == nil {
		e.opt.Hook("remove-journal")
		err = e.endRecord()
	}
	if err != nil {
		return e.tear(sentence(ErrTorn, "Snapshot %d is in place, but that could not be recorded (%v): look at the disk of %s; it is tried again by itself.", rec.Snapshot.Number, err, e.opt.Dir))
	}
	e.opt.Hook("journal-removed")
	e.learn(targets)
	e.dropAfter(targets)
	e.clean()
	return nil
}

func (e *Engine) apply(ctx context.Context, rec record, targets []*target) error {
	for _, t := range targets {
		if len(t.steps) == 0 {
			continue
		}
		err := t.tree.Apply(t.steps, e.opt.Hook)
		if err == nil {
			err = t.tree.Sync()
		}
		if err != nil {
			return explain(err, t.tree.Path())
		}
	}
	e.opt.Hook("import-site")
	return e.importSite(ctx, rec)
}

// takeBack makes the snapshot before the recorded one whole again.
func (e *Engine) takeBack(ctx context.Context, rec record, targets []*target, why error) error {
	if e.imported(ctx, rec) { // by an earlier run: it cannot be taken back any more
		return e.tear(sentence(ErrTorn, "Snapshot %d is half in place and could not be finished: %s. Remove the cause; it is tried again by itself.", rec.Snapshot.Number, bare(why)))
	}
	for _, t := range slices.Backward(targets) {
		err := t.tree.Undo(t.steps, e.opt.Hook)
		if err == nil {
			err = t.tree.Sync()
		}
		if err != nil {
			return e.tear(sentence(ErrTorn, "Snapshot %d is half in place: it could neither be finished (%s) nor taken back (%s). Remove the cause; it is tried again by itself.",
				rec.Snapshot.Number, bare(why), bare(explain(err, t.tree.Path()))))
		}
	}
	e.opt.Hook("remove-journal")
	if err := e.endRecord(); err != nil {
		return e.tear(sentence(ErrTorn, "Snapshot %d was taken back, but its record could not be removed (%v): look at the disk of %s; it is tried again by itself.", rec.Snapshot.Number, err, e.opt.Dir))
	}
	return sentence(errApply, "Snapshot %d is received, but could not be put into place, and the one before it is whole again: %s.", rec.Snapshot.Number, bare(why))
}

// imported reports whether the site database is that of the recorded snapshot already.
func (e *Engine) imported(ctx context.Context, rec record) bool {
	if rec.Site == "" {
		return false
	}
	export := blake3.New()
	err := e.opt.Site.Export(ctx, export)
	return err == nil && plan.Digest(export.Sum(nil)) == rec.Export
}

// bare is a sentence within another.
func bare(err error) string { return strings.TrimRight(cause.Of(err), ". ") }

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

// dropAfter removes what went out of the trees. What cannot be removed is in nobody's way.
func (e *Engine) dropAfter(targets []*target) {
	for _, t := range targets {
		if len(t.steps) == 0 {
			continue
		}
		e.opt.Hook("drop-staging")
		if err := t.tree.DropStaging(); err != nil {
			e.opt.Log.Warn("staging directory not removed", slog.Any("error", err))
		}
	}
}

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

// complete makes the recorded snapshot the newest of this appliance. It needs no room.
func (e *Engine) complete(rec record, m plan.Manifest) error {
	e.mu.Lock()
	e.cached[rec.Manifest] = m
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

func (e *Engine) learn(targets []*target) {
	for _, t := range targets {
		changed := len(t.work.Put) + len(t.work.Touch)
		if changed == 0 {
			continue
		}
		files := e.indexOf(t.tree)
		if files == nil {
			files = directory.Index{}
		}
		t.tree.Learn(files, t.work, e.opt.Now)
		e.keepIndex(t.tree, files, changed)
		e.opt.Log.Debug("applied to protected directory", slog.String("path", t.tree.Path()), slog.Int("files", changed))
	}
}

package datasync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"baton/internal/datasync/diverged"
	"baton/internal/datasync/ledger"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/kept"
	"baton/internal/pair"
)

// SetAside copies what this appliance wrote since the last common snapshot: the
// newer of Confirmed and Snapshot, or everything if there is none. It changes nothing in
// the data. Called again for the same state, it returns the copy that is there.
// Since is the number of the newest snapshot that the new primary's data has been
// through: if the common one is newer, as when a backup took over from an older image,
// what the next pull replaces is set aside by that instead. Without room for all of it, it fails with source.ErrNoRoom and keeps nothing. If nothing
// was written, it makes no copy and returns the zero value.
func (e *Engine) SetAside(ctx context.Context, epoch pair.Epoch, since uint64) (kept.DivergedCopy, error) {
	r, err := e.runs.acquireNow(ctx)
	if err != nil {
		return kept.DivergedCopy{}, err
	}
	defer e.runs.release(r)
	if common, _ := e.ledger.State().Common(); common.Number > since {
		return kept.DivergedCopy{}, e.ledger.Save(func(s *ledger.State) { s.Keep = true })
	}
	changes, err := e.changes(ctx, source.Final)
	if err != nil {
		return kept.DivergedCopy{}, fmt.Errorf("set diverged data aside: %w", source.Explain(err, e.opt.Dir))
	}
	made, err := e.setAside(ctx, epoch, changes)
	if err != nil {
		return made, err
	}
	return made, e.noteKept(changes)
}

func (e *Engine) setAside(ctx context.Context, epoch pair.Epoch, changes []diverged.Divergence) (kept.DivergedCopy, error) {
	if e.unchanged(epoch, changes) {
		return kept.DivergedCopy{}, nil
	}
	id := fmt.Sprintf("epoch-%d-%s-%s", epoch.Counter, epoch.Holder.Short(), diverged.NameOf(changes, nil))
	if known, err := e.Diverged.One(id); err == nil {
		return known, nil
	}
	return e.Diverged.Make(ctx, kept.DivergedCopy{ID: id, Time: e.opt.Now().UTC(), Epoch: epoch, Since: e.Common()}, changes)
}

// noteKept remembers the state that was looked at, so that the next pull sets aside
// only what has been written since.
func (e *Engine) noteKept(changes []diverged.Divergence) error {
	seen := manifest.Manifest{Order: manifest.ByBranch}
	for _, c := range changes {
		seen.Scheme = c.Scheme // of all of them
		seen.Sets = append(seen.Sets, manifest.Set{Data: c.Data, Listing: c.All})
	}
	digest := seen.Digest()
	if err := e.ledger.SaveManifest(seen, digest); err != nil {
		return source.Explain(err, e.opt.Dir)
	}
	return e.ledger.Save(func(s *ledger.State) { s.Kept = digest })
}

// unchanged reports whether nothing differs from the common snapshot. What travels
// inline, of one that was never primary, counts as nothing.
func (e *Engine) unchanged(epoch pair.Epoch, changes []diverged.Divergence) bool {
	for _, c := range changes {
		if epoch.Counter == 0 && c.Data == e.sources.Inline {
			continue
		}
		if len(c.Changed)+len(c.Removed) > 0 {
			return false
		}
	}
	return true
}

// Unsynced counts the files that were written or removed on this appliance since
// the newest snapshot that both appliances have, and the bytes of those that are
// there. It changes nothing.
func (e *Engine) Unsynced(ctx context.Context) (files, bytes int64, err error) {
	changes, err := e.changes(ctx, source.Serve)
	if err != nil {
		return 0, 0, err
	}
	for _, c := range changes {
		for _, entry := range c.Changed {
			if entry.Kind == manifest.File {
				files++
				bytes += entry.Size
			}
		}
		for _, entry := range c.Removed {
			if entry.Kind == manifest.File {
				files++
			}
		}
	}
	return files, bytes, nil
}

// changes finds what this appliance wrote since the last common snapshot.
func (e *Engine) changes(ctx context.Context, purpose source.Purpose) ([]diverged.Divergence, error) {
	_, of := e.ledger.State().Common()
	common := e.ledger.ManifestOrNone(of)
	if len(common.Sets) == 0 {
		common.Scheme = manifest.Newest
	}
	data, err := e.sources.Data(ctx)
	if err != nil {
		return nil, err
	}
	var changes []diverged.Divergence
	for _, d := range data {
		scan, err := e.sources.Scan(ctx, d, common.Scheme, purpose, nil)
		if errors.Is(err, source.ErrUnsafe) { // what cannot be read as what it is, is taken as it lies
			if raw, again := e.sources.Scan(ctx, d, common.Scheme, source.Recover, nil); again == nil {
				scan, err = raw, nil
			}
		}
		if errors.Is(err, source.ErrMissing) { // nothing is there that could be lost
			continue
		}
		if err != nil && d == e.sources.Inline { // then it counts as written since
			e.opt.Log.Warn("what travels inline cannot be scanned", slog.Any("error", err))
			scan, err = source.Scan{Listing: manifest.InlineSet(d, manifest.Digest{}).Listing}, nil
		}
		if err != nil {
			return nil, err
		}
		changes = append(changes, diverged.Divergence{Data: d, Divergence: since(common.Find(d).As(d), scan.Listing, common.Scheme)})
	}
	return changes, nil
}

// since compares what is here with what was common.
func since(common, here manifest.Listing, scheme manifest.Scheme) source.Divergence {
	d := source.Divergence{All: here, Was: common, Scheme: scheme}
	changed := func(e manifest.Entry) { d.Changed = append(d.Changed, e) }
	manifest.Walk(
		common, here,
		func(e manifest.Entry) { d.Removed = append(d.Removed, e) },
		changed,
		func(was, is manifest.Entry) {
			if !was.Same(is) {
				changed(is)
			}
		},
	)
	return d
}

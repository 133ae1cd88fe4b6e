package datasync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/durable"
	"baton/internal/pair"
)

// A diverged copy has a folder of its own, in which copy.json lists it; the rest is what
// each source has set aside. It is made under a name that begins with a dot and renamed
// when whole.
const (
	copyList   = "copy.json"
	halfPrefix = ".half-"
)

func (e *Engine) dropHalfCopies() {
	halves, err := filepath.Glob(e.disk.path("diverged", halfPrefix+"*"))
	if err != nil {
		return
	}
	for _, half := range halves {
		_ = os.RemoveAll(half)
	}
}

// SetAside copies what this appliance wrote since the last common snapshot: the
// newer of Confirmed and Snapshot, or everything if there is none. It changes nothing in
// the data. Called again for the same state, it returns the copy that is there.
// Since is the number of the newest snapshot that the new primary's data has been
// through: if the common one is newer, as when a backup took over from an older image,
// what the next pull replaces is set aside by that instead. Without room for all of it, it fails with source.ErrNoRoom and keeps nothing. If nothing
// was written, it makes no copy and returns the zero value.
func (e *Engine) SetAside(ctx context.Context, epoch pair.Epoch, since uint64) (pair.DivergedCopy, error) {
	r, err := e.acquire(func(error) {})
	if err != nil {
		return pair.DivergedCopy{}, err
	}
	defer e.release(r)
	if common, _ := e.currentState().common(); common.Number > since {
		return pair.DivergedCopy{}, e.save(func(s *state) { s.Keep = true })
	}
	changes, err := e.changes(ctx)
	if err != nil {
		return pair.DivergedCopy{}, fmt.Errorf("set diverged data aside: %w", source.Explain(err, e.opt.Dir))
	}
	made, err := e.setAside(ctx, epoch, changes)
	if err != nil {
		return made, err
	}
	return made, e.noteKept(changes)
}

func (e *Engine) setAside(ctx context.Context, epoch pair.Epoch, changes []divergence) (pair.DivergedCopy, error) {
	if e.unchanged(epoch, changes) {
		return pair.DivergedCopy{}, nil
	}
	id := fmt.Sprintf("epoch-%d-%s-%s", epoch.Counter, epoch.Holder.Short(), contentOf(changes, nil))
	if known, err := e.divergedCopy(id); err == nil {
		return known, nil
	}
	return e.makeCopy(ctx, pair.DivergedCopy{ID: id, Time: e.opt.Now().UTC(), Epoch: epoch}, changes)
}

// noteKept remembers the state that was looked at, so that the next pull sets aside
// only what has been written since.
func (e *Engine) noteKept(changes []divergence) error {
	var seen manifest.Manifest
	for _, c := range changes {
		seen.Scheme = c.scheme // of all of them
		seen.Sets = append(seen.Sets, manifest.Set{Data: c.data, Entries: c.All})
	}
	digest := seen.Digest()
	if err := e.disk.saveManifest(seen, digest); err != nil {
		return source.Explain(err, e.opt.Dir)
	}
	return e.save(func(s *state) { s.Kept = digest })
}

// unchanged reports whether nothing differs from the common snapshot. What travels
// inline, of one that was never primary, counts as nothing.
func (e *Engine) unchanged(epoch pair.Epoch, changes []divergence) bool {
	for _, c := range changes {
		if epoch.Counter == 0 && c.data == e.opt.Inline {
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
	changes, err := e.changes(ctx)
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

// makeCopy makes a diverged copy, whole or not at all.
func (e *Engine) makeCopy(ctx context.Context, made pair.DivergedCopy, kept []divergence) (pair.DivergedCopy, error) {
	half := e.disk.path("diverged", halfPrefix+made.ID)
	made, err := e.fillCopy(ctx, half, made, kept)
	if err == nil {
		e.opt.Hook("rename-copy")
		err = os.Rename(half, e.disk.path("diverged", made.ID))
	}
	if err != nil {
		_ = os.RemoveAll(half)
		return pair.DivergedCopy{}, fmt.Errorf("set diverged data aside: %w", source.Explain(err, e.opt.Dir))
	}
	e.countCopies()
	return made, durable.SyncDir(e.disk.path("diverged"))
}

// countCopies looks which diverged copies there are.
func (e *Engine) countCopies() {
	paths, err := filepath.Glob(e.disk.path("diverged", "[^.]*"))
	if err != nil {
		return
	}
	copies := make([]string, len(paths))
	for i, path := range paths {
		copies[i] = filepath.Base(path)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.copies = copies
}

// Copies lists the ids of the diverged copies: first of those that were set aside as
// one, then of what was written on this appliance after it had given the role away. It
// reads no disk.
func (e *Engine) Copies() (aside, late []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range e.copies {
		if strings.HasPrefix(id, LatePrefix) {
			late = append(late, id)
		} else {
			aside = append(aside, id)
		}
	}
	return aside, late
}

// divergence is what one piece of data has that the common snapshot has not.
type divergence struct {
	source.Divergence

	data   pair.Data
	scheme manifest.Scheme // by which its entries are hashed
	source source.Source   // nil: it is opened to be copied
}

// changes finds what this appliance wrote since the last common snapshot.
func (e *Engine) changes(ctx context.Context) ([]divergence, error) {
	_, of := e.currentState().common()
	common, err := e.manifest(of)
	if err != nil { // then everything counts as written since: too much is kept, never too little
		e.opt.Log.Warn("manifest of the common snapshot is unreadable", slog.Any("error", err))
		common = manifest.Manifest{}
	}
	if len(common.Sets) == 0 {
		common.Scheme = manifest.Newest
	}
	data, err := e.protected(ctx)
	if err != nil {
		return nil, err
	}
	var changes []divergence
	for _, d := range data {
		scan, err := e.scan(ctx, d, common.Scheme)
		if errors.Is(err, source.ErrMissing) { // nothing is there that could be lost
			continue
		}
		if err != nil && d == e.opt.Inline { // then it counts as written since
			e.opt.Log.Warn("what travels inline cannot be scanned", slog.Any("error", err))
			scan, err = source.Scan{Entries: []manifest.Entry{{Path: ".", Kind: manifest.Blob}}}, nil
		}
		if err != nil {
			return nil, err
		}
		changes = append(changes, divergence{data: d, scheme: common.Scheme, Divergence: diverged(common.Find(d).Entries, scan.Entries)})
	}
	return changes, nil
}

// diverged compares what is here with what was common.
func diverged(common, here []manifest.Entry) source.Divergence {
	delta := manifest.Difference(common, here)
	d := source.Divergence{Changed: delta.Set, All: here}
	was := byPath(common)
	for _, path := range delta.Removed {
		d.Removed = append(d.Removed, was[path])
	}
	return d
}

func (e *Engine) fillCopy(ctx context.Context, half string, made pair.DivergedCopy, kept []divergence) (pair.DivergedCopy, error) {
	if err := errors.Join(os.RemoveAll(half), os.MkdirAll(half, 0o700)); err != nil {
		return made, err
	}
	if err := e.roomFor(kept); err != nil {
		return made, err
	}
	for _, c := range e.alsoInline(kept) {
		e.opt.Hook("copy-diverged")
		files, err := e.copyTo(ctx, c, half)
		if err != nil {
			return made, err
		}
		made.Files = append(made.Files, files...)
	}
	for _, f := range made.Files {
		if !f.Deleted {
			made.Bytes += f.Size
		}
	}
	b, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		return made, fmt.Errorf("write list: %w", err)
	}
	if err := durable.Replace(filepath.Join(half, copyList), append(b, '\n')); err != nil {
		return made, err
	}
	return made, syncFS(half)
}

// alsoInline adds what travels inline: it is small, and every copy has it.
func (e *Engine) alsoInline(kept []divergence) []divergence {
	inline := e.opt.Inline
	if inline.Spec == nil || slices.ContainsFunc(kept, func(d divergence) bool { return d.data == inline }) {
		return kept
	}
	return append(slices.Clip(kept), divergence{data: inline})
}

func (e *Engine) copyTo(ctx context.Context, d divergence, half string) ([]pair.DivergedFile, error) {
	src := d.source
	if src == nil {
		var err error
		if src, err = e.open(d.data, source.Recover); err != nil {
			return nil, err
		}
		defer func() { _ = src.Close() }()
	}
	return src.SetAside(ctx, d.Divergence, half)
}

func (e *Engine) roomFor(kept []divergence) error {
	free, err := e.disk.room()
	if err != nil {
		return err
	}
	var need int64
	for _, c := range kept {
		for _, entry := range c.Changed {
			if entry.Kind == manifest.File {
				need += entry.Alloc
			}
		}
	}
	if need > free {
		return source.Sentence(source.ErrNoRoom, "The disk of %s has %s free, and the diverged copy needs %s there: make room, then try again; nothing was lost or replaced.",
			e.opt.Dir, pair.BytesText(free), pair.BytesText(need))
	}
	return nil
}

func (e *Engine) divergedCopy(id string) (pair.DivergedCopy, error) {
	var c pair.DivergedCopy
	if id == "" || strings.HasPrefix(id, ".") || strings.ContainsAny(id, "/\x00") {
		return c, source.Sentence(ErrNotFound, "There is no diverged copy %q: baton diverged list shows their names.", id)
	}
	dir := e.disk.path("diverged", id)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return c, source.Sentence(ErrNotFound, "There is no diverged copy %q: baton diverged list shows their names.", id)
	}
	list := filepath.Join("diverged", id, copyList)
	found, err := e.disk.readJSON(list, "id", &c)
	if err == nil && !found {
		err = fmt.Errorf("%s is missing", e.disk.path(list))
	}
	if err != nil {
		return pair.DivergedCopy{}, fmt.Errorf("%w. It lists the diverged copy, whose files lie in %s: take what is needed from there, then remove %s", err, dir, dir)
	}
	return c, nil
}

// Diverged lists the diverged copies, oldest first.
func (e *Engine) Diverged() ([]pair.DivergedCopy, error) {
	names, err := os.ReadDir(e.disk.path("diverged"))
	if err != nil {
		return nil, fmt.Errorf("list diverged copies: %w", err)
	}
	var copies []pair.DivergedCopy
	for _, name := range names {
		if strings.HasPrefix(name.Name(), ".") {
			continue
		}
		c, err := e.divergedCopy(name.Name())
		if err != nil {
			return nil, err
		}
		copies = append(copies, c)
	}
	slices.SortFunc(copies, func(a, b pair.DivergedCopy) int { return a.Time.Compare(b.Time) })
	return copies, nil
}

// CopyPath returns where a diverged copy lies, with its list.
func (e *Engine) CopyPath(id string) (string, error) {
	_, err := e.divergedCopy(id)
	return e.disk.path("diverged", id), err
}

// Delete removes a diverged copy for good.
func (e *Engine) Delete(id string) error {
	if _, err := e.divergedCopy(id); err != nil {
		return err
	}
	half := e.disk.path("diverged", halfPrefix+"deleted-"+id)
	if err := os.Rename(e.disk.path("diverged", id), half); err != nil {
		return fmt.Errorf("delete diverged copy: %w", err)
	}
	e.countCopies()
	if err := os.RemoveAll(half); err != nil {
		return fmt.Errorf("delete diverged copy: %w", err)
	}
	return nil
}

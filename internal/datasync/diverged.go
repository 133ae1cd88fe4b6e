package datasync

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/plan"
	"baton/internal/datasync/source/directory"
	"baton/internal/durable"
	"baton/internal/pair"
)

// A diverged copy is a directory: copy.json lists it, files/<data>/<path> holds
// what was written since the last common snapshot, site.db the whole site
// database. It is made under a name that begins with a dot and renamed when whole.
const (
	copyManifest = "copy.json"
	copyFiles    = "files"
	copySite     = "site.db"
	halfPrefix   = ".half-"
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
// what the next pull replaces is set aside by that instead. Without room for all of it, it fails with ErrNoRoom and keeps nothing. If nothing
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
		return pair.DivergedCopy{}, fmt.Errorf("set diverged data aside: %w", explain(err, e.opt.Dir))
	}
	made, err := e.setAside(ctx, epoch, changes)
	if err != nil {
		return made, err
	}
	return made, e.noteKept(changes)
}

func (e *Engine) setAside(ctx context.Context, epoch pair.Epoch, changes []divergence) (pair.DivergedCopy, error) {
	if e.unchanged(ctx, epoch, changes) {
		return pair.DivergedCopy{}, nil
	}
	export := blake3.New()
	if err := e.opt.Site.Export(ctx, export); err != nil { // then its copy is all that tells
		e.opt.Log.Warn("site database is not exported", slog.Any("error", err))
	}
	id := fmt.Sprintf("epoch-%d-%s-%s", epoch.Counter, epoch.Holder.Short(), contentOf(changes, export.Sum(nil)))
	if known, err := e.divergedCopy(id); err == nil {
		return known, nil
	}
	return e.makeCopy(ctx, pair.DivergedCopy{ID: id, Time: e.opt.Now().UTC(), Epoch: epoch}, func(context.Context) ([]divergence, error) { return changes, nil })
}

// noteKept remembers the state that was looked at, so that the next pull sets aside
// only what has been written since.
func (e *Engine) noteKept(changes []divergence) error {
	var seen plan.Manifest
	for _, c := range changes {
		seen.Scheme = c.scheme // of all of them
		seen.Sets = append(seen.Sets, plan.Set{Data: c.data, Entries: c.all})
	}
	digest := seen.Digest()
	if err := e.disk.saveManifest(seen, digest); err != nil {
		return explain(err, e.opt.Dir)
	}
	return e.save(func(s *state) { s.Kept = digest })
}

// unchanged reports whether neither a protected directory nor the site database
// differs from the common snapshot. What cannot be read counts as changed; the
// site database of one that was never primary counts as nothing.
func (e *Engine) unchanged(ctx context.Context, epoch pair.Epoch, changes []divergence) bool {
	for _, c := range changes {
		if len(c.delta.Set)+len(c.delta.Removed) > 0 {
			return false
		}
	}
	if epoch.Counter == 0 {
		return true
	}
	export := blake3.New()
	if err := e.opt.Site.Export(ctx, export); err != nil {
		return false
	}
	return e.currentState().commonExport() == plan.Digest(export.Sum(nil))
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
		for _, entry := range c.delta.Set {
			if entry.Kind == plan.File {
				files++
				bytes += entry.Size
			}
		}
		for _, path := range c.delta.Removed {
			if c.was[path].Kind == plan.File {
				files++
			}
		}
	}
	return files, bytes, nil
}

// makeCopy makes a diverged copy of what gather finds, whole or not at all.
func (e *Engine) makeCopy(ctx context.Context, made pair.DivergedCopy, gather func(context.Context) ([]divergence, error)) (pair.DivergedCopy, error) {
	half := e.disk.path("diverged", halfPrefix+made.ID)
	made, err := e.fillCopy(ctx, half, made, gather)
	if err == nil {
		e.opt.Hook("rename-copy")
		err = os.Rename(half, e.disk.path("diverged", made.ID))
	}
	if err != nil {
		_ = os.RemoveAll(half)
		return pair.DivergedCopy{}, fmt.Errorf("set diverged data aside: %w", explain(err, e.opt.Dir))
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

// changes finds what this appliance wrote since the last common snapshot.
func (e *Engine) changes(ctx context.Context) ([]divergence, error) {
	_, digest := e.currentState().common()
	common, err := e.manifest(digest)
	if err != nil { // then everything counts as written since: too much is kept, never too little
		e.opt.Log.Warn("manifest of the common snapshot is unreadable", slog.Any("error", err))
		common = plan.Manifest{}
	}
	if len(common.Sets) == 0 {
		common.Scheme = plan.Newest
	}
	data, err := e.protected(ctx)
	if err != nil {
		return nil, err
	}
	var changes []divergence
	for _, d := range data {
		c, err := e.divergence(ctx, d, common)
		if errors.Is(err, ErrMissing) { // nothing is there that could be lost
			continue
		}
		if err != nil {
			return nil, err
		}
		changes = append(changes, c)
	}
	return changes, nil
}

func (e *Engine) fillCopy(ctx context.Context, half string, made pair.DivergedCopy, gather func(context.Context) ([]divergence, error)) (pair.DivergedCopy, error) {
	if err := errors.Join(os.RemoveAll(half), os.MkdirAll(filepath.Join(half, copyFiles), 0o700)); err != nil {
		return made, err
	}
	changes, err := gather(ctx)
	if err != nil {
		return made, err
	}
	if err := e.roomFor(changes); err != nil {
		return made, err
	}
	for _, c := range changes {
		e.opt.Hook("copy-diverged")
		if err := c.copyTo(ctx, filepath.Join(half, copyFiles, c.data.Name), &made); err != nil {
			return made, err
		}
	}
	e.opt.Hook("copy-site")
	if err := e.opt.Site.Copy(ctx, filepath.Join(half, copySite)); err != nil {
		return made, fmt.Errorf("copy site database: %w", err)
	}
	b, err := json.MarshalIndent(made, "", "  ")
	if err != nil {
		return made, fmt.Errorf("write list: %w", err)
	}
	if err := durable.Replace(filepath.Join(half, copyManifest), append(b, '\n')); err != nil {
		return made, err
	}
	return made, syncFS(half)
}

// divergence is what one piece of protected data has that the common snapshot has not.
type divergence struct {
	data   pair.Data
	scheme plan.Scheme // by which its entries are hashed
	open   func() (*directory.Tree, error)
	delta  plan.Delta
	all    []plan.Entry
	was    map[string]plan.Entry // of the common snapshot: what is now removed
}

func (e *Engine) divergence(ctx context.Context, d pair.Data, known plan.Manifest) (divergence, error) {
	common := known.Find(d).Entries
	scan, _, err := e.scanSource(ctx, d, known.Scheme)
	if err != nil {
		return divergence{}, err
	}
	c := divergence{data: d, scheme: known.Scheme, open: func() (*directory.Tree, error) { return e.open(d) }, delta: plan.Difference(common, scan.Entries), all: scan.Entries, was: map[string]plan.Entry{}}
	removed := map[string]bool{}
	for _, path := range c.delta.Removed {
		removed[path] = true
	}
	for _, entry := range common {
		if removed[entry.Path] {
			c.was[entry.Path] = entry
		}
	}
	return c, nil
}

func (e *Engine) roomFor(changes []divergence) error {
	own, err := directory.Open(e.disk.path("diverged"), nil)
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }()
	free, err := own.Free()
	if err != nil {
		return err
	}
	var need int64
	for _, c := range changes {
		for _, entry := range c.delta.Set {
			if entry.Kind == plan.File {
				need += entry.Alloc
			}
		}
	}
	if need > free.Bytes {
		return sentence(ErrNoRoom, "The disk of %s has %s free, and the diverged copy needs %s there: make room, then try again; nothing was lost or replaced.",
			e.opt.Dir, pair.BytesText(free.Bytes), pair.BytesText(need))
	}
	return nil
}

// copyTo copies the changed entries with all their metadata.
func (c divergence) copyTo(ctx context.Context, dir string, made *pair.DivergedCopy) error {
	from, err := c.open()
	if err != nil {
		return explain(err, c.data.Spec.String())
	}
	defer func() { _ = from.Close() }()
	to, err := directory.Create(dir, nil)
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	to.Scheme = plan.Newest
	staging, err := to.Stage()
	if err != nil {
		return err
	}
	defer func() { _ = staging.Close() }()
	want := c.wanted()
	for i := range want {
		if err := c.stageOne(ctx, from, staging, &want[i]); err != nil {
			return err
		}
	}
	work := plan.Compare([]plan.Entry{{Path: ".", Kind: plan.Dir}}, want)
	steps, err := staging.Prepare(work, nil)
	if err == nil {
		err = to.Apply(steps, func(string) {})
	}
	if err == nil {
		err = to.DropStaging()
	}
	if err != nil {
		return err
	}
	return c.list(ctx, to, made)
}

// wanted is a tree of the changed entries, with the directories that lead to
// them. Another name of a file that did not change becomes a file of its own.
func (c divergence) wanted() []plan.Entry {
	needed := map[string]bool{".": true}
	for _, entry := range c.delta.Set {
		for path := entry.Path; path != "." && !needed[path]; path = plan.Parent(path) {
			needed[path] = true
		}
	}
	byPath := map[string]plan.Entry{}
	var want []plan.Entry
	for _, entry := range c.all {
		byPath[entry.Path] = entry
		if !needed[entry.Path] {
			continue
		}
		if entry.Kind == plan.Link && !needed[entry.Target] {
			path := entry.Path
			entry = byPath[entry.Target]
			entry.Path = path
		}
		want = append(want, entry)
	}
	return want
}

func (c divergence) stageOne(ctx context.Context, from *directory.Tree, staging *directory.Staging, entry *plan.Entry) error {
	switch entry.Kind {
	case plan.File:
		return staging.CopyFrom(ctx, from, entry)
	case plan.Symlink, plan.Fifo:
		return staging.Make(*entry)
	case plan.Dir, plan.Link:
	}
	return nil
}

// list adds to the copy's list every file of the tree, hashed, and what was removed.
func (c divergence) list(ctx context.Context, to *directory.Tree, made *pair.DivergedCopy) error {
	for _, entry := range c.wanted() {
		if entry.Kind != plan.File && entry.Kind != plan.Link {
			continue
		}
		f, stamp, err := to.OpenFile(entry.Path)
		if err != nil {
			return err
		}
		sum, err := listedHash(ctx, f, stamp)
		_ = f.Close()
		if err != nil {
			return fmt.Errorf("hash diverged file: %w", err)
		}
		made.Files = append(made.Files, pair.DivergedFile{
			Data: c.data.Name, Path: entry.Path, Size: stamp.Size, SHA256: sum, ModTime: time.Unix(0, stamp.ModTime).UTC(),
		})
		made.Bytes += stamp.Size
	}
	for _, path := range c.delta.Removed {
		if was := c.was[path]; was.Kind == plan.File || was.Kind == plan.Link {
			made.Files = append(made.Files, pair.DivergedFile{
				Data: c.data.Name, Path: path, Deleted: true, Size: was.Size, ModTime: time.Unix(0, was.ModTime).UTC(),
			})
		}
	}
	return nil
}

// manyHoles is from how many bytes of holes on a file is listed without a hash: hashing
// them would keep a machine from coming back for hours.
const manyHoles = 16 << 30

func listedHash(ctx context.Context, f *os.File, stamp directory.Stamp) (string, error) {
	if stamp.Size-stamp.Alloc > manyHoles {
		return "", nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), ctx.Err()
}

func (e *Engine) divergedCopy(id string) (pair.DivergedCopy, error) {
	var c pair.DivergedCopy
	if id == "" || strings.HasPrefix(id, ".") || strings.ContainsAny(id, "/\x00") {
		return c, sentence(ErrNotFound, "There is no diverged copy %q: baton diverged list shows their names.", id)
	}
	dir := e.disk.path("diverged", id)
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return c, sentence(ErrNotFound, "There is no diverged copy %q: baton diverged list shows their names.", id)
	}
	list := filepath.Join("diverged", id, copyManifest)
	found, err := e.disk.readJSON(list, "id", &c)
	if err == nil && !found {
		err = fmt.Errorf("%s is missing", e.disk.path(list))
	}
	if err != nil {
		return pair.DivergedCopy{}, fmt.Errorf("%w. It lists the diverged copy, whose files lie in %s: take what is needed from there, then remove %s", err, filepath.Join(dir, copyFiles), dir)
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

// Export copies a diverged copy, its list included, into dir, which must not
// exist or be empty.
func (e *Engine) Export(id, dir string) error {
	if _, err := e.divergedCopy(id); err != nil {
		return err
	}
	if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
		return sentence(fs.ErrExist, "%s is not empty: name a new directory for the export.", dir)
	}
	if err := copyTree(context.Background(), e.disk.path("diverged", id), dir); err != nil {
		return fmt.Errorf("export diverged copy: %w", explain(err, dir))
	}
	return nil
}

// copyTree copies a whole tree with all its metadata.
func copyTree(ctx context.Context, source, dir string) error {
	open := func() (*directory.Tree, error) { return directory.Open(source, nil) }
	from, err := open()
	if err != nil {
		return err
	}
	from.Scheme = plan.Newest
	scan, err := from.Scan(ctx, nil, time.Now)
	if err := errors.Join(err, from.Close()); err != nil {
		return err
	}
	c := divergence{open: open, all: scan.Entries, delta: plan.Delta{Set: scan.Entries}}
	return c.copyTo(ctx, dir, &pair.DivergedCopy{})
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

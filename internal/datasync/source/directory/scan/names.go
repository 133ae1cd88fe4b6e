package scan

import (
	"context"
	"maps"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/hint"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/datasync/source/directory/xattr"
)

// some looks at some names, and returns what has changed there.
func (w *walker) some(ctx context.Context, some hint.Names) (manifest.Delta, error) {
	w.findLinked()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	w.group = group
	var portions []*portion
	group.Go(func() error {
		for _, dir := range slices.SortedFunc(maps.Keys(some), manifest.ComparePaths) {
			p, err := w.portion(groupCtx, dir, some[dir])
			if err != nil {
				return err
			}
			portions = append(portions, p)
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return manifest.Delta{}, err
	}
	if err := w.readAll(ctx); err != nil {
		return manifest.Delta{}, err
	}
	if len(w.more) > 0 {
		return manifest.Delta{}, ErrWhole
	}
	var delta manifest.Delta
	for _, p := range portions {
		p.append(&delta)
	}
	appendOwn(&delta, portions)
	return tidy(delta), nil
}

// findLinked notes which files have several names, and which directories hold one.
func (w *walker) findLinked() {
	w.linked, w.holds = map[string]bool{}, map[string]bool{}
	for e := range w.before.Links() {
		for _, path := range []string{e.Path, e.Target} {
			w.linked[path] = true
			for at := manifest.Parent(path); !w.holds[at]; at = manifest.Parent(at) {
				w.holds[at] = true
			}
		}
	}
}

// portion is one directory of which some names are looked at.
type portion struct {
	dir   string
	own   manifest.Child // the directory, if that has changed
	gone  []string       // names that were known
	items []*item
}

// portion looks at some names of one directory. One that is not known is a part of another, or is gone.
func (w *walker) portion(ctx context.Context, dir string, names map[string]bool) (*portion, error) {
	p := &portion{dir: dir}
	was, known := w.before.Find(dir)
	if !known || was.Kind != manifest.Dir {
		return p, nil
	}
	f, err := w.tree.Dir().OpenFile(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if tree.IsGone(err) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	stamp, err := inode.Stat(f)
	if err != nil || stamp.Ino != was.Note.Ino { // the directory around it knows
		return p, err
	}
	if !unchanged(was, stamp) {
		p.own = manifest.Child{Entry: stamp.Entry(dir), Note: w.note(stamp)}
		if p.own.XAttrs, err = xattr.Read(int(f.Fd())); err != nil {
			return nil, err
		}
	}
	if w.newServer(dir, names) {
		return nil, ErrWhole
	}
	found := lister{walker: w, dir: int(f.Fd()), of: &folder{path: dir, stamp: stamp}, was: was.Below}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if name == "" {
			continue
		}
		if err := w.oneOf(ctx, &found, p, name, names[name]); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.jobs = append(w.jobs, found.jobs...)
	w.more = append(w.more, found.more...)
	w.scan.Skipped = append(w.scan.Skipped, found.skipped...)
	w.scan.Mounts = append(w.scan.Mounts, found.mounts...)
	return p, nil
}

// oneOf looks at one name of a portion. A directory that may be another than the one that was known, whatever its
// number, is looked at as a whole.
func (w *walker) oneOf(ctx context.Context, found *lister, p *portion, name string, other bool) error { //nolint:revive // it may be another
	path := name
	if p.dir != "." {
		path = p.dir + "/" + name
	}
	if w.linked[path] {
		return ErrWhole
	}
	before := len(found.items)
	if err := found.name(name); err != nil {
		return err
	}
	at, known := found.was.Find(name)
	if len(found.items) == before {
		if known {
			if w.holds[path] {
				return ErrWhole
			}
			p.gone = append(p.gone, path)
		}
		return nil
	}
	one := found.items[before]
	if kind := one.stamp.Kind(); one.stamp.Nlink > 1 && (kind == manifest.Symlink || kind == manifest.Fifo) {
		return ErrWhole // what was noticed of one name holds for the others, which are not known
	}
	if one.sub != nil && known && !other {
		if was := found.was.At(at); was.Kind == manifest.Dir && was.Note.Ino == one.stamp.Ino {
			return w.sameDir(p, one, was)
		}
	}
	if known && w.holds[path] {
		return ErrWhole
	}
	p.items = append(p.items, one)
	if one.sub == nil {
		return nil
	}
	return w.visit(ctx, one.sub)
}

// sameDir is a directory that is where it was: what is in it is not looked at.
func (w *walker) sameDir(p *portion, one *item, was manifest.Child) error {
	if one.known {
		return nil
	}
	d, err := w.tree.Dir().OpenFile(one.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK, 0)
	if tree.IsGone(err) {
		return nil // a later look finds out
	}
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	one.child.XAttrs, err = xattr.Read(int(d.Fd()))
	one.sub = nil
	one.child.Below = was.Below
	p.items = append(p.items, one)
	return err
}

// append adds what has changed in a portion.
func (p *portion) append(delta *manifest.Delta) {
	delta.Removed = append(delta.Removed, p.gone...)
	for _, one := range p.items {
		one.append(delta)
	}
}

// appendOwn adds what has changed of the directories of the portions themselves, unless the one around has told of it: with all
// that is in it, if that was looked at as a whole.
func appendOwn(delta *manifest.Delta, portions []*portion) {
	told := map[string]bool{}
	for _, c := range delta.Set {
		told[c.Path] = true
	}
	for _, p := range portions {
		if p.own.Kind != 0 && !told[p.dir] {
			delta.Set = append(delta.Set, manifest.Change{Entry: p.own.Entry, Note: p.own.Note})
		}
	}
}

func (one *item) append(delta *manifest.Delta) {
	child := one.child
	switch {
	case one.gone || (one.sub != nil && one.sub.gone):
		delta.Removed = append(delta.Removed, one.path)
		return
	case one.sub != nil:
		delta.Removed = append(delta.Removed, one.path) // what was there
		child = one.sub.assemble()
	case one.known:
		return
	}
	delta.Set = append(delta.Set, manifest.Change{Entry: child.Entry, Note: child.Note, Below: child.Below})
}

// tidy puts a delta in order; what is said of a path and of one below it by two portions is said once, as the
// directory around it was looked at as a whole.
func tidy(d manifest.Delta) manifest.Delta {
	slices.SortFunc(d.Set, func(a, b manifest.Change) int { return manifest.ComparePaths(a.Path, b.Path) })
	d.Set = slices.CompactFunc(d.Set, func(a, b manifest.Change) bool { return a.Path == b.Path })
	slices.SortFunc(d.Removed, manifest.ComparePaths)
	d.Removed = slices.Compact(d.Removed)
	whole := map[string]bool{}
	for _, path := range d.Removed {
		whole[path] = true
	}
	below := func(path string) bool {
		for at := manifest.Parent(path); at != "."; at = manifest.Parent(at) {
			if whole[at] {
				return true
			}
		}
		return false
	}
	d.Set = slices.DeleteFunc(d.Set, func(c manifest.Change) bool { return below(c.Path) })
	d.Removed = slices.DeleteFunc(d.Removed, below)
	return d
}

package directory

import (
	"maps"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/hint"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/datasync/source/directory/tree"

	"golang.org/x/sys/unix"
)

// quiet is for how long a file that kept changing must not change before it is read again.
const quiet = time.Second

// Keep implements source.Source. A database of SQLite is left in no state but its newest: what a program
// finds in it must belong together with its log and its other files. The directory of a database server is left as a whole, and
// left out if the peer has no snapshot of it.
func (p *protected) Keep(last func() (manifest.Set, bool)) {
	switch p.purpose {
	case source.Serve:
	case source.Receive, source.Recover: // it is looked at as it is
		return
	case source.Final: // nothing may change any more
		p.tree.Last = func(string, manifest.Kind, uint64) (manifest.Child, bool) { return manifest.Child{}, false }
		return
	}
	x := p.kind.indexAt(p.tree.Path())
	p.tree.Busy = func(path string, modTime int64) bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		_, is := x.moving[path]
		return is && p.kind.opt.Now().Sub(time.Unix(0, modTime)).Abs() < quiet
	}
	p.tree.Last = func(path string, kind manifest.Kind, ino uint64) (manifest.Child, bool) {
		has, known := last()
		switch {
		case kind == manifest.Dir && !known:
			return manifest.Child{}, true
		case kind == manifest.Dir:
			return x.lastOfServer(has, p.data, p.tree, path, ino), true
		case !known, isDatabase(p.tree, path):
			return manifest.Child{}, false
		}
		return x.lastOf(has.Listing, p.tree, path, ino)
	}
}

func isDatabase(dir *tree.Tree, path string) bool {
	f, _, err := dir.OpenFile(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return inode.IsDatabase(f)
}

// lastOf returns what the peer has of a file: at its path, or at the one that it had before it was renamed.
func (x *index) lastOf(has manifest.Listing, dir *tree.Tree, path string, ino uint64) (manifest.Child, bool) {
	at, is := has.Find(path)
	if !is {
		at, is = x.renamed(has, manifest.File, identityOf(dir, path, ino))
	}
	at.Path = path
	switch {
	case !is:
		return manifest.Child{}, true
	case at.Kind != manifest.File:
		return manifest.Child{}, false
	}
	return at, true
}

// identity tells a file or directory from what had its number before: that was listed before it was born.
type identity struct {
	ino  uint64
	born int64 // Unix nanoseconds
}

// identityOf is that of a path with a number. Where the file system does not tell when it was born, it is nothing that was known before.
func identityOf(dir *tree.Tree, path string, ino uint64) identity {
	is := identity{ino, math.MaxInt64}
	f, err := dir.Dir().OpenFile(path, unix.O_PATH, 0)
	if err != nil {
		return is
	}
	defer func() { _ = f.Close() }()
	if born, err := inode.Born(f); err == nil {
		is.born = born
	}
	return is
}

// renamed returns what has a kind and an identity as the peer has it at another path: as both had it last, or as it was listed since.
func (x *index) renamed(has manifest.Listing, kind manifest.Kind, of identity) (manifest.Child, bool) {
	x.mu.Lock()
	agreed, files := x.agreed, x.files
	x.mu.Unlock()
	for _, listing := range []manifest.Listing{agreed, files} {
		for c := range listing.Children() {
			if c.Kind != kind || c.Note.Ino != of.ino || c.Note.CTime < of.born {
				continue
			}
			if at, is := has.Find(c.Path); is && at.Kind == kind && at.Hash == c.Hash && at.Below.Digest() == c.Below.Digest() {
				return at, true
			}
			if holds(has, c.Hash) {
				return c, true
			}
		}
	}
	return manifest.Child{}, false
}

// holds reports whether a listing has some content at any path.
func holds(has manifest.Listing, content manifest.Hash) bool {
	for e := range has.All() {
		if e.Kind == manifest.File && e.Hash == content {
			return true
		}
	}
	return false
}

// again adds what kept changing to what was noticed: nothing may be noticed of it any more.
func (x *index) again(names hint.Names) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for path, one := range x.moving {
		look := names.Again
		if one.By != "" {
			look = names.Anew
		}
		look(manifest.Parent(path), manifest.Base(path))
	}
}

// noteMoving remembers what kept changing, of all that was looked at.
func (x *index) noteMoving(found []source.Moving, looked func(path string) bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	maps.DeleteFunc(x.moving, func(path string, _ source.Moving) bool { return looked(path) })
	for _, one := range found {
		x.moves(one)
	}
}

// moves is called with mu held.
func (x *index) moves(one source.Moving) {
	if x.moving == nil {
		x.moving = map[string]source.Moving{}
	}
	x.moving[one.Path] = one
}

// movingNow returns what kept changing, in order.
func (x *index) movingNow() []source.Moving {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.SortedFunc(maps.Values(x.moving), func(a, b source.Moving) int { return manifest.ComparePaths(a.Path, b.Path) })
}

// tooOften is how often a file changed while it was sent until it counts as one that keeps changing.
const tooOften = 5

// changed counts how often a file changed while it was sent.
func (r *reader) changed(path string) {
	count, _ := r.changes.LoadOrStore(path, new(atomic.Int32))
	if count.(*atomic.Int32).Add(1) >= tooOften { //nolint:forcetypeassert // only these are stored
		r.index.mu.Lock()
		defer r.index.mu.Unlock()
		r.index.moves(source.Moving{Path: path})
	}
}

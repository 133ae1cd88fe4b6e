package directory

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/hint"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/datasync/source/directory/tree"
)

// quiet is for how long a file that kept changing must not change before it is read again.
const quiet = time.Second

// Keep implements source.Source. A database is left in no state but its newest: what a program
// finds in it must belong together with its log and its other files.
func (p *protected) Keep(last func() (manifest.Listing, bool)) {
	if p.purpose != source.Serve { // else nothing may change any more
		return
	}
	x := p.kind.indexAt(p.tree.Path())
	p.tree.Busy = func(path string, modTime int64) bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.moving[path] && p.kind.opt.Now().Sub(time.Unix(0, modTime)).Abs() < quiet
	}
	p.tree.Last = func(path string, ino uint64) (manifest.Entry, bool) {
		has, known := last()
		if !known || isDatabase(p.tree, path) {
			return manifest.Entry{}, false
		}
		return x.lastOf(has, path, ino)
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
func (x *index) lastOf(has manifest.Listing, path string, ino uint64) (manifest.Entry, bool) {
	at, is := has.Find(path)
	if !is {
		at, is = x.renamed(has, ino)
	}
	at.Path = path
	switch {
	case !is:
		return manifest.Entry{}, true
	case at.Kind != manifest.File:
		return manifest.Entry{}, false
	}
	return at.Entry, true
}

// renamed returns the file with a number as the peer has it at another path: as both had it last, or as it was listed since.
func (x *index) renamed(has manifest.Listing, ino uint64) (manifest.Child, bool) {
	x.mu.Lock()
	agreed, files := x.agreed, x.files
	x.mu.Unlock()
	for _, listing := range []manifest.Listing{agreed, files} {
		for c := range listing.Children() {
			if c.Kind != manifest.File || c.Note.Ino != ino {
				continue
			}
			if at, is := has.Find(c.Path); is && at.Hash == c.Hash {
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
	for path := range x.moving {
		names.Again(manifest.Parent(path), manifest.Base(path))
	}
}

// noteMoving remembers what kept changing, of all that was looked at.
func (x *index) noteMoving(paths []string, looked func(path string) bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	maps.DeleteFunc(x.moving, func(path string, _ bool) bool { return looked(path) })
	for _, path := range paths {
		x.moves(path)
	}
}

// moves is called with mu held.
func (x *index) moves(path string) {
	if x.moving == nil {
		x.moving = map[string]bool{}
	}
	x.moving[path] = true
}

// movingNow returns what kept changing, in order.
func (x *index) movingNow() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.SortedFunc(maps.Keys(x.moving), manifest.ComparePaths)
}

// tooOften is how often a file changed while it was sent until it counts as one that keeps changing.
const tooOften = 5

// changed counts how often a file changed while it was sent.
func (r *reader) changed(path string) {
	count, _ := r.changes.LoadOrStore(path, new(atomic.Int32))
	if count.(*atomic.Int32).Add(1) >= tooOften { //nolint:forcetypeassert // only these are stored
		r.index.mu.Lock()
		defer r.index.mu.Unlock()
		r.index.moves(path)
	}
}

// Package plan decides what turns one directory tree into another: it compares what an
// appliance has with what it should have. It is pure: no file, clock or goroutine.
//
// Start reading at Work, then Compare.
package plan

import (
	"slices"

	"baton/internal/datasync/manifest"
)

// Work is what turns one tree into another, in the order in which it is done. All paths are
// those after Move is done, but for Move.From.
type Work struct {
	Move []Move // parents before children; all that goes elsewhere is taken out before the first

	Remove []manifest.Entry // children before parents
	Mkdir  []manifest.Entry // parents before children
	Put    []manifest.Entry // files, symlinks, pipes to be staged and renamed into place
	Link   []manifest.Entry // further names; after Put
	Touch  []manifest.Entry // files whose content is right and metadata is not
	Dirs   []manifest.Entry // directories whose metadata is to be set; children before parents

	// Renamed are files of Remove that have the content of a file of Put, by the path of that: it is
	// renamed, and its metadata set. Such a file is in Touch, not in Put.
	Renamed map[string]string
}

// Move is a directory that goes elsewhere with all that is in it, or one that is made to hold it.
type Move struct {
	From  string         // where it is now; empty: it is made
	To    string         //
	Clear manifest.Entry // what is in the way, and removed; the zero value: nothing
}

// IsEmpty reports whether there is nothing to do.
func (w Work) IsEmpty() bool {
	return len(w.Move)+len(w.Remove)+len(w.Mkdir)+len(w.Put)+len(w.Link)+len(w.Touch)+len(w.Dirs) == 0
}

// Here returns where a path of the work is as long as nothing is done.
func (w Work) Here(path string) string {
	for at := path; at != "."; at = manifest.Parent(at) {
		if m, is := w.at(at); is {
			if m.From == "" {
				return path
			}
			return m.From + path[len(at):]
		}
	}
	return path
}

func (w Work) at(path string) (Move, bool) {
	i, is := slices.BinarySearchFunc(w.Move, path, func(m Move, path string) int { return manifest.ComparePaths(m.To, path) })
	if !is {
		return Move{}, false
	}
	return w.Move[i], true
}

// Vacated reports whether what is at a path now goes elsewhere before anything comes there.
func (w Work) Vacated(path string) bool {
	for at := path; at != "."; at = manifest.Parent(at) {
		if m, is := w.at(at); is {
			return m.From == ""
		}
		if slices.ContainsFunc(w.Move, func(m Move) bool { return m.From == at }) {
			return true
		}
	}
	return false
}

// Compare returns the work that turns have into want, on a file system that can tell what was
// renamed by its number.
func Compare(have, want manifest.Listing) Work {
	c := comparison{puts: map[string]bool{}, dirty: map[string]bool{}}
	moved := c.move(have, want)
	c.compare(moved, want)
	c.rename(have)
	return c.finished(want)
}

// CompareAround is Compare where directories may hold more than is listed, which stays where it is: a directory is
// renamed only if nothing is to be left in its place, and nothing is where it goes.
func CompareAround(have, want manifest.Listing) Work {
	c := comparison{puts: map[string]bool{}, dirty: map[string]bool{}, around: true}
	moved := c.move(have, want)
	c.compare(moved, want)
	c.rename(have)
	return c.finished(want)
}

// CompareByName is Compare on any file system: what was renamed is removed, and comes anew.
func CompareByName(have, want manifest.Listing) Work {
	c := comparison{puts: map[string]bool{}, dirty: map[string]bool{}}
	c.compare(have, want)
	return c.finished(want)
}

func (c *comparison) compare(have, want manifest.Listing) {
	manifest.Walk(have, want, c.removed, c.added, c.both)
	c.relink(have, want)
}

func (c *comparison) finished(want manifest.Listing) Work {
	slices.Reverse(c.work.Remove)
	for path := range c.dirty {
		if e, wanted := want.Find(path); wanted && e.Kind == manifest.Dir {
			c.work.Dirs = append(c.work.Dirs, e.Entry)
		}
	}
	slices.SortFunc(c.work.Dirs, func(a, b manifest.Entry) int { return manifest.ComparePaths(b.Path, a.Path) })
	return c.work
}

type comparison struct {
	work  Work
	puts  map[string]bool // paths of Put: their further names must be linked anew
	dirty map[string]bool // directories whose metadata is to be set at the end

	around bool // directories may hold more than is listed
}

// movable reports whether a directory can be renamed as a difference says.
func (c *comparison) movable(change manifest.Change, have, want manifest.Listing) bool {
	if change.From == "" || !c.around {
		return change.From != ""
	}
	_, stays := want.Find(change.From)
	_, isThere := have.Find(change.Path)
	return !stays && !isThere
}

// move finds the directories that go elsewhere, and returns the tree once they are there.
func (c *comparison) move(have, want manifest.Listing) manifest.Listing {
	if sum := have.Sum(); sum.Entries == sum.Names+1 { // the directory itself is the only one
		return have
	}
	m := moving{have: have, from: map[string]bool{}, to: map[string]string{}}
	leads := map[string]bool{}
	for _, change := range manifest.Difference(have, want).Set {
		if !c.movable(change, have, want) {
			continue
		}
		m.from[change.From], m.to[change.Path] = true, change.From
		for at := manifest.Parent(change.Path); at != "."; at = manifest.Parent(at) {
			leads[at] = true
		}
	}
	if len(m.to) == 0 {
		return have
	}
	for to, from := range m.to {
		was, _ := have.Find(from) // it keeps its metadata on the way
		m.put(Move{From: from, To: to}, was.Entry)
	}
	for path := range leads {
		if is, there := m.then(path); m.to[path] == "" && (!there || is.Kind != manifest.Dir) {
			made, _ := want.Find(path)
			m.put(Move{To: path}, made.Entry)
		}
	}
	moved, err := m.done()
	if err != nil { // without them it takes longer
		return have
	}
	c.work.Move = m.moves
	for _, move := range m.moves {
		c.dirty[move.To], c.dirty[manifest.Parent(move.To)] = true, true
		c.dirty[manifest.Parent(move.From)] = true
	}
	return moved
}

// moving is what the moves make of a tree.
type moving struct {
	have  manifest.Listing
	from  map[string]bool   // where directories are taken out
	to    map[string]string // where they come from, by where they go
	moves []Move
	delta manifest.Delta
}

// then returns what is at a path once all is moved, but for what is moved there itself.
func (m *moving) then(path string) (manifest.Child, bool) {
	if m.from[path] {
		return manifest.Child{}, false
	}
	for at := manifest.Parent(path); at != "."; at = manifest.Parent(at) {
		if from, is := m.to[at]; is {
			return m.have.Find(from + path[len(at):])
		}
		if m.from[at] {
			return manifest.Child{}, false
		}
	}
	return m.have.Find(path)
}

// replaced reports whether a path, or one above it, is one to which something is moved.
func (m *moving) replaced(path string) bool {
	for ; path != "."; path = manifest.Parent(path) {
		if m.to[path] != "" {
			return true
		}
	}
	return false
}

func (m *moving) put(move Move, entry manifest.Entry) {
	if is, there := m.then(move.To); there {
		move.Clear = is.Entry
		move.Clear.Path = move.To
	}
	entry.Path = move.To
	m.moves = append(m.moves, move)
	m.delta.Set = append(m.delta.Set, manifest.Change{Entry: entry, From: move.From})
}

// done returns the tree once all is moved.
func (m *moving) done() (manifest.Listing, error) {
	for from := range m.from {
		if !m.replaced(manifest.Parent(from)) { // else it is gone with what was there
			m.delta.Removed = append(m.delta.Removed, from)
		}
	}
	slices.SortFunc(m.moves, func(a, b Move) int { return manifest.ComparePaths(a.To, b.To) })
	slices.SortFunc(m.delta.Set, func(a, b manifest.Change) int { return manifest.ComparePaths(a.Path, b.Path) })
	slices.SortFunc(m.delta.Removed, manifest.ComparePaths)
	return manifest.Patch(m.have, m.delta)
}

func (c *comparison) removed(e manifest.Entry) {
	c.work.Remove = append(c.work.Remove, e)
	c.dirty[manifest.Parent(e.Path)] = true
}

func (c *comparison) added(e manifest.Entry) {
	c.dirty[manifest.Parent(e.Path)] = true
	switch e.Kind {
	case manifest.Dir:
		c.work.Mkdir = append(c.work.Mkdir, e)
		c.dirty[e.Path] = true
	case manifest.Link:
		c.work.Link = append(c.work.Link, e)
	case manifest.File, manifest.Symlink, manifest.Fifo:
		c.work.Put = append(c.work.Put, e)
		c.puts[e.Path] = true
	case manifest.Blob: // no tree has one
	}
}

func (c *comparison) both(have, want manifest.Entry) {
	same, sameMeta := have.SameContent(want), have.SameMeta(want)
	switch {
	case (have.Kind == manifest.Dir) != (want.Kind == manifest.Dir):
		c.removed(have)
		c.added(want)
	case want.Kind == manifest.Dir:
		if !sameMeta {
			c.dirty[want.Path] = true
		}
	case !same:
		c.added(want)
	case sameMeta:
	case want.Kind == manifest.File && !grants(want):
		c.work.Touch = append(c.work.Touch, want)
	default: // symlinks and pipes cost nothing to make anew; rights need content that nobody can exchange
		c.added(want)
	}
}

// relink makes anew the further names, the same on both sides, of a file that is put.
func (c *comparison) relink(have, want manifest.Listing) {
	if len(c.puts) == 0 {
		return
	}
	for e := range want.Links() {
		if was, had := have.Find(e.Path); c.puts[e.Target] && had && was.Same(e) {
			c.added(e)
		}
	}
	slices.SortFunc(c.work.Link, func(a, b manifest.Entry) int { return manifest.ComparePaths(a.Path, b.Path) })
}

// rename finds the files whose content has another name already, which goes. Have is the tree before
// anything is moved. A file with further names is left: one name does not tell it from another.
func (c *comparison) rename(have manifest.Listing) {
	linked := map[string]bool{}
	for e := range have.Links() {
		linked[e.Target] = true
	}
	gone := map[manifest.Hash][]manifest.Entry{}
	for _, e := range c.work.Remove {
		if e.Kind == manifest.File && e.Size > 0 && !c.puts[e.Path] && !linked[c.work.Here(e.Path)] {
			gone[e.Hash] = append(gone[e.Hash], e)
		}
	}
	if len(gone) == 0 {
		return
	}
	c.work.Renamed = map[string]string{}
	c.work.Put = slices.DeleteFunc(c.work.Put, func(e manifest.Entry) bool {
		same := gone[e.Hash]
		if e.Kind != manifest.File || len(same) == 0 || same[0].Size != e.Size || grants(e) || grants(same[0]) {
			return false
		}
		gone[e.Hash] = same[1:]
		c.work.Renamed[e.Path] = same[0].Path
		c.work.Touch = append(c.work.Touch, e)
		return true
	})
	slices.SortFunc(c.work.Touch, func(a, b manifest.Entry) int { return manifest.ComparePaths(a.Path, b.Path) })
}

// grants reports whether a file gives rights to whoever runs it.
func grants(e manifest.Entry) bool {
	const setID = 0o6000 // setuid, setgid
	return e.Mode&setID != 0 || slices.ContainsFunc(e.XAttrs, func(x manifest.XAttr) bool { return x.Name == "security.capability" })
}

// Topmost leaves out what goes with the directory that it is in.
func Topmost(remove []manifest.Entry) []manifest.Entry {
	dirs := map[string]bool{}
	for _, e := range remove {
		if e.Kind == manifest.Dir {
			dirs[e.Path] = true
		}
	}
	var top []manifest.Entry
	for _, e := range remove {
		if !dirs[manifest.Parent(e.Path)] {
			top = append(top, e)
		}
	}
	return top
}

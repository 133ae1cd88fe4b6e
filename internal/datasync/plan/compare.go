package plan

import "slices"

// Work is what turns one tree into another, in the order in which it is done.
// Doing a part of it, and then the Work of what is left, ends the same.
type Work struct {
	Remove []Entry // of the tree as it is; children before parents
	Mkdir  []Entry // parents before children
	Put    []Entry // files, symlinks, pipes to be staged and renamed into place
	Link   []Entry // further names; after Put
	Touch  []Entry // files whose content is right and metadata is not
	Dirs   []Entry // directories whose metadata is to be set; children before parents
}

// IsEmpty reports whether there is nothing to do.
func (w Work) IsEmpty() bool {
	return len(w.Remove)+len(w.Mkdir)+len(w.Put)+len(w.Link)+len(w.Touch)+len(w.Dirs) == 0
}

// Compare returns the work that turns have into want. Both are sorted by path.
func Compare(have, want []Entry) Work {
	c := comparison{puts: map[string]bool{}, dirty: map[string]bool{}}
	walkBoth(have, want, c.removed, c.added, c.both)
	slices.Reverse(c.work.Remove)
	for _, e := range slices.Backward(want) {
		if e.Kind == Dir && c.dirty[e.Path] {
			c.work.Dirs = append(c.work.Dirs, e)
		}
	}
	return c.work
}

// walkBoth walks two sorted lists in step.
func walkBoth(have, want []Entry, removed, added func(Entry), both func(have, want Entry)) {
	i, j := 0, 0
	for i < len(have) || j < len(want) {
		switch {
		case j == len(want) || (i < len(have) && ComparePaths(have[i].Path, want[j].Path) < 0):
			removed(have[i])
			i++
		case i == len(have) || ComparePaths(want[j].Path, have[i].Path) < 0:
			added(want[j])
			j++
		default:
			both(have[i], want[j])
			i++
			j++
		}
	}
}

type comparison struct {
	work  Work
	puts  map[string]bool // paths of Put: their further names must be linked anew
	dirty map[string]bool // directories whose metadata is to be set at the end
}

func (c *comparison) removed(e Entry) {
	c.work.Remove = append(c.work.Remove, e)
	c.dirty[Parent(e.Path)] = true
}

func (c *comparison) added(e Entry) {
	c.dirty[Parent(e.Path)] = true
	switch e.Kind {
	case Dir:
		c.work.Mkdir = append(c.work.Mkdir, e)
		c.dirty[e.Path] = true
	case Link:
		c.work.Link = append(c.work.Link, e)
	case File, Symlink, Fifo:
		c.work.Put = append(c.work.Put, e)
		c.puts[e.Path] = true
	}
}

func (c *comparison) both(have, want Entry) {
	same, sameMeta := have.SameContent(want), have.SameMeta(want)
	switch {
	case (have.Kind == Dir) != (want.Kind == Dir):
		c.removed(have)
		c.added(want)
	case want.Kind == Dir:
		if !sameMeta {
			c.dirty[want.Path] = true
		}
	case !same, want.Kind == Link && c.puts[want.Target]:
		c.added(want)
	case sameMeta:
	case want.Kind == File && !want.grants():
		c.work.Touch = append(c.work.Touch, want)
	default: // symlinks and pipes cost nothing to make anew; rights need content that nobody can exchange
		c.added(want)
	}
}

// Delta is the difference between two manifests of one data: what a receiver
// that knows the first needs to know the second.
type Delta struct {
	Set     []Entry  // new or other
	Removed []string // paths
}

// Difference returns the delta from one sorted list to another.
func Difference(from, to []Entry) Delta {
	var d Delta
	walkBoth(
		from, to,
		func(e Entry) { d.Removed = append(d.Removed, e.Path) },
		func(e Entry) { d.Set = append(d.Set, e) },
		func(a, b Entry) {
			if !a.Same(b) {
				d.Set = append(d.Set, b)
			}
		},
	)
	return d
}

// Patch returns from with the delta applied, sorted.
func Patch(from []Entry, d Delta) []Entry {
	gone := make(map[string]bool, len(d.Removed))
	for _, path := range d.Removed {
		gone[path] = true
	}
	to := make([]Entry, 0, len(from)+len(d.Set))
	keep := func(e Entry) {
		if !gone[e.Path] {
			to = append(to, e)
		}
	}
	walkBoth(from, d.Set, keep, func(e Entry) { to = append(to, e) }, func(_, b Entry) { to = append(to, b) })
	return to
}

package manifest

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Delta is the difference between two listings: what a receiver that knows the first needs to
// know the second.
type Delta struct {
	Set     []Change // new or other, sorted by path
	Removed []string // paths, sorted; all that is below one is gone with it
}

// Change is an entry that is new or other.
type Change struct {
	Entry

	// From is the path of a branch in the first listing; what is in that is in this one,
	// but for what the delta says of paths below this one. Empty: a branch that was here keeps what is in it,
	// and a new one is empty.
	From  string
	Note  Note
	Below *Branch // what is in it, where the owner of the listing knows; never sent
}

// IsEmpty reports whether there is no difference.
func (d Delta) IsEmpty() bool { return len(d.Set)+len(d.Removed) == 0 }

// Walk walks two listings in step, by what only one of them has and what both have. It leaves out
// branches in which nothing differs.
func Walk(have, want Listing, removed, added func(Entry), both func(have, want Entry)) {
	walk(have.top, want.top, "", visitor{removed, added, both})
}

type visitor struct {
	removed, added func(Entry)
	both           func(have, want Entry)
}

func walk(have, want *Branch, path string, v visitor) {
	if have == want || have.Digest() == want.Digest() {
		return
	}
	for have, want := range pairs(have, want, path) {
		switch {
		case want.Kind == 0:
			v.removed(have.Entry)
			walk(have.Below, nil, have.Path, v)
		case have.Kind == 0:
			v.added(want.Entry)
			walk(nil, want.Below, want.Path, v)
		default:
			v.both(have.Entry, want.Entry)
			walk(have.Below, want.Below, want.Path, v)
		}
	}
}

// pairs yields the children of two branches at one path by name; one that only one of them
// has comes with a zero value for the other, and one that is equal in both does not come at all.
func pairs(have, want *Branch, path string) iter.Seq2[Child, Child] {
	return func(yield func(have, want Child) bool) {
		for i, j := 0, 0; i < have.Len() || j < want.Len(); {
			var h, w Child
			switch order := byName(have, i, want, j); {
			case order < 0:
				h, i = have.childAt(i, path), i+1
			case order > 0:
				w, j = want.childAt(j, path), j+1
			case sameAt(have, i, want, j):
				i, j = i+1, j+1
				continue
			default:
				h, i = have.childAt(i, path), i+1
				w, j = want.childAt(j, path), j+1
			}
			if !yield(h, w) {
				return
			}
		}
	}
}

// byName compares the names of two children; what is past the end of a branch comes last.
func byName(a *Branch, i int, b *Branch, j int) int {
	switch {
	case i == a.Len():
		return 1
	case j == b.Len():
		return -1
	}
	return slices.Compare(a.name(i), b.name(j))
}

// sameAt reports whether two children of one name are the same, with all that is below them.
func sameAt(a *Branch, i int, b *Branch, j int) bool {
	return bytes.Equal(a.bytesOf(i), b.bytesOf(j)) && a.belowAt(i).Digest() == b.belowAt(j).Digest()
}

// childAt is At with the path of the child.
func (d *Branch) childAt(i int, path string) Child {
	c := d.At(i)
	c.Path = joined(path, c.Path)
	return c
}

// Patch returns a listing with a delta applied. It fails if something would be in no branch,
// or is out of order.
func Patch(from Listing, delta Delta) (Listing, error) {
	p := patch{from: from}
	top, err := p.branch(from.top, "", delta)
	if err != nil {
		return Listing{}, err
	}
	if top.Len() > 1 || (top.Len() == 1 && string(top.name(0)) != ".") {
		return Listing{}, fmt.Errorf("%w: the data itself is missing", ErrMalformed)
	}
	return Listing{top}, nil
}

type patch struct{ from Listing }

// branch applies what a delta says of paths in a branch.
func (p patch) branch(d *Branch, path string, delta Delta) (*Branch, error) {
	if delta.IsEmpty() {
		return d, nil
	}
	made, next := newMaking(d.Len()), 0
	for last := ""; !delta.IsEmpty(); {
		name := delta.first(path)
		if last != "" && name <= last {
			return nil, fmt.Errorf("%w: %q is out of order", ErrMalformed, joined(path, name))
		}
		last = name
		at, was := d.Find(name)
		made.copy(d, next, at)
		next = at
		var c Child
		if was {
			c, next = d.At(at), at+1
		}
		c, err := p.child(c, joined(path, name), delta.take(joined(path, name)))
		if err != nil {
			return nil, err
		}
		if c.Kind != 0 {
			made.put(c)
		}
	}
	made.copy(d, next, d.Len())
	return made.done(), nil
}

// child applies what a delta says of one path and what is below it.
func (p patch) child(c Child, path string, delta Delta) (Child, error) {
	if len(delta.Removed) > 0 && delta.Removed[0] == path {
		c, delta.Removed = Child{}, delta.Removed[1:]
	}
	var err error
	if len(delta.Set) > 0 && delta.Set[0].Path == path {
		if c, err = p.set(c, delta.Set[0]); err != nil {
			return Child{}, err
		}
		delta.Set = delta.Set[1:]
	}
	switch {
	case delta.of(path):
		return Child{}, fmt.Errorf("%w: %q comes twice", ErrMalformed, path)
	case c.Kind != Dir && !delta.IsEmpty():
		return Child{}, fmt.Errorf("%w: something is said to be in %q, which holds nothing", ErrMalformed, path)
	case c.Kind != Dir:
		c.Below = nil
		return c, nil
	}
	c.Below, err = p.branch(c.Below, path, delta)
	return c, err
}

// set puts a change in the place of a child.
func (p patch) set(c Child, change Change) (Child, error) {
	below := c.Below
	if change.Below != nil {
		below = change.Below
	}
	if change.From != "" {
		of, found := p.from.Find(change.From)
		if !found || of.Kind != Dir || change.Kind != Dir {
			return Child{}, fmt.Errorf("%w: %q is said to hold what %q did", ErrMalformed, change.Path, change.From)
		}
		below = of.Below
	}
	return Child{Entry: change.Entry, Note: change.Note, Below: below}, nil
}

// of reports whether the delta begins with a path.
func (d *Delta) of(path string) bool {
	return (len(d.Removed) > 0 && d.Removed[0] == path) || (len(d.Set) > 0 && d.Set[0].Path == path)
}

// first returns the first name in a branch of which the delta, which is not empty, says something.
func (d *Delta) first(branch string) string {
	var path string
	switch {
	case branch == "":
		return "."
	case len(d.Set) == 0 || (len(d.Removed) > 0 && ComparePaths(d.Removed[0], d.Set[0].Path) <= 0):
		path = d.Removed[0]
	default:
		path = d.Set[0].Path
	}
	if branch != "." {
		path = path[len(branch)+1:]
	}
	name, _, _ := strings.Cut(path, "/")
	return name
}

// take takes out of the delta what it says of a path and what is below it.
func (d *Delta) take(path string) Delta {
	set, removed := 0, 0
	for set < len(d.Set) && within(path, d.Set[set].Path) {
		set++
	}
	for removed < len(d.Removed) && within(path, d.Removed[removed]) {
		removed++
	}
	taken := Delta{Set: d.Set[:set:set], Removed: d.Removed[:removed:removed]}
	d.Set, d.Removed = d.Set[set:], d.Removed[removed:]
	return taken
}

// within reports whether a path is dir, or below it.
func within(dir, path string) bool {
	return dir == "." || path == dir || (len(path) > len(dir) && path[len(dir)] == '/' && path[:len(dir)] == dir)
}

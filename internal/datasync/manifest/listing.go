package manifest

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Listing is what one piece of data held at one moment: the entry "." and, if that is a
// branch, all that is in it. It never changes; what is made from another one shares with it
// every branch in which nothing changed, so that it costs little to keep several, and two
// are compared in the time that it takes to look at what differs.
type Listing struct{ top *Branch } // with the one entry "."

// NewListing makes a listing of the entry ".".
func NewListing(whole Child) Listing {
	whole.Path = "."
	return Listing{NewBranch([]Child{whole})}
}

// ListingOf makes a listing of entries, sorted by path. It fails if one is in no branch, or
// out of order.
func ListingOf(entries []Entry) (Listing, error) {
	if len(entries) == 0 {
		return Listing{}, nil
	}
	var changes []Change
	for _, e := range entries {
		changes = append(changes, Change{Entry: e})
	}
	return Patch(Listing{}, Delta{Set: changes})
}

// IsZero reports whether there is nothing, not even the entry ".".
func (l Listing) IsZero() bool { return l.top == nil }

// Digest returns the digest of the listing: equal digests, equal data.
func (l Listing) Digest() Digest { return l.top.Digest() }

// Sum returns what is listed, the entry "." included.
func (l Listing) Sum() Sum { return l.top.Sum() }

// Whole returns the entry ".", with all that is in it.
func (l Listing) Whole() Child {
	if l.top == nil {
		return Child{}
	}
	return l.top.At(0)
}

// Find returns the entry of a path.
func (l Listing) Find(path string) (Child, bool) {
	if l.top == nil {
		return Child{}, false
	}
	if path == "." {
		return l.top.At(0), true
	}
	dir := l.top.belowAt(0)
	for rest := path; ; {
		name, deeper, more := strings.Cut(rest, "/")
		i, found := dir.Find(name)
		if !found {
			return Child{}, false
		}
		if !more {
			c := dir.At(i)
			c.Path = path
			return c, true
		}
		dir, rest = dir.belowAt(i), deeper
	}
}

// All walks through the entries, in the order of ComparePaths.
func (l Listing) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for c := range l.Children() {
			if !yield(c.Entry) {
				return
			}
		}
	}
}

// Children is All, with what is noted of each entry and what is below it.
func (l Listing) Children() iter.Seq[Child] {
	return func(yield func(Child) bool) { l.top.walk("", yield) }
}

// Below walks through what is at a path and below it.
func (l Listing) Below(path string) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		c, found := l.Find(path)
		if !found || !yield(c.Entry) {
			return
		}
		c.Below.walk(path, func(c Child) bool { return yield(c.Entry) })
	}
}

// Sharing returns the listing with the branches of another one in the place of equal ones, so that both take
// memory once. What is noted there is noted here.
func (l Listing) Sharing(other Listing) Listing { return Listing{l.top.sharing(other.top)} }

func (d *Branch) sharing(other *Branch) *Branch {
	if d == other || d.Digest() == other.Digest() {
		return other
	}
	var below []*Branch
	for at, i := range d.dirsIn() {
		j, found := other.Find(d.Name(i))
		if !found {
			continue
		}
		if shared := d.below[at].sharing(other.belowAt(j)); shared != d.below[at] {
			if below == nil {
				below = slices.Clone(d.below)
			}
			below[at] = shared
		}
	}
	if below == nil {
		return d
	}
	same := *d
	same.below = below
	return &same
}

// Without returns the listing without what is excluded, and all that is below that. Excluded is asked of a path once
// it is known that nothing above it is.
func (l Listing) Without(excluded func(path string) bool) Listing {
	return Listing{l.top.without("", excluded)}
}

// Only returns the listing with nothing but what is told, and what leads there.
func (l Listing) Only(told func(path string) bool) Listing {
	leads := map[string]bool{".": true}
	for e := range l.All() {
		if told(e.Path) {
			for at := e.Path; !leads[at]; at = Parent(at) {
				leads[at] = true
			}
		}
	}
	return l.Without(func(path string) bool { return !leads[path] })
}

func (d *Branch) without(path string, excluded func(path string) bool) *Branch {
	children, same := make([]Child, 0, d.Len()), true
	for i := range d.Len() {
		c := d.childAt(i, path)
		if c.Path != "." && excluded(c.Path) {
			same = false
			continue
		}
		below := c.Below.without(c.Path, excluded)
		same = same && below == c.Below
		c.Below = below
		children = append(children, c)
	}
	if same {
		return d
	}
	return NewBranch(children)
}

// Links walks through the further names alone.
func (l Listing) Links() iter.Seq[Entry] {
	return func(yield func(Entry) bool) { l.top.walkLinks("", yield) }
}

func (d *Branch) walkLinks(path string, yield func(Entry) bool) bool {
	if d.Sum().Links == 0 {
		return true
	}
	for i := range d.Len() {
		switch d.kindAt(i) {
		case Link:
			e := d.At(i).Entry
			e.Path = joined(path, e.Path)
			if !yield(e) {
				return false
			}
		case Dir:
			if !d.belowAt(i).walkLinks(joined(path, d.Name(i)), yield) {
				return false
			}
		case File, Symlink, Fifo, Blob:
		}
	}
	return true
}

// Dirs walks through the branches alone.
func (l Listing) Dirs() iter.Seq[Child] {
	return func(yield func(Child) bool) { l.top.walkDirs("", yield) }
}

func (d *Branch) walkDirs(path string, yield func(Child) bool) bool {
	for _, i := range d.dirsIn() {
		c := d.At(i)
		c.Path = joined(path, c.Path)
		if !yield(c) || !c.Below.walkDirs(c.Path, yield) {
			return false
		}
	}
	return true
}

// walk yields all that is in the branch at a path.
func (d *Branch) walk(path string, yield func(Child) bool) bool {
	for i := range d.Len() {
		c := d.At(i)
		c.Path = joined(path, c.Path)
		if !yield(c) || !c.Below.walk(c.Path, yield) {
			return false
		}
	}
	return true
}

// check refuses what no scan could have found: a name that leads out of its branch, a
// further name of what is no file. What another listing, which was checked, has in the same place is not looked at.
func (l Listing) check(known Listing) error {
	if l.IsZero() {
		return nil
	}
	if l.top.Len() != 1 || string(l.top.name(0)) != "." {
		return fmt.Errorf("%w: the data itself is missing", ErrMalformed)
	}
	if l.Whole().Kind == Blob && l.top.sum.Entries > 1 {
		return fmt.Errorf("%w: there is something in what has no names in it", ErrMalformed)
	}
	if err := l.top.check("", known.top); err != nil {
		return err
	}
	for e := range l.Links() { // also of those whose branch is known: what they are names of may be gone
		if of, found := l.Find(e.Target); !found || of.Kind != File {
			return fmt.Errorf("%w: %q is another name of no file", ErrMalformed, e.Path)
		}
	}
	return nil
}

func (d *Branch) check(path string, known *Branch) error {
	if d == known {
		return nil
	}
	for i := range d.Len() {
		c := d.childAt(i, path)
		if err := c.Check(); err != nil {
			return err
		}
		if c.Kind == Blob && c.Path != "." {
			return fmt.Errorf("%w: %q has no name of its own", ErrMalformed, c.Path)
		}
		var was *Branch
		if j, found := known.Find(d.Name(i)); found {
			was = known.belowAt(j)
		}
		if err := c.Below.check(c.Path, was); err != nil {
			return err
		}
	}
	return nil
}

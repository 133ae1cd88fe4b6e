package manifest

// Difference returns the delta from one listing to another. Branches that were renamed, or
// moved elsewhere, are recognised by what is in them, also if a part of that changed. Each
// branch of the first listing is named by one Change at most, and none that is in another one that is
// named, so that what they say can be done by renames.
func Difference(from, to Listing) Delta {
	c := &comparison{vanished: map[Digest][]string{}, taken: map[string]bool{}, from: from}
	c.collect(from.top, to.top, "")
	c.compare(from.top, to.top, "")
	return c.delta
}

type comparison struct {
	delta Delta
	from  Listing

	vanished map[Digest][]string // branches of the first listing that are not where they were, by what is in them
	gone     []Child             // of these, those whose names are gone as well
	holders  map[holding]string  // the branches of gone in which some things were; nil: not asked for yet
	taken    map[string]bool     // branches that are named already, or are in one, or hold one
}

// holding is something in a branch that tells it from others.
type holding struct {
	name    string
	content Digest
}

func holdingOf(c Child) (holding, bool) {
	switch {
	case c.Kind == File && c.Size > 0:
		return holding{Base(c.Path), Digest(c.Hash)}, true
	case c.Kind == Dir && c.Below.Len() > 0:
		return holding{Base(c.Path), c.Below.Digest()}, true
	}
	return holding{}, false
}

// collect notes the branches that are not where they were.
func (c *comparison) collect(from, to *Branch, path string) {
	if from.Digest() == to.Digest() {
		return
	}
	for was, is := range pairs(from, to, path) {
		if was.Kind != Dir || was.Below.Len() == 0 || was.Below.Digest() == is.Below.Digest() {
			continue
		}
		if was.Path != "." {
			digest := was.Below.Digest()
			c.vanished[digest] = append(c.vanished[digest], was.Path)
			if is.Kind != Dir {
				c.gone = append(c.gone, was)
			}
		}
		c.collect(was.Below, is.Below, was.Path)
	}
}

// note remembers by what a branch is known.
func (c *comparison) note(dir Child) {
	for i := range dir.Below.Len() {
		if h, tells := holdingOf(dir.Below.At(i)); tells {
			c.holders[h] = dir.Path
		}
	}
}

func (c *comparison) compare(from, to *Branch, path string) {
	if from.Digest() == to.Digest() {
		return
	}
	for was, is := range pairs(from, to, path) {
		switch {
		case is.Kind == 0:
			c.delta.Removed = append(c.delta.Removed, was.Path)
		case is.Kind != Dir:
			c.delta.Set = append(c.delta.Set, Change{Entry: is.Entry, Note: is.Note})
		case was.Kind != Dir:
			c.added(is)
		default:
			c.both(was, is)
		}
	}
}

// added is a branch that was not there.
func (c *comparison) added(is Child) {
	source := c.same(is)
	if source == "" {
		source = c.similar(is)
	}
	c.delta.Set = append(c.delta.Set, Change{Entry: is.Entry, From: source, Note: is.Note})
	if source == "" {
		c.compare(nil, is.Below, is.Path)
		return
	}
	was, _ := c.from.Find(source)
	c.take(was)
	c.compare(was.Below, is.Below, is.Path)
}

// both is a branch that was there, with something else in it.
func (c *comparison) both(was, is Child) {
	if source := c.same(is); source != "" && was.Below.Digest() != is.Below.Digest() {
		of, _ := c.from.Find(source)
		c.take(of)
		c.delta.Set = append(c.delta.Set, Change{Entry: is.Entry, From: source, Note: is.Note})
		return
	}
	if !was.Same(is.Entry) {
		c.delta.Set = append(c.delta.Set, Change{Entry: is.Entry, Note: is.Note})
	}
	c.compare(was.Below, is.Below, is.Path)
}

// same returns the branch that held the same, if it is not there any more.
func (c *comparison) same(is Child) string {
	for _, path := range c.vanished[is.Below.Digest()] {
		if !c.taken[path] && is.Below.Len() > 0 {
			return path
		}
	}
	return ""
}

// similar returns the branch that held at least half of what is in this one.
func (c *comparison) similar(is Child) string {
	if c.holders == nil {
		c.holders = map[holding]string{}
		for _, dir := range c.gone {
			c.note(dir)
		}
	}
	if len(c.holders) == 0 {
		return ""
	}
	votes, tells := map[string]int{}, 0
	for i := range is.Below.Len() {
		h, does := holdingOf(is.Below.At(i))
		if !does {
			continue
		}
		tells++
		if path, known := c.holders[h]; known && !c.taken[path] {
			votes[path]++
		}
	}
	for path, n := range votes {
		if 2*n > tells {
			return path
		}
	}
	return ""
}

// take marks a branch, those in it and those around it.
func (c *comparison) take(dir Child) {
	for path := dir.Path; path != "." && !c.taken[path]; path = Parent(path) {
		c.taken[path] = true
	}
	c.takeBelow(dir.Below, dir.Path)
}

func (c *comparison) takeBelow(d *Branch, path string) {
	for at, i := range d.dirsIn() {
		below := joined(path, string(d.name(i)))
		c.taken[below] = true
		c.takeBelow(d.below[at], below)
	}
}

func (d *Branch) dirsIn() []int {
	if d == nil {
		return nil
	}
	return d.dirs
}

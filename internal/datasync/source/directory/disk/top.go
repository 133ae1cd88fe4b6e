package disk

import (
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// Top says which directory the top of a tree is, whatever its name. It implements source.Place.
type Top struct {
	Path, Real string
	Dev, Ino   uint64
}

// Same reports whether two are one directory.
func (t Top) Same(other Top) bool { return t.Dev == other.Dev && t.Ino == other.Ino }

// Apart implements source.Place.
func (t Top) Apart(other source.Place) error {
	o, is := other.(Top)
	if !is || (!t.Same(o) && !pair.Overlap(t.Real, o.Real)) {
		return nil
	}
	return source.Sentence(source.ErrUnsafe, "Protected directories %s and %s are one directory, or one inside the other (%s, %s): protect the outer one only.",
		t.Path, o.Path, t.Real, o.Real)
}

// Part says which part of a directory is protected, by the first of its names. It implements source.Place.
type Part struct {
	Top  Top
	Name string
}

// Apart implements source.Place.
func (p Part) Apart(other source.Place) error {
	o, is := other.(Part)
	if !is || !p.Top.Same(o.Top) || p.Name != o.Name {
		return nil
	}
	return source.Sentence(source.ErrUnsafe, "%s and %s are one: protect it once.", p.Top.Path, o.Top.Path)
}

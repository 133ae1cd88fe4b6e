package tree

import (
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// Top says which directory a tree is, whatever its name. It implements source.Place.
type Top struct {
	Path, Real string
	dev, ino   uint64
}

// Same reports whether two are one directory.
func (t Top) Same(other Top) bool { return t.dev == other.dev && t.ino == other.ino }

// Apart implements source.Place.
func (t Top) Apart(other source.Place) error {
	o, is := other.(Top)
	if !is || (!t.Same(o) && !pair.Overlap(t.Real, o.Real)) {
		return nil
	}
	return source.Sentence(source.ErrUnsafe, "Protected directories %s and %s are one directory, or one inside the other (%s, %s): protect the outer one only.",
		t.Path, o.Path, t.Real, o.Real)
}

// Top says which directory the tree is.
func (t *Tree) Top() (Top, error) {
	stamp, err := t.stat(".")
	return Top{Path: t.path, Real: t.root.Real(), dev: stamp.Dev, ino: stamp.Ino}, err
}

package directory

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/obstacle"
	"baton/internal/datasync/source/directory/tree"
)

// keeping returns what is wanted, and besides the directories that the primary has no
// more and that stay here, as something in them is excluded: that is not removed with them.
func (p *protected) keeping(want manifest.Listing) (manifest.Listing, error) {
	if p.tree.Exclude.IsEmpty() {
		return want, nil
	}
	k := keeping{tree: p.tree, have: p.scan.Listing, want: want, stays: map[string]bool{}}
	var goes []string
	var unsafe error
	manifest.Walk(
		k.have, want,
		func(e manifest.Entry) {
			if e.Kind == manifest.Dir {
				goes = append(goes, e.Path)
			}
		},
		func(e manifest.Entry) {
			if p.tree.Exclude.Matches(e.Path) {
				unsafe = source.Sentence(source.ErrUnsafe, "The primary sent %s/%s, which its own patterns exclude: nothing was applied; check that both appliances run the same version.", p.tree.Path(), e.Path)
			}
		},
		func(was, is manifest.Entry) {
			if was.Kind == manifest.Dir && is.Kind != manifest.Dir {
				goes = append(goes, was.Path)
			}
		},
	)
	if unsafe != nil {
		return want, unsafe
	}
	for _, dir := range goes {
		holds, err := holdsExcluded(p.tree, dir)
		if err == nil && holds {
			err = k.keep(dir)
		}
		if err != nil {
			return want, err
		}
	}
	return k.listing()
}

// keeping is a tree that is to become another, but for some directories.
type keeping struct {
	tree       *tree.Tree
	have, want manifest.Listing
	stays      map[string]bool
}

// keep has a directory stay, with those that lead to it.
func (k keeping) keep(dir string) error {
	for at := dir; !k.stays[at]; at = manifest.Parent(at) {
		is, wanted := k.want.Find(at)
		if wanted && is.Kind == manifest.Dir {
			return nil
		}
		if wanted {
			whole := k.tree.Path() + "/" + dir
			return &obstacle.Error{
				Path: whole, Why: fmt.Sprintf("holds what is excluded, and the primary has no directory %s any more but something else of that name", at),
				Remedy: "move what is excluded out of " + whole,
			}
		}
		k.stays[at] = true
	}
	return nil
}

func (k keeping) listing() (manifest.Listing, error) {
	var delta manifest.Delta
	for dir := range k.stays {
		was, _ := k.have.Find(dir) // it is one of these
		delta.Set = append(delta.Set, manifest.Change{Entry: was.Entry})
	}
	slices.SortFunc(delta.Set, func(a, b manifest.Change) int { return manifest.ComparePaths(a.Path, b.Path) })
	return manifest.Patch(k.want, delta)
}

// holdsExcluded reports whether something is right in a directory of a tree that is excluded.
func holdsExcluded(t *tree.Tree, path string) (bool, error) {
	dir, err := t.Dir().Open(path)
	if tree.IsGone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open directory: %w", err)
	}
	defer func() { _ = dir.Close() }()
	for {
		names, err := dir.Readdirnames(1000)
		for _, name := range names {
			if path != "." {
				name = path + "/" + name
			}
			if t.Exclude.Matches(name) {
				return true, nil
			}
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("list directory: %w", err)
		}
	}
}

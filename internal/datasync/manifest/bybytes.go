package manifest

import "slices"

// This file is how the previous version lists what is in a manifest.

// Flat returns the delta as the previous version writes it: each entry and each removed path by itself, in the
// order of ByBytes.
func Flat(from, to Listing) Delta {
	var d Delta
	set := func(e Entry) { d.Set = append(d.Set, Change{Entry: e}) }
	Walk(from, to, func(e Entry) { d.Removed = append(d.Removed, e.Path) }, set, func(_, is Entry) { set(is) })
	slices.SortFunc(d.Set, func(a, b Change) int { return CompareBytes(a.Path, b.Path) })
	slices.SortFunc(d.Removed, CompareBytes)
	return d
}

// FromFlat returns a delta that the previous version wrote in the order of ByBranch.
func FromFlat(d Delta) Delta {
	d.Set, d.Removed = slices.Clone(d.Set), slices.Clone(d.Removed)
	slices.SortFunc(d.Set, func(a, b Change) int { return ComparePaths(a.Path, b.Path) })
	slices.SortFunc(d.Removed, ComparePaths)
	gone := map[string]bool{} // with all that is below
	for _, c := range d.Set {
		gone[c.Path] = c.Kind != Dir
	}
	d.Removed = slices.DeleteFunc(d.Removed, func(path string) bool {
		above := gone[Parent(path)]
		gone[path] = true
		return above
	})
	return d
}

// Places are the paths of a listing in the order of ByBytes: the previous version asks for files by
// their numbers in it.
func Places(l Listing) []string {
	var paths []string
	for e := range l.All() {
		paths = append(paths, e.Path)
	}
	slices.SortFunc(paths, CompareBytes)
	return paths
}

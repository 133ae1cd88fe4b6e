package datasync

import (
	"slices"

	"baton/internal/datasync/manifest"
)

// newer are the files that were written to since the manifest was made, by set and path, as they were
// sent. Both sides correct the manifest by it.
type newer map[int]map[string]manifest.Entry

func (n *newer) set(set int, e manifest.Entry) {
	if *n == nil {
		*n = newer{}
	}
	if (*n)[set] == nil {
		(*n)[set] = map[string]manifest.Entry{}
	}
	(*n)[set][e.Path] = e
}

// in returns a manifest that lists them as they were sent.
func (n newer) in(m manifest.Manifest) (manifest.Manifest, error) {
	if len(n) == 0 {
		return m, nil
	}
	m.Sets = slices.Clone(m.Sets)
	for set, files := range n {
		var delta manifest.Delta
		for _, e := range files {
			delta.Set = append(delta.Set, manifest.Change{Entry: e})
		}
		slices.SortFunc(delta.Set, func(a, b manifest.Change) int { return manifest.ComparePaths(a.Path, b.Path) })
		listing, err := manifest.Patch(m.Sets[set].Listing, delta)
		if err != nil {
			return m, err
		}
		m.Sets[set].Listing = listing
	}
	return m, nil
}

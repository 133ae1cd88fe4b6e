package manifest

import (
	"slices"
)

// Newer are the files that were written to since the manifest was made, by set and path, as they were
// sent. Both sides correct the manifest by it.
type Newer map[int]map[string]Entry

// Set notes a file of a set as it was sent.
func (n *Newer) Set(set int, e Entry) {
	if *n == nil {
		*n = Newer{}
	}
	if (*n)[set] == nil {
		(*n)[set] = map[string]Entry{}
	}
	(*n)[set][e.Path] = e
}

// In returns a manifest that lists them as they were sent.
func (n Newer) In(m Manifest) (Manifest, error) {
	if len(n) == 0 {
		return m, nil
	}
	m.Sets = slices.Clone(m.Sets)
	for set, files := range n {
		var delta Delta
		for _, e := range files {
			delta.Set = append(delta.Set, Change{Entry: e})
		}
		slices.SortFunc(delta.Set, func(a, b Change) int { return ComparePaths(a.Path, b.Path) })
		listing, err := Patch(m.Sets[set].Listing, delta)
		if err != nil {
			return m, err
		}
		m.Sets[set].Listing = listing
	}
	return m, nil
}

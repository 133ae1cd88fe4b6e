package manifest

// Delta is the difference between two manifests of one data: what a receiver
// that knows the first needs to know the second.
type Delta struct {
	Set     []Entry  // new or other
	Removed []string // paths
}

// Difference returns the delta from one sorted list to another.
func Difference(from, to []Entry) Delta {
	var d Delta
	Walk(
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
	Walk(from, d.Set, keep, func(e Entry) { to = append(to, e) }, func(_, b Entry) { to = append(to, b) })
	return to
}

// Walk walks two sorted lists in step: what only one of them has, and what both have.
func Walk(have, want []Entry, removed, added func(Entry), both func(have, want Entry)) {
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

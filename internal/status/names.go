package status

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"baton/internal/pair"
)

// Names are what the appliances whose events are here call themselves, also those
// that have left the relationship. They are kept in memory, so that the status
// waits for no disk.
type Names struct {
	mu    sync.Mutex
	known map[pair.ApplianceID]string
}

// Note takes in newer names.
func (n *Names) Note(told map[pair.ApplianceID]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = map[pair.ApplianceID]string{}
	}
	maps.Copy(n.known, told)
}

// Of returns the name of an appliance, or its short id if it is not known.
func (n *Names) Of(id pair.ApplianceID) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return cmp.Or(n.known[id], id.Short())
}

// former lists the known appliances that are not in the pair now, by name.
func (n *Names) former(present ...pair.ApplianceID) []pair.Named {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []pair.Named
	for id, name := range n.known {
		if !slices.Contains(present, id) {
			all = append(all, pair.Named{ID: id, Name: name})
		}
	}
	slices.SortFunc(all, func(a, b pair.Named) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return all
}

// Former are the appliances that were in a pair with this one, or with one that was.
func (o *Overview) Former() []pair.Named {
	present := []pair.ApplianceID{o.ID}
	if pinned, paired := o.Link.Paired(); paired {
		present = append(present, pinned.ID)
	}
	return o.Names.former(present...)
}

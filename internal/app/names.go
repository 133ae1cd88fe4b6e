package app

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"baton/internal/pair"
)

// names are what the appliances whose events are here call themselves, also those
// that have left the relationship. They are kept in memory, so that the status
// waits for no disk.
type names struct {
	mu    sync.Mutex
	known map[pair.ApplianceID]string
}

func newNames() *names { return &names{known: map[pair.ApplianceID]string{}} }

// learn takes in newer names.
func (n *names) learn(told map[pair.ApplianceID]string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.Copy(n.known, told)
}

// of returns the name of an appliance, or its short id if it is not known.
func (n *names) of(id pair.ApplianceID) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return cmp.Or(n.known[id], id.Short())
}

// former are the known ones but for those of the pair, by name.
func (n *names) former(present ...pair.ApplianceID) []pair.Named {
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

// learnNames reads what the events tell of names. Without them, ids are shown.
func (a *Appliance) learnNames(ctx context.Context) {
	told, err := a.site.Names(ctx)
	if err != nil {
		a.log.Warn("names of appliances not read", slog.String("error", err.Error()))
		return
	}
	a.names.learn(told)
}

// former are the appliances that were in a pair with this one, or with one that was.
func (a *Appliance) former() []pair.Named {
	present := []pair.ApplianceID{a.identity.ID()}
	if pinned, paired := a.link.Paired(); paired {
		present = append(present, pinned.ID)
	}
	return a.names.former(present...)
}

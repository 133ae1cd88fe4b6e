package app

import (
	"path/filepath"

	"baton/internal/app/telling"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory"
	"baton/internal/datasync/source/site"
	"baton/internal/pair"
	"baton/internal/watch"
)

// kinds lists every kind of data that is synced: a row each.
func (a *Appliance) kinds(syncDir string) (map[pair.DataKind]source.Kind, error) {
	table := []struct {
		kind pair.DataKind
		make func() (source.Kind, error)
	}{
		{pair.DataDirectory, func() (source.Kind, error) {
			kind, err := directory.New(directory.Options{
				Index: filepath.Join(syncDir, "index"), Place: func(d pair.Data) string { return d.Spec.Here(a.identity.ID()).String() }, Own: []string{a.config.DataDir}, Allowed: a.allowing.Refusal, Log: a.log, Helper: telling.Socket,
			})
			a.disks = &watch.DataDisks{List: a.site.Data.Here, Probe: kind.Probe, Log: a.log, Leads: func() bool {
				return a.agent.Decision().State.Record.Role != pair.Backup
			}}
			a.following = kind.Following
			return kind, err
		}},
		{pair.DataSite, func() (source.Kind, error) { return site.New(a.site, filepath.Join(syncDir, "site")) }},
	}
	kinds := map[pair.DataKind]source.Kind{}
	for _, row := range table {
		made, err := row.make()
		if err != nil {
			return nil, err
		}
		kinds[row.kind] = made
	}
	return kinds, nil
}

package app

import (
	"path/filepath"

	"baton/internal/app/telling"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory"
	"baton/internal/datasync/source/site"
	"baton/internal/datasync/source/sqlite"
	"baton/internal/pair"
	"baton/internal/watch"
)

// kinds lists every kind of data that is synced.
func (a *Appliance) kinds(syncDir string) (map[pair.DataKind]source.Kind, error) {
	place, own := func(d pair.Data) string { return d.Spec.Here(a.identity.ID()).String() }, []string{a.config.DataDir}
	directories, err := directory.New(directory.Options{Index: filepath.Join(syncDir, "index"), Place: place, Own: own, Allowed: a.allowing.Refusal, Log: a.log, Helper: telling.Socket})
	if err != nil {
		return nil, err
	}
	databases, err := sqlite.New(sqlite.Options{Index: filepath.Join(syncDir, "sqlite"), Place: place, Own: own, Allowed: a.allowing.Refusal, Log: a.log})
	if err != nil {
		return nil, err
	}
	ours, err := site.New(a.site, filepath.Join(syncDir, "site"))
	a.following, a.differed = directories.Following, databases.Differed
	a.disks = &watch.DataDisks{List: a.site.Data.Here, Probe: func(d pair.Data, tried map[uint64]bool) (directory.Disk, bool) {
		if d.Spec.Kind() == pair.DataSQLite {
			return databases.Probe(d, tried)
		}
		return directories.Probe(d, tried)
	}, Log: a.log, Leads: func() bool { return a.agent.Decision().State.Record.Role != pair.Backup }}
	return map[pair.DataKind]source.Kind{pair.DataDirectory: directories, pair.DataSQLite: databases, pair.DataSite: ours}, err
}

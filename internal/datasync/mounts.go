package datasync

import (
	"log/slog"
	"sync"

	"baton/internal/datasync/ledger"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// mounts watches the disks on which the newest snapshot lies here. One that is not mounted
// must neither pass for data that is gone, nor be filled into the disk below it.
type mounts struct {
	sources sources
	ledger  *ledger.Ledger
	log     *slog.Logger

	mu      sync.Mutex
	lacking error
}

// missing returns which disk is not mounted, as of the latest check; nil: all are.
func (m *mounts) missing() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lacking
}

func (m *mounts) note(lacking error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lacking = lacking
}

func (m *mounts) check() {
	var lacking error
	if noted := m.ledger.State().Mounts; len(noted) > 0 {
		for _, data := range m.ledger.Data() {
			if err := m.unmounted(data, noted[data.Spec.String()], ledger.ErrTorn); err != nil {
				lacking = err
			}
		}
	}
	m.note(lacking)
}

// unmounted returns a sentence if the disk is not mounted any more on which data lay.
func (m *mounts) unmounted(data pair.Data, was string, sentinel error) error {
	kind, err := m.sources.kind(data)
	if err != nil || was == "" {
		return err
	}
	if why := kind.Unmounted(data, was); why != "" {
		return source.Sentence(sentinel, "%s; %s.", why, acceptIt)
	}
	return nil
}

// of returns where the data of a manifest lies here.
func (m *mounts) of(wanted manifest.Manifest) map[string]string {
	points := map[string]string{}
	for _, set := range wanted.Sets {
		if kind, err := m.sources.kind(set.Data); err == nil {
			if at := kind.Mount(set.Data); at != "" {
				points[set.Data.Spec.String()] = at
			}
		}
	}
	return points
}

// forget ends the watch: from now on this appliance is primary, and an administrator may
// have its data where he likes. A full disk here keeps nobody from taking over.
func (m *mounts) forget() {
	m.note(nil)
	if len(m.ledger.State().Mounts) == 0 {
		return
	}
	if err := m.ledger.Save(func(s *ledger.State) { s.Mounts = nil }); err != nil {
		m.log.Warn("mount points are still noted", slog.Any("error", err))
	}
}

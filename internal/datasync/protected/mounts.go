package protected

import (
	"context"
	"log/slog"
	"sync"

	"baton/internal/datasync/ledger"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// Mounts watches the disks on which the newest snapshot lies here. One that is not mounted
// must neither pass for data that is gone, nor be filled into the disk below it.
type Mounts struct {
	sources Sources
	ledger  *ledger.Ledger
	log     *slog.Logger

	mu      sync.Mutex
	lacking error
}

// NewMounts watches the disks of the sources on which the ledger's newest snapshot lies.
func NewMounts(sources Sources, book *ledger.Ledger, log *slog.Logger) *Mounts {
	return &Mounts{sources: sources, ledger: book, log: log}
}

// AcceptIt is what an administrator may do if data is really gone.
const AcceptIt = "only if that much was deleted on purpose, accept it: baton sync --accept-shrink"

// Missing returns which disk is not mounted, as of the latest check; nil: all are.
func (m *Mounts) Missing() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lacking
}

func (m *Mounts) note(lacking error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lacking = lacking
}

// Check looks at the disks; Missing tells.
func (m *Mounts) Check() {
	var lacking error
	if noted := m.ledger.State().Mounts; len(noted) > 0 {
		for _, data := range m.sources.With(context.Background(), m.ledger.Data()) {
			if err := m.Unmounted(data, noted[data.Spec.String()], ledger.ErrTorn); err != nil {
				lacking = err
			}
		}
	}
	m.note(lacking)
}

// Unmounted returns a sentence if the disk is not mounted any more on which data lay.
func (m *Mounts) Unmounted(data pair.Data, was string, sentinel error) error {
	kind, err := m.sources.Kind(data)
	if err != nil || was == "" {
		return err
	}
	if why := kind.Unmounted(data, was); why != "" {
		return source.Sentence(sentinel, "%s; %s.", why, AcceptIt)
	}
	return nil
}

// Of returns where some data lies here.
func (m *Mounts) Of(some []pair.Data) map[string]string {
	points := map[string]string{}
	for _, d := range some {
		if kind, err := m.sources.Kind(d); err == nil {
			if at := kind.Mount(d); at != "" {
				points[d.Spec.String()] = at
			}
		}
	}
	return points
}

// Forget ends the watch: from now on this appliance is primary, and an administrator may
// have its data where he likes. A full disk here keeps nobody from taking over.
func (m *Mounts) Forget() {
	m.note(nil)
	if len(m.ledger.State().Mounts) == 0 {
		return
	}
	if err := m.ledger.Save(func(s *ledger.State) { s.Mounts = nil }); err != nil {
		m.log.Warn("mount points are still noted", slog.Any("error", err))
	}
}

package datasync

import (
	"baton/internal/datasync/plan"
	"baton/internal/pair"
)

// Measure is how much one piece of protected data holds in a snapshot.
type Measure struct {
	Data  pair.Data
	Files int64
	Bytes int64
}

// measured remembers the measures of one manifest: a large one is counted once.
type measured struct {
	manifest plan.Digest
	measures []Measure
}

// Measured returns the newest snapshot that both appliances are known to have had
// and what it holds. It looks at no protected directory.
func (e *Engine) Measured() (pair.Snapshot, []Measure, error) {
	e.mu.Lock()
	snapshot, digest := e.state.common()
	manifest, loaded := e.cached[digest]
	known := e.measured
	e.mu.Unlock()
	switch {
	case snapshot.IsZero():
		return pair.Snapshot{}, nil, nil
	case known.manifest == digest:
		return snapshot, known.measures, nil
	}
	if !loaded && digest != (plan.Digest{}) {
		var err error
		if manifest, err = e.disk.loadManifest(digest); err != nil { // not kept: it may be large
			return pair.Snapshot{}, nil, err
		}
	}
	known = measured{manifest: digest}
	for _, set := range manifest.Sets {
		files, bytes := set.Files()
		known.measures = append(known.measures, Measure{Data: set.Data, Files: files, Bytes: bytes})
	}
	e.mu.Lock()
	e.measured = known
	e.mu.Unlock()
	return snapshot, known.measures, nil
}

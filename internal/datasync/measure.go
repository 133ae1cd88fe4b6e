package datasync

import (
	"baton/internal/datasync/manifest"
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
	of       reference
	measures []Measure
}

// Measured returns the newest snapshot that both appliances are known to have had
// and what it holds. It looks at no protected data.
func (e *Engine) Measured() (pair.Snapshot, []Measure, error) {
	e.mu.Lock()
	snapshot, of := e.state.common()
	m, loaded := e.cached[of]
	known := e.measured
	e.mu.Unlock()
	switch {
	case snapshot.IsZero():
		return pair.Snapshot{}, nil, nil
	case known.of == of:
		return snapshot, known.measures, nil
	}
	if !loaded && of.listed != (manifest.Digest{}) {
		var err error
		if m, err = e.loadManifest(of); err != nil { // not kept: it may be large
			return pair.Snapshot{}, nil, err
		}
	}
	known = measured{of: of}
	for _, set := range m.Listed() {
		files, bytes := set.Files()
		known.measures = append(known.measures, Measure{Data: set.Data, Files: files, Bytes: bytes})
	}
	e.mu.Lock()
	e.measured = known
	e.mu.Unlock()
	return snapshot, known.measures, nil
}

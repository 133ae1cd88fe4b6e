package ledger

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
	of       Reference
	measures []Measure
}

// Measured returns the newest snapshot that both appliances are known to have had
// and what it holds. It looks at no protected data.
func (l *Ledger) Measured() (pair.Snapshot, []Measure, error) {
	l.mu.Lock()
	snapshot, of := l.state.Common()
	m, loaded := l.cached[of]
	counted := l.measured
	l.mu.Unlock()
	switch {
	case snapshot.IsZero():
		return pair.Snapshot{}, nil, nil
	case counted.of == of:
		return snapshot, counted.measures, nil
	}
	if !loaded && of.Listed != (manifest.Digest{}) {
		var err error
		if m, err = l.load(of); err != nil { // not kept: it may be large
			return pair.Snapshot{}, nil, err
		}
	}
	counted = measured{of: of}
	for _, set := range m.Listed() {
		sum := set.Sum()
		counted.measures = append(counted.measures, Measure{Data: set.Data, Files: sum.Files, Bytes: sum.Bytes})
	}
	l.mu.Lock()
	l.measured = counted
	l.mu.Unlock()
	return snapshot, counted.measures, nil
}

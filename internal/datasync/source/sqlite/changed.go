package sqlite

import (
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

const (
	// GlanceEvery is how often a database is looked at for a change while somebody waits for one. What is written through a mapping, as the index
	// of a log is, is noticed by no watch of the system.
	glanceEvery = 200 * time.Millisecond
	// Forgotten is how long after the last question nobody waits any more.
	forgotten = 20 * time.Second
)

// Changed implements source.Kind.
func (k *Kind) Changed(data pair.Data, found manifest.Listing) (<-chan struct{}, bool) {
	s, err := k.serve(data, source.Serve)
	if err != nil {
		return nil, false
	}
	defer func() { _ = s.Close() }()
	f := s.follower()
	closed := make(chan struct{})
	close(closed)
	if !f.mu.TryLock() { // it is being read: there is a newer state soon
		return closed, true
	}
	defer f.mu.Unlock()
	if f.comparison.due(time.Now()) { // with the next data sync
		return closed, true
	}
	has, is := found.Find(s.name())
	now, err := f.database.Glance(s.dir)
	switch {
	case err != nil:
		return nil, false
	case !is || has.Hash != f.last.Hash || now != f.seen:
		return closed, true
	}
	f.asked = time.Now()
	if f.changed == nil {
		f.changed = make(chan struct{})
		go k.await(data, f, f.changed)
	}
	return f.changed, true
}

// await closes a channel once the database may have changed, or nobody waits any more.
func (k *Kind) await(data pair.Data, f *follower, changed chan struct{}) {
	defer close(changed)
	for range time.Tick(glanceEvery) {
		if k.mayHaveChanged(data, f) {
			return
		}
	}
}

func (k *Kind) mayHaveChanged(data pair.Data, f *follower) bool {
	s, err := k.serve(data, source.Serve)
	if err == nil {
		defer func() { _ = s.Close() }()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && time.Since(f.asked) < forgotten {
		if now, err := f.database.Glance(s.dir); err == nil && now == f.seen {
			return false
		}
	}
	f.changed = nil
	return true
}

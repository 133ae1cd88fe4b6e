package directory

import (
	"slices"
	"time"

	"baton/internal/datasync/manifest"
)

// This file reads all of a database again now and then, as a bit may flip without a write. Other files are too many.

// A database is read again so often; one that takes long less often, so that it takes a thousandth of the time.
const (
	rereadEvery = 10 * time.Minute
	rereadShare = 1000
)

// rereading is when all of a tree was read, whatever was known of it.
type rereading struct {
	read    time.Time
	took    time.Duration
	differs bool // something was found then that nothing had written
}

// trusted returns what a look at the whole need not read again. It is called with mu held.
func (k *Kind) trusted(x *index) manifest.Listing {
	if k.opt.Part == nil || k.opt.Now().Sub(x.read) < max(rereadEvery, rereadShare*x.rereading.took) {
		return x.files
	}
	return manifest.Listing{}
}

// reread notes what a look at the whole found that trusted nothing. It is called with mu held.
func (r *rereading) reread(known, found manifest.Listing, took time.Duration, now time.Time) {
	r.read, r.took, r.differs = now, took, false
	for c := range found.Children() {
		was, is := known.Find(c.Path)
		same := is && c.Kind == manifest.File && was.Kind == c.Kind && was.Note == c.Note && !c.Note.Racy && was.Size == c.Size && was.ModTime == c.ModTime
		r.differs = r.differs || same && was.Hash != c.Hash
	}
}

// Differed returns the databases in which something was found that nothing had written, when all was read again.
func (k *Kind) Differed() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	for place, x := range k.indexes {
		x.mu.Lock()
		if x.differs {
			all = append(all, place)
		}
		x.mu.Unlock()
	}
	slices.Sort(all)
	return all
}

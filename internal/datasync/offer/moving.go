package offer

import (
	"slices"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
)

// Moving is what could not be copied as it is, so that the backup has it as it was before, or not yet.
type Moving struct {
	source.Moving

	Data  string    // the name of the protected data
	In    string    // where that is, for a person
	Since time.Time // when the backup could not be given it for the first time
}

// Moving returns what the newest scan could not copy, in order of data and path.
func (v *Server) Moving() []Moving {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.moving)
}

// noteMoving keeps what a scan found; what was found before keeps its time.
func (v *Server) noteMoving(now []Moving) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, one := range now {
		for _, before := range v.moving {
			if before.In == one.In && before.Path == one.Path && before.By == one.By {
				now[i].Since = before.Since
			}
		}
	}
	v.moving = now
}

// had returns what the backup has now, as it says; false: that is not known here.
func (v *Server) had(req wire.Question, scheme manifest.Scheme) (manifest.Manifest, bool) {
	if req.Base == (manifest.Digest{}) {
		return manifest.Manifest{}, true
	}
	of, named := v.opt.Ledger.State().Named(req.Base)
	if !named {
		return manifest.Manifest{}, false
	}
	m, err := v.opt.Ledger.Manifest(of)
	return m, err == nil && m.Scheme == scheme
}

package datasync

import (
	"context"
	"encoding/hex"
	"log/slog"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/plan"
	"baton/internal/pair"
)

// keepFound sets aside, before a directory is synced for the first time, what
// lies in it and the primary does not have: a wrong path, or a machine that
// served something before, must cost nobody data. Files that are the same on
// both sides, as after seeding the backup by hand, need no copy.
func (p *pull) keepFound(ctx context.Context) error {
	e := p.engine
	_, digest := e.currentState().common()
	known, err := e.manifest(digest)
	if err != nil { // then every directory counts as new: too much is kept, never too little
		e.opt.Log.Warn("manifest of the common snapshot is unreadable", slog.Any("error", err))
		known = plan.Manifest{}
	}
	var found []divergence
	for i, t := range p.targets {
		set := p.manifest.Sets[i]
		if len(known.Find(set.Data).Entries) > 0 {
			continue
		}
		if d := foundIn(t, set); len(d.delta.Set) > 0 {
			found = append(found, d)
		}
	}
	if len(found) == 0 {
		return nil
	}
	id := foundID(found)
	if _, err := e.divergedCopy(id); err == nil {
		return nil // by an earlier try of this sync
	}
	made, err := e.makeCopy(ctx, pair.DivergedCopy{ID: id, Time: e.opt.Now().UTC(), Epoch: p.req.Epoch},
		func(context.Context) ([]divergence, error) { return found, nil })
	if err != nil {
		return err
	}
	e.opt.Aside(made)
	return nil
}

// foundIn is what the sync of a set would remove from a target or replace.
func foundIn(t *target, set plan.Set) divergence {
	wanted := make(map[string]plan.Entry, len(set.Entries))
	for _, e := range set.Entries {
		wanted[e.Path] = e
	}
	d := divergence{data: set.Data, place: t.tree.Path(), all: t.have}
	for _, e := range t.have {
		if e.Kind != plan.Dir && !e.SameContent(wanted[e.Path]) {
			d.delta.Set = append(d.delta.Set, e)
		}
	}
	return d
}

// foundID names the copy by what is in it, so that a sync that is tried again
// makes no second one.
func foundID(found []divergence) string {
	h := blake3.New()
	for _, d := range found {
		b := plan.AppendString(nil, d.data.Name)
		for _, e := range d.delta.Set {
			b = plan.AppendEntry(b, e)
		}
		_, _ = h.Write(b) // never fails
	}
	return "found-" + hex.EncodeToString(h.Sum(nil)[:6])
}

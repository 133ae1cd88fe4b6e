package datasync

import (
	"context"
	"encoding/hex"
	"log/slog"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/plan"
	"baton/internal/pair"
)

// LatePrefix begins the id of a diverged copy of what was written on an appliance
// after it had given the role away.
const LatePrefix = "late-"

// keepReplaced sets aside, before a pull replaces it, what must cost nobody data:
//
//   - what lies in a directory that is synced for the first time (a wrong path, or a
//     machine that served something before),
//   - what was written here after this appliance gave the role away, or after what it
//     wrote alone was set aside,
//   - whatever is replaced at all, if the primary goes on from an older state than was here.
//
// What is the same on both sides, as after seeding the backup by hand, needs no copy.
func (p *pull) keepReplaced(ctx context.Context) error {
	st := p.engine.currentState()
	_, digest := st.common()
	known := p.engine.manifestOrNone(digest)
	before := known
	if st.Kept != (plan.Digest{}) {
		before = p.engine.manifestOrNone(st.Kept)
	}
	byPrefix := map[string][]divergence{}
	for i, t := range p.targets {
		set := p.manifest.Sets[i]
		var prefix string
		var was []plan.Entry
		switch {
		case len(known.Find(set.Data).Entries) == 0:
			prefix = "found-"
			if st.Kept != (plan.Digest{}) { // set aside as a whole already, as there was nothing common
				was = before.In(p.manifest.Scheme, before.Find(set.Data), t.have)
			}
		case st.Keep:
			prefix = "newer-"
		case st.given():
			prefix, was = LatePrefix, before.In(p.manifest.Scheme, before.Find(set.Data), t.have)
		default:
			continue
		}
		if d := replaced(t, set, was); len(d.delta.Set)+len(d.delta.Removed) > 0 {
			byPrefix[prefix] = append(byPrefix[prefix], d)
		}
	}
	if st.Keep && p.site != "" && byPrefix["newer-"] == nil { // settings or users alone
		byPrefix["newer-"] = []divergence{}
	}
	for prefix, kept := range byPrefix {
		if err := p.keep(ctx, prefix, kept); err != nil {
			return err
		}
	}
	return nil
}

// manifestOrNone returns a manifest, or an empty one if it is damaged: then too much
// is kept, never too little.
func (e *Engine) manifestOrNone(digest plan.Digest) plan.Manifest {
	m, err := e.manifest(digest)
	if err != nil {
		e.opt.Log.Warn("manifest of the common snapshot is unreadable", slog.Any("error", err))
		return plan.Manifest{}
	}
	return m
}

func (p *pull) keep(ctx context.Context, prefix string, kept []divergence) error {
	e := p.engine
	st := e.currentState()
	id := prefix + contentOf(kept, st.Export[:])
	if _, err := e.divergedCopy(id); err == nil {
		return nil // by an earlier try of this sync
	}
	made, err := e.makeCopy(ctx, pair.DivergedCopy{ID: id, Time: e.opt.Now().UTC(), Epoch: p.req.Epoch},
		func(context.Context) ([]divergence, error) { return kept, nil })
	if err != nil {
		return err
	}
	e.opt.Aside(made)
	return nil
}

// replaced is what the sync of a set would remove from a target or replace, and what
// it would bring back, as far as that differs from what was here before.
func replaced(t *target, set plan.Set, before []plan.Entry) divergence {
	d := divergence{data: set.Data, open: t.tree.Again, all: t.have, was: map[string]plan.Entry{}}
	wanted, was := byPath(set.Entries), byPath(before)
	for _, e := range t.have {
		if e.Kind != plan.Dir && !e.SameContent(wanted[e.Path]) && !e.SameContent(was[e.Path]) {
			d.delta.Set = append(d.delta.Set, e)
		}
	}
	have := byPath(t.have)
	for _, e := range before {
		_, here := have[e.Path]
		if e.Kind != plan.Dir && !here && wanted[e.Path].SameContent(e) {
			d.delta.Removed = append(d.delta.Removed, e.Path)
			d.was[e.Path] = e
		}
	}
	return d
}

func byPath(entries []plan.Entry) map[string]plan.Entry {
	all := make(map[string]plan.Entry, len(entries))
	for _, e := range entries {
		all[e.Path] = e
	}
	return all
}

// contentOf names a copy by what is in it, so that what is tried again makes no
// second one, and another state of one epoch does.
func contentOf(kept []divergence, more []byte) string {
	h := blake3.New()
	_, _ = h.Write(more) // never fails
	for _, d := range kept {
		b := plan.AppendString(nil, d.data.Name)
		for _, e := range d.delta.Set {
			e.Alloc = 0 // the file system may write it out meanwhile
			b = plan.AppendEntry(b, e)
		}
		for _, path := range d.delta.Removed {
			b = plan.AppendString(b, path)
		}
		_, _ = h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

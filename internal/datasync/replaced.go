package datasync

import (
	"context"
	"encoding/hex"
	"log/slog"

	"github.com/zeebo/blake3"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// LatePrefix begins the id of a diverged copy of what was written on an appliance
// after it had given the role away.
const LatePrefix = "late-"

// keepReplaced sets aside, before a pull replaces it, what must cost nobody data:
//
//   - what lies in data that are synced for the first time (a wrong path, or a
//     machine that served something before),
//   - what was written here after this appliance gave the role away, or after what it
//     wrote alone was set aside,
//   - whatever is replaced at all, if the primary goes on from an older state than was here.
//
// What is the same on both sides, as after seeding the backup by hand, needs no copy.
func (p *pull) keepReplaced(ctx context.Context) error {
	st := p.engine.currentState()
	_, of := st.common()
	known := p.engine.manifestOrNone(of)
	before := known
	if st.Kept != (manifest.Digest{}) {
		before = p.engine.manifestOrNone(reference{listed: st.Kept})
	}
	byPrefix := map[string][]divergence{}
	for i, t := range p.targets {
		set := p.manifest.Sets[i]
		var prefix string
		var was []manifest.Entry
		switch {
		case set.Data == p.engine.opt.Inline: // it follows the role, unless the primary goes on from an older state
			if !st.Keep {
				continue
			}
			prefix = "newer-"
		case len(known.Find(set.Data).Entries) == 0:
			prefix = "found-"
			if st.Kept != (manifest.Digest{}) { // set aside as a whole already, as there was nothing common
				was = before.In(p.manifest.Scheme, before.Find(set.Data), t.have)
			}
		case st.Keep:
			prefix = "newer-"
		case st.given():
			prefix, was = LatePrefix, before.In(p.manifest.Scheme, before.Find(set.Data), t.have)
		default:
			continue
		}
		if d := replaced(t, set, was); len(d.Changed)+len(d.Removed) > 0 {
			byPrefix[prefix] = append(byPrefix[prefix], d)
		}
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
func (e *Engine) manifestOrNone(of reference) manifest.Manifest {
	m, err := e.manifest(of)
	if err != nil {
		e.opt.Log.Warn("manifest of the common snapshot is unreadable", slog.Any("error", err))
		return manifest.Manifest{}
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
	made, err := e.makeCopy(ctx, pair.DivergedCopy{ID: id, Time: e.opt.Now().UTC(), Epoch: p.req.Epoch}, kept)
	if err != nil {
		return err
	}
	e.opt.Aside(made)
	return nil
}

// replaced is what the sync of a set would remove from a target or replace, and what
// it would bring back, as far as that differs from what was here before.
func replaced(t *target, set manifest.Set, before []manifest.Entry) divergence {
	d := divergence{data: set.Data, source: t.source, Divergence: source.Divergence{All: t.have}}
	wanted, was := byPath(set.Entries), byPath(before)
	for _, e := range t.have {
		if e.Kind != manifest.Dir && !e.SameContent(wanted[e.Path]) && !e.SameContent(was[e.Path]) {
			d.Changed = append(d.Changed, e)
		}
	}
	have := byPath(t.have)
	for _, e := range before {
		_, here := have[e.Path]
		if e.Kind != manifest.Dir && !here && wanted[e.Path].SameContent(e) {
			d.Removed = append(d.Removed, e)
		}
	}
	return d
}

func byPath(entries []manifest.Entry) map[string]manifest.Entry {
	all := make(map[string]manifest.Entry, len(entries))
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
		b := manifest.AppendString(nil, d.data.Name)
		for _, e := range d.Changed {
			e.Alloc = 0 // it may be written out meanwhile
			b = manifest.AppendEntry(b, e)
		}
		for _, e := range d.Removed {
			b = manifest.AppendString(b, e.Path)
		}
		_, _ = h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

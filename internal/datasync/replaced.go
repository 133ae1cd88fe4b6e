package datasync

import (
	"context"
	"slices"

	"baton/internal/datasync/diverged"
	"baton/internal/datasync/ledger"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/kept"
)

// keepReplaced sets aside, before a pull replaces it, what must cost nobody data:
//
//   - what lies in data that are synced for the first time (a wrong path, or a
//     machine that served something before),
//   - what was excluded until now, and so was never synced,
//   - what was written here after this appliance gave the role away, or after what it
//     wrote alone was set aside,
//   - whatever is replaced at all, if the primary goes on from an older state than was here.
//
// What is the same on both sides, as after seeding the backup by hand, needs no copy.
func (p *pull) keepReplaced(ctx context.Context) error {
	book := p.engine.ledger
	st := book.State()
	_, of := st.Common()
	common := book.ManifestOrNone(of)
	before := common
	if st.Kept != (manifest.Digest{}) {
		before = book.ManifestOrNone(ledger.Reference{Listed: st.Kept})
	}
	byPrefix := map[string][]diverged.Divergence{}
	for i, t := range p.targets {
		set := p.manifest.Sets[i]
		prefix, d := p.replacedBy(t, set, common, before)
		if len(d.Changed)+len(d.Removed) == 0 {
			continue
		}
		held, err := isHeld(ctx, t, d.Divergence, set.Listing)
		if err != nil {
			return err
		}
		if !held {
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

// replacedBy is what of a target has to be set aside, and what the names of such copies begin with.
func (p *pull) replacedBy(t *target, set manifest.Set, common, before manifest.Manifest) (prefix string, d diverged.Divergence) {
	st, inline := p.engine.ledger.State(), p.engine.sources.Inline
	switch {
	case set.Data == inline && !st.Keep: // it follows the role, so it is kept only if the primary goes on from an older state
		return "", d
	case set.Data != inline && common.Find(set.Data).IsZero():
		var was manifest.Listing
		if st.Kept != (manifest.Digest{}) { // set aside as a whole already, as there was nothing common
			was = before.In(p.manifest.Scheme, before.Find(set.Data), t.have)
		}
		return "found-", p.replaced(t, set, was)
	case st.Keep:
		return "newer-", p.replaced(t, set, manifest.Listing{})
	case st.Given():
		return diverged.LatePrefix, p.replaced(t, set, before.In(p.manifest.Scheme, before.Find(set.Data), t.have))
	}
	return "found-", unseen(p.replaced(t, set, manifest.Listing{}), before.Find(set.Data))
}

func (p *pull) keep(ctx context.Context, prefix string, divergences []diverged.Divergence) error {
	e := p.engine
	export := e.ledger.State().Export
	id := prefix + diverged.NameOf(divergences, export[:])
	if _, err := e.Diverged.One(id); err == nil {
		return nil // by an earlier try of this sync
	}
	made, err := e.Diverged.Make(ctx, kept.DivergedCopy{ID: id, Time: e.opt.Now().UTC(), Epoch: p.req.Epoch, Since: e.Common()}, divergences)
	if err != nil {
		return err
	}
	e.opt.Aside(made)
	return nil
}

// replaced is what the sync of a set would remove from a target or replace, and what
// it would bring back, as far as that differs from what was here before.
func (p *pull) replaced(t *target, set manifest.Set, before manifest.Listing) diverged.Divergence {
	d := diverged.Divergence{Data: set.Data, Source: t.source, Divergence: source.Divergence{All: t.have, Was: before, Scheme: p.manifest.Scheme}}
	goes := func(e manifest.Entry) {
		if was, _ := before.Find(e.Path); e.Kind != manifest.Dir && !e.SameContent(was.Entry) {
			d.Changed = append(d.Changed, e)
		}
	}
	comes := func(e manifest.Entry) {
		if was, found := before.Find(e.Path); found && e.Kind != manifest.Dir && was.SameContent(e) {
			d.Removed = append(d.Removed, was.Entry)
		}
	}
	manifest.Walk(t.have, set.Listing, goes, comes, func(have, want manifest.Entry) {
		if !have.SameContent(want) {
			goes(have)
		}
	})
	return d
}

// isHeld reports whether a target holds what was here before, or what is to come, though its files differ from both.
func isHeld(ctx context.Context, t *target, d source.Divergence, set manifest.Listing) (bool, error) {
	holder, is := t.source.(source.Holder)
	if !is {
		return false, nil
	}
	return holder.Holds(ctx, d, d.Was, set)
}

// unseen is what of a divergence was excluded in a set.
func unseen(d diverged.Divergence, in manifest.Set) diverged.Divergence {
	excluded := in.Data.Spec.Excludes().Matcher()
	d.Changed = slices.DeleteFunc(d.Changed, func(e manifest.Entry) bool { return !excluded.Excludes(e.Path) })
	d.Removed = nil
	return d
}

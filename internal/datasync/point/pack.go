package point

import (
	"cmp"
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"baton/internal/datasync/archive"
	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// errNotFound means that there is no such restore point.
var errNotFound = pair.Refuse(pair.NotFound, "no such restore point")

// Pack writes what is chosen of a restore point into an archive. Each content is checked by its hash. What is nowhere
// any more, as somebody wrote here who is no data sync, is left out, and named at the end of the archive. So is what the snapshot
// itself left out, and is protected by now.
func (p *Points) Pack(ctx context.Context, number uint64, chosen archive.Chosen, to io.Writer) error {
	if len(chosen) == 0 {
		chosen = nil // everything
	}
	o, err := p.find(number)
	if err == nil {
		err = o.check(chosen)
	}
	if err != nil {
		return err
	}
	now := p.opt.Ledger.ManifestOrNone(p.opt.Ledger.State().Newest())
	w := packing{Writer: archive.NewWriter(to), ctx: ctx, chosen: chosen, scheme: o.manifest.Scheme}
	for _, set := range o.manifest.Listed() {
		if !chosen.Has(set.Data.Name, ".") && !chosen.Leads(set.Data.Name, ".") {
			continue
		}
		if err := w.set(p, set, now.Find(set.Data).Listing); err != nil {
			return err
		}
	}
	w.leftOut(p, o)
	if len(w.lacks) > 0 {
		if err := w.Tell(archive.LacksName, strings.Join(w.lacks, "\n")+"\n"); err != nil {
			return err
		}
	}
	return w.Close()
}

func (p *Points) find(number uint64) (one, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.all {
		if o.Snapshot.Number == number {
			return o, nil
		}
	}
	return one{}, source.Sentence(errNotFound, "There is no restore point %d on this appliance: baton restore-point list shows them.", number)
}

// check refuses what is not in a restore point, before anything is written.
func (o one) check(chosen archive.Chosen) error {
	for _, path := range chosen {
		name, at, _ := strings.Cut(path, "/")
		is := slices.ContainsFunc(o.manifest.Listed(), func(set manifest.Set) bool {
			_, found := set.Find(cmp.Or(at, "."))
			return set.Data.Name == name && found
		})
		if !is {
			return source.Sentence(errNotFound, "Restore point %d holds no %q: give NAME or NAME/PATH, as in baton data list and the protected data.", o.Snapshot.Number, path)
		}
	}
	return nil
}

// leftOut names what is protected as now defined, and was left out of the snapshot.
func (w *packing) leftOut(p *Points, o one) {
	for _, d := range p.opt.Sources.With(w.ctx, nil) {
		if d == p.opt.Sources.Inline { // it is no part of a restore point
			continue
		}
		left := []string{"."}
		if set := o.manifest.Find(d); !set.IsZero() {
			left = set.Data.Spec.Excludes().List()
		}
		for _, pattern := range left {
			if at := path.Join(d.Name, pattern); !slices.Contains(d.Spec.Excludes().List(), pattern) && w.chosen.Has(d.Name, strings.TrimPrefix(pattern, "/")) {
				w.lacks = append(w.lacks, at)
			}
		}
	}
}

// packing is a restore point on its way into an archive.
type packing struct {
	*archive.Writer

	ctx    context.Context //nolint:containedctx // lives for one archive
	chosen archive.Chosen
	scheme manifest.Scheme
	lacks  []string
}

func (w *packing) set(p *Points, set manifest.Set, now manifest.Listing) error {
	src, err := p.opt.Sources.Open(set.Data, source.Recover)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }()
	from, is := src.(source.Keeper)
	if !is {
		return nil
	}
	paths := &where{now: now}
	for e := range set.All() {
		if !w.chosen.Has(set.Data.Name, e.Path) && (e.Kind != manifest.Dir || !w.chosen.Leads(set.Data.Name, e.Path)) {
			continue
		}
		if err := w.entry(from, set, e, paths); err != nil {
			return err
		}
	}
	return nil
}

// entry packs one entry of a set.
func (w *packing) entry(from source.Keeper, set manifest.Set, e manifest.Entry, paths *where) error {
	at := e.Path
	if e.Kind == manifest.Link {
		of, _ := set.Find(e.Target)
		e = of.Entry
	}
	content, err := w.contentOf(from, e, paths)
	if errors.Is(err, source.ErrMismatch) {
		w.lacks = append(w.lacks, set.Data.Name+"/"+at)
		return nil
	}
	if err != nil {
		return err
	}
	e.Path = at
	return w.Add(set.Data.Name, e, content)
}

// contentOf returns what writes the content of an entry. ErrMismatch: it is nowhere.
func (w *packing) contentOf(from source.Keeper, e manifest.Entry, paths *where) (func(io.Writer) error, error) {
	if e.Kind != manifest.File || e.Size == 0 {
		return func(io.Writer) error { return nil }, nil
	}
	at := func(of manifest.Hash) []string { return paths.of(of, e.Path) }
	return from.Kept(w.ctx, e, w.scheme, at)
}

// where tells at which path a content is now, as far as is known.
type where struct {
	now    manifest.Listing
	byHash map[manifest.Hash]string // nil: not needed yet
}

func (w *where) of(of manifest.Hash, first string) []string {
	is, found := w.now.Find(first)
	if found && is.Kind == manifest.File && is.Hash == of {
		return []string{first}
	}
	if w.byHash == nil {
		w.byHash = map[manifest.Hash]string{}
		for e := range w.now.All() {
			if e.Kind == manifest.File {
				w.byHash[e.Hash] = e.Path
			}
		}
	}
	if path, is := w.byHash[of]; is {
		return []string{path}
	}
	if !found { // it may be excluded by now, and lie there still
		return []string{first}
	}
	return nil
}

package directory

import (
	"context"
	"fmt"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/pair"
)

// protected is one protected directory, open. It implements source.Source.
type protected struct {
	kind *Kind
	data pair.Data
	tree *tree.Tree
	scan tree.Scan // the latest

	purpose source.Purpose
}

// String implements source.Source.
func (p *protected) String() string { return p.tree.Path() }

// Close implements source.Source.
func (p *protected) Close() error { return p.tree.Close() }

// Scan implements source.Source.
func (p *protected) Scan(ctx context.Context, scheme manifest.Scheme) (source.Scan, error) {
	p.tree.Scheme = scheme
	scan, err := p.kind.scan(ctx, p.tree, p.purpose)
	if err != nil {
		return source.Scan{}, err
	}
	top, err := p.tree.Top()
	if err != nil {
		return source.Scan{}, explain(err, p.tree.Path())
	}
	p.scan = scan
	return source.Scan{
		Listing: scan.Listing, Place: top, Disk: p.tree.Disk(), Unstable: scan.Unstable, Skipped: scan.Skipped,
		Content: &content{kind: p.kind, data: p.data, scheme: scheme, top: top, files: scan.Listing},
	}, nil
}

// DropStaging implements source.Source.
func (p *protected) DropStaging() error { return explain(p.tree.DropStaging(), p.tree.Path()) }

// content is what a scan found. It implements source.Content.
type content struct {
	kind   *Kind
	data   pair.Data
	scheme manifest.Scheme
	top    tree.Top
	files  manifest.Listing // with the signs by which the files were hashed
}

// Open implements source.Content.
func (c *content) Open() (source.Reader, error) {
	dir, err := c.kind.open(c.data, source.Serve)
	if err != nil {
		return nil, err
	}
	if now, err := dir.Top(); err != nil || !now.Same(c.top) {
		_ = dir.Close()
		return nil, source.Sentence(source.ErrChanging, "%s is another directory than when the data sync began: it is tried again by itself.", dir.Path())
	}
	dir.Scheme = c.scheme
	return &reader{tree: dir, files: c.files}, nil
}

// reader sends the files of a scan. It implements source.Reader.
type reader struct {
	tree  *tree.Tree
	files manifest.Listing
}

// Close implements source.Reader.
func (r *reader) Close() error { return r.tree.Close() }

// Send implements source.Reader.
func (r *reader) Send(ctx context.Context, e manifest.Entry, offset int64, sink source.Sink) (manifest.Entry, error) {
	now, err := r.send(ctx, e, offset, sink)
	return now, explain(err, r.tree.Path())
}

func (r *reader) send(ctx context.Context, e manifest.Entry, offset int64, sink source.Sink) (manifest.Entry, error) {
	f, before, err := r.tree.OpenFile(e.Path)
	if err != nil {
		return manifest.Entry{}, err
	}
	defer func() { _ = f.Close() }()
	if offset > 0 && !r.scanned(e.Path, before) {
		return manifest.Entry{}, fmt.Errorf("%w: %q is not what was scanned", source.ErrChanging, e.Path)
	}
	tee := &hashing{to: sink, hash: r.tree.Scheme.Hash(before.Size)}
	now, err := tree.Stream(ctx, f, before, e.Path, offset, tee)
	if err != nil {
		return manifest.Entry{}, err
	}
	now.Hash = e.Hash
	if offset == 0 {
		now.Hash = tee.hash.Sum()
	}
	return now, nil
}

// scanned reports whether a file is still the one that the scan hashed.
func (r *reader) scanned(path string, stamp tree.Stamp) bool {
	known, found := r.files.Find(path)
	return found && tree.Same(known, stamp)
}

// hashing hashes what passes. It is a source.Sink.
type hashing struct {
	to   source.Sink
	hash *manifest.ContentHash
}

func (h *hashing) Data(b []byte) error {
	_, _ = h.hash.Write(b) // never fails
	return h.to.Data(b)
}

func (h *hashing) Hole(bytes int64) error {
	h.hash.Hole(bytes)
	return h.to.Hole(bytes)
}

// change is what turns the tree into another. It implements source.Change.
type change struct {
	of    *protected
	steps []tree.Step
	// settled is how the change was prepared; nil: it was resumed.
	settled *target
}

// Idle implements source.Kind.
func (*Kind) Idle() []byte { return tree.AppendSteps(nil, nil) }

// Always implements source.Kind.
func (*Kind) Always() pair.Data { return pair.Data{} }

// Resume implements source.Source.
func (p *protected) Resume(b []byte) (source.Change, error) {
	steps, err := tree.ReadSteps(b)
	if err == nil && !p.tree.HasStaging() {
		err = source.ErrMissing
	}
	if err != nil {
		return nil, err
	}
	return &change{of: p, steps: steps}, nil
}

// Append implements source.Change.
func (c *change) Append(b []byte) []byte { return tree.AppendSteps(b, c.steps) }

// Sync implements source.Change.
func (c *change) Sync() error { return explain(c.of.tree.Sync(), c.of.tree.Path()) }

// Apply implements source.Change.
func (c *change) Apply(_ context.Context, hook func(step string)) error {
	return explain(c.of.tree.Apply(c.steps, hook), c.of.tree.Path())
}

// Final implements source.Change: renames can be taken back until the staging is dropped.
func (*change) Final(context.Context) bool { return false }

// Undo implements source.Change.
func (c *change) Undo(hook func(step string)) error {
	return explain(c.of.tree.Undo(c.steps, hook), c.of.tree.Path())
}

// Done implements source.Change.
func (c *change) Done() error {
	if c.settled != nil {
		c.of.kind.enter(c.of.tree, c.of.scan.Listing, c.settled.want)
	}
	return c.of.DropStaging()
}

// ApplyRest implements source.Change.
func (c *change) ApplyRest(ctx context.Context) (source.Leftover, error) {
	dir := c.of.tree
	left, why := dir.ApplySome(c.steps)
	if len(left) == 0 {
		return source.Leftover{}, c.Sync()
	}
	const most = 5
	var names []string
	for _, s := range left[:min(len(left), most)] {
		names = append(names, dir.Path()+"/"+s.Path)
	}
	if len(left) > most {
		names = append(names, fmt.Sprintf("%d more names there", len(left)-most))
	}
	names[len(names)-1] += " (" + source.Bare(explain(why, dir.Path())) + ")"
	over := source.Leftover{Names: names}
	place, err := dir.Gather(left)
	if err != nil || place == "" {
		return over, err
	}
	from, err := dir.Below(place)
	if err != nil {
		return over, err
	}
	from.Scheme = manifest.Newest
	scan, err := from.Scan(ctx, manifest.Listing{}, c.of.kind.opt.Now, nil)
	if err != nil {
		_ = from.Close()
		return over, err
	}
	over.From = &protected{kind: c.of.kind, data: c.of.data, tree: from}
	over.Kept.All = scan.Listing
	for entry := range scan.Listing.All() {
		if entry.Kind != manifest.Dir {
			over.Kept.Changed = append(over.Kept.Changed, entry)
		}
	}
	return over, nil
}

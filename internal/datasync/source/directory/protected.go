package directory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/blocks"
	"baton/internal/datasync/source/directory/disk"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/datasync/source/directory/scan"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/pair"
)

// protected is one protected directory, open. It implements source.Source.
type protected struct {
	kind *Kind
	data pair.Data
	tree *tree.Tree
	scan scan.Result // the latest

	purpose source.Purpose
}

// String implements source.Source.
func (p *protected) String() string { return p.tree.Path() }

// Close implements source.Source.
func (p *protected) Close() error { return p.tree.Close() }

// Scan implements source.Source.
func (p *protected) Scan(ctx context.Context, scheme manifest.Scheme) (source.Scan, error) {
	p.tree.Scheme = scheme
	if p.purpose == source.Receive {
		if err := p.tree.ClearStaging(); err != nil { // it shows once the staging is needed
			p.kind.opt.Log.Warn("what an interrupted data sync left is not removed", slog.String("path", p.tree.Path()), slog.Any("error", err))
		}
	}
	found, err := p.kind.scan(ctx, p.tree, p.purpose)
	if lock := p.kind.opt.Lock; err != nil && lock != nil && p.purpose == source.Receive {
		release, used := lock(p.data)
		if release != nil {
			release()
		}
		if errors.Is(used, ErrUsed) { // that is why
			err = explain(p.inUse(), p.tree.Path())
		}
	}
	if err != nil {
		return source.Scan{}, err
	}
	top, err := p.tree.Top()
	if err != nil {
		return source.Scan{}, explain(err, p.tree.Path())
	}
	p.scan = found
	listing, spec, err := leftOut(p.data, found)
	if err != nil {
		return source.Scan{}, source.Sentence(source.ErrChanging, "What a database server uses in %s cannot be left out of the data sync for the backup, which has another state of it (%v): stop the server, or exclude less of the directory or with other patterns.", p.tree.Path(), err)
	}
	return source.Scan{
		Listing: listing, Spec: spec, Place: p.place(top), Disk: disk.ID(p.tree.Dir().Fd()), Unstable: found.Unstable, Skipped: found.Skipped, Moving: found.Moving, Reading: found.Reading,
		Content: &content{kind: p.kind, data: p.data, scheme: scheme, top: top, files: found.Listing, servers: found.Servers},
	}, nil
}

// place tells which it is; of a part of a directory, which part: others may be protected as well.
func (p *protected) place(top disk.Top) source.Place {
	if part := p.tree.Part(); !part.IsWhole() {
		return disk.Part{Top: top, Name: part.Names[0]}
	}
	return top
}

// DropStaging implements source.Source.
func (p *protected) DropStaging() error { return explain(p.tree.DropStaging(), p.tree.Path()) }

// content is what a scan found. It implements source.Content.
type content struct {
	kind    *Kind
	data    pair.Data
	scheme  manifest.Scheme
	top     disk.Top
	files   manifest.Listing // with the signs by which the files were hashed
	servers scan.Servers
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
	return &reader{tree: dir, files: c.files, servers: c.servers, index: c.kind.indexAt(dir.Path())}, nil
}

// reader sends the files of a scan. It implements source.Reader.
type reader struct {
	tree    *tree.Tree
	files   manifest.Listing
	servers scan.Servers // what of it belongs to database servers, which is sent as it was scanned or not at all
	index   *index
	changes sync.Map // by path: how often a file changed while it was sent
	other   sync.Map // paths of files whose beginning is not what was scanned
}

// Close implements source.Reader.
func (r *reader) Close() error { return r.tree.Close() }

// Send implements source.Reader. What the scan hashed is not hashed again: the backup checks it.
func (r *reader) Send(ctx context.Context, e manifest.Entry, have source.Have, sink source.Sink) (manifest.Entry, error) {
	server, is := r.servers.Of(e.Path)
	now, err := r.send(ctx, e, have, sink)
	switch {
	case is && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, errOther) || (err == nil && now.Hash != e.Hash)):
		err = r.another(e.Path, server)
	case !is && errors.Is(err, source.ErrChanging):
		r.changed(e.Path)
	}
	return now, explain(err, r.tree.Path())
}

// errOther means that a file of a database server is not what was listed.
var errOther = errors.New("not what was listed")

func (r *reader) send(ctx context.Context, e manifest.Entry, have source.Have, sink source.Sink) (manifest.Entry, error) {
	f, before, err := r.tree.OpenFile(e.Path)
	if err != nil {
		return manifest.Entry{}, err
	}
	defer func() { _ = f.Close() }()
	file := inode.Reading{File: f, Stamp: before, Path: e.Path}
	known, found := r.files.Find(e.Path)
	found = found && known.Hash == e.Hash
	scanned := found && inode.Same(known, before)
	if _, is := r.servers.Of(e.Path); is && !scanned {
		return manifest.Entry{}, errOther
	}
	if found && !scanned && have.Offset == 0 && before.Ino == known.Note.Ino && before.Size >= e.Size {
		if _, is := r.other.Load(e.Path); !is {
			return r.sendBeginning(ctx, file, e, have, sink)
		}
	}
	switch {
	case scanned && have.HasOld():
		err = r.difference(ctx, file, e, have, sink)
	case scanned && (have.Offset > 0 || !known.Note.Racy):
		err = file.Pass(ctx, have.Offset, before.Size, sink)
	case have.Offset > 0:
		err = fmt.Errorf("%w: %q is not what was scanned", source.ErrChanging, e.Path)
	default:
		return r.sendHashed(ctx, file, sink)
	}
	if err != nil {
		return manifest.Entry{}, err
	}
	now, err := file.Settled()
	now.Hash = e.Hash
	return now, err
}

// sendHashed sends a file that is not as it was scanned.
func (r *reader) sendHashed(ctx context.Context, file inode.Reading, sink source.Sink) (manifest.Entry, error) {
	tee := &hashing{to: sink, hash: r.tree.Scheme.Hash(file.Stamp.Size)}
	err := file.Pass(ctx, 0, file.Stamp.Size, tee)
	if err != nil {
		return manifest.Entry{}, err
	}
	now, err := file.Settled()
	now.Hash = tee.hash.Sum()
	if list, is := tee.hash.List(); is && err == nil {
		r.tree.Lists.Put(file.Path, list, nil)
	}
	return now, err
}

// difference sends a file by its difference from what the backup has, as far as that is known: what is at its place there, and
// what is found elsewhere of it.
func (r *reader) difference(ctx context.Context, file inode.Reading, e manifest.Entry, have source.Have, sink source.Sink) error {
	other, comparable := r.compare(e, have)
	same := e.Size - blocks.Sum(other)
	moved := !comparable || 2*same < min(e.Size, have.Size) // most of it may be elsewhere
	var sums *blocks.Sums
	if moved || slices.ContainsFunc(other, func(s blocks.Stretch) bool { return searched(s, have.Size) }) {
		var err error
		if sums, err = r.sums(have); err != nil {
			return err
		}
	}
	if moved && sums == nil {
		return source.ErrSums
	}
	at := int64(0)
	for _, s := range append(other, blocks.Stretch{Offset: e.Size}) {
		if s.Offset > at {
			if err := sink.Same(at, s.Offset-at); err != nil {
				return err
			}
		}
		if err := sendStretch(ctx, file, s, have.Size, sums, sink); err != nil {
			return err
		}
		at = s.End()
	}
	return nil
}

// sendStretch sends a stretch of a file that is not at its place in the old content, which has a size, and may be elsewhere there.
func sendStretch(ctx context.Context, file inode.Reading, s blocks.Stretch, old int64, sums *blocks.Sums, sink source.Sink) error {
	if sums == nil || !searched(s, old) {
		return file.Pass(ctx, s.Offset, s.End(), sink)
	}
	search := blocks.NewSearch(sums, sink)
	if err := file.Pass(ctx, s.Offset, s.End(), search); err != nil {
		return err
	}
	return search.Close()
}

// searched reports whether a stretch may hold what is elsewhere in the old content: it is larger than a block, and not appended.
func searched(s blocks.Stretch, old int64) bool {
	block := manifest.BlockSize(old)
	return s.Bytes >= 2*block && s.Offset+block <= old
}

// sums returns the sums by which the blocks of the old content are found: those that the backup sent, or that are known here; nil: none.
func (r *reader) sums(have source.Have) (*blocks.Sums, error) {
	if len(have.Sums) == 0 {
		sums, _ := r.tree.Lists.Sums(have.Old, have.Size)
		return sums, nil
	}
	sums, err := blocks.ReadSums(have.Sums, have.Size)
	if err != nil {
		return nil, source.Sentence(source.ErrUnsafe, "The backup sent sums that cannot be read (%v): check that both appliances run the same version.", err)
	}
	return sums, nil
}

// compare returns what of a file the backup does not have at its place. It reports false if that is not known, as not both lists are kept.
func (r *reader) compare(e manifest.Entry, have source.Have) (other []blocks.Stretch, comparable bool) {
	old, had := r.tree.Lists.Get(have.Old, have.Size)
	now, has := r.tree.Lists.Get(e.Hash, e.Size)
	if had && has {
		other, comparable = blocks.Compare(old, now)
	}
	if !comparable {
		other = []blocks.Stretch{{Bytes: e.Size}}
	}
	return other, comparable
}

// hashing hashes what passes. It is a source.Sink.
type hashing struct {
	source.Whole

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
	applied time.Time
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
	err := c.of.tree.Apply(c.steps, hook)
	c.applied = time.Now()
	return explain(err, c.of.tree.Path())
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
		c.settled.letTick(c.applied)
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
		names = append(names, dir.At(s.Path))
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
	found, err := scan.Whole(ctx, from, manifest.Listing{}, c.of.kind.opt.Now, nil)
	if err != nil {
		_ = from.Close()
		return over, err
	}
	over.From = &protected{kind: c.of.kind, data: c.of.data, tree: from}
	over.Kept.All = found.Listing
	for entry := range found.Listing.All() {
		if entry.Kind != manifest.Dir {
			over.Kept.Changed = append(over.Kept.Changed, entry)
		}
	}
	return over, nil
}

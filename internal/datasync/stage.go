package datasync

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/progress"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// stage brings everything that the targets lack into their staging: what is here
// already, and the rest from the primary. It reports false if the primary has to be asked anew.
func (p *pull) stage(ctx context.Context) (bool, error) {
	if err := p.prepareStaging(ctx); err != nil {
		return false, err
	}
	if err := p.checkRoom(); err != nil {
		return false, err
	}
	whole := true
	for range contentTries {
		wants, err := p.missing(ctx)
		if err != nil {
			return false, err
		}
		if len(wants) == 0 {
			break
		}
		again, err := p.fetch(ctx, wants)
		if err != nil {
			return false, err
		}
		whole = whole && !again
	}
	if !whole {
		return false, nil
	}
	return true, p.settle()
}

// contentTries bounds how often content is asked for again: with sums, or since it does not match, as
// the first part of a file may have rotted in the staging.
const contentTries = 4

func (p *pull) prepareStaging(ctx context.Context) error {
	for i, t := range p.targets {
		p.engine.opt.Hook("make-staging")
		var err error
		if t.staging, err = t.source.Stage(p.manifest.Sets[i].Listing); err != nil {
			return err
		}
	}
	if p.inline == nil {
		return nil
	}
	last := len(p.targets) - 1
	entry := p.manifest.Sets[last].Whole().Entry
	in, err := p.targets[last].staging.Fill(ctx, entry, source.Have{})
	if err != nil {
		return err
	}
	if err := in.Data(p.inline); err != nil {
		in.Abort()
		return err
	}
	p.inline = nil
	return in.Finish(entry)
}

// checkRoom refuses to begin what cannot end: staging needs room for every new
// file while the old ones are still there. It tells the progress what is to come.
func (p *pull) checkRoom() error {
	var files, total int64
	need, names := map[uint64]int64{}, map[uint64]int64{}
	for _, t := range p.targets {
		if t.staging == nil {
			continue
		}
		load, err := t.staging.Load()
		if err != nil {
			return err
		}
		files, total = files+load.Files, total+load.Bytes
		need[load.Device] += load.NeedBytes
		names[load.Device] += load.NeedFiles
		if need[load.Device] > load.FreeBytes {
			return source.Sentence(source.ErrNoRoom, "The disk of %s has %s free, and the data sync needs %s there: make room, then sync again; nothing was lost.",
				t.source, pair.BytesText(load.FreeBytes), pair.BytesText(need[load.Device]))
		}
		if names[load.Device] > load.FreeFiles {
			return source.Sentence(source.ErrNoRoom, "The disk of %s has room for %d more files (df -i), and the data sync needs %d: remove some there, or use a file system with more inodes; nothing was lost.",
				t.source, load.FreeFiles, names[load.Device])
		}
	}
	p.engine.progress.Update(func(pr *progress.Progress) {
		pr.FilesTotal, pr.BytesTotal, pr.FilesDone, pr.BytesDone = files, total, 0, 0
	})
	return nil
}

func (p *pull) staged(files, bytes int64) {
	p.engine.progress.Update(func(pr *progress.Progress) {
		pr.FilesDone += files
		pr.BytesDone += bytes
	})
}

// missing stages what needs no transfer and returns the rest.
func (p *pull) missing(ctx context.Context) ([]wire.Want, error) {
	var wants []wire.Want
	for set, t := range p.targets {
		if t.staging == nil {
			continue
		}
		missing, err := t.staging.Missing(ctx, p.manifest.Sets[set].Listing, p.staged)
		if err != nil {
			return nil, err
		}
		for _, w := range missing {
			wants = append(wants, wire.Want{Set: set, Path: w.Path, Have: w.Have})
		}
	}
	return wants, nil
}

// fetch receives the wanted files. It reports true if one of them is gone.
func (p *pull) fetch(ctx context.Context, wants []wire.Want) (again bool, err error) {
	pack := byte(0)
	if p.engine.limit.Slow() {
		pack = 1
	}
	const ahead = 64 << 10 // many small files; the content of large ones goes past it
	in, done, err := p.open(ctx, "content", wire.AppendWants(p.head.Session, pack, wants, p.manifest), ahead)
	if err != nil {
		return false, err
	}
	defer done()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	c := &contentReader{pull: p, in: in, group: group, ctx: groupCtx}
	for _, w := range wants {
		if err = c.file(w); err != nil {
			break
		}
	}
	if waitErr := group.Wait(); waitErr != nil {
		err = waitErr
	}
	if err != nil {
		return false, err
	}
	kind, _, err := in.Next()
	if err == nil && kind != wire.End {
		err = wire.Unsafe("more content than was asked for")
	}
	if err != nil {
		return false, err
	}
	p.manifest, err = c.newer.In(p.manifest)
	return c.gone, err
}

// writers is how many small files are written at once.
const writers = 4

// contentReader takes the content stream apart.
type contentReader struct {
	pull  *pull
	in    *wire.Reader
	group *errgroup.Group
	ctx   context.Context //nolint:containedctx // lives for one stream
	newer manifest.Newer
	gone  bool
	rooms wire.Rooms
}

// file receives one file: small ones are kept in memory and written beside the
// stream, large ones go to the staging as they come.
func (c *contentReader) file(w wire.Want) error {
	if err := c.ctx.Err(); err != nil {
		return context.Cause(c.ctx)
	}
	wanted, found := c.pull.manifest.Sets[w.Set].Find(w.Path)
	if !found {
		return wire.Unsafe("content of what is not in the manifest")
	}
	f := &arrival{reader: c, want: w, target: c.pull.targets[w.Set], entry: wanted.Entry, small: wire.Recording{Rooms: &c.rooms}}
	defer f.abort()
	for {
		kind, payload, err := c.in.Next()
		if err != nil {
			return err
		}
		finished, err := f.frame(kind, payload)
		if err != nil || finished {
			return source.Explain(err, f.target.source.String())
		}
	}
}

// arrival is one file on its way in.
type arrival struct {
	reader *contentReader
	want   wire.Want
	target *target
	entry  manifest.Entry
	small  wire.Recording
	length int64           // bytes that came
	large  source.Incoming // nil while small holds everything
}

func (f *arrival) abort() {
	if f.large != nil {
		f.large.Abort()
	}
}

func (f *arrival) frame(kind wire.Kind, payload []byte) (finished bool, err error) {
	switch kind {
	case wire.Data:
		if len(payload) == 0 { // each would take room, and there could be any number
			return false, wire.Unsafe("content of no bytes")
		}
		return false, f.data(payload)
	case wire.Hole:
		d := manifest.NewDecoder(payload)
		n := d.Uvarint()
		if d.Failed() || n == 0 || n > source.MaxHole {
			return false, wire.Unsafe("a hole that cannot be")
		}
		return false, f.hole(int64(n))
	case wire.Same:
		from, n, err := wire.ReadStretch(payload, f.want.Size)
		if err != nil {
			return false, err
		}
		return false, f.same(from, n)
	case wire.Restart:
		return false, f.restart()
	case wire.Done:
		return true, f.done(payload)
	case wire.Gone:
		f.reader.gone = true
		return true, nil
	case wire.Sums:
		if !f.want.HasOld() || len(f.want.Sums) > 0 || f.length > 0 {
			return false, wire.Unsafe("a question for sums that it has, or that there are not")
		}
		f.target.staging.Sum(f.want.Path)
		return true, nil
	case wire.Alive, wire.Head, wire.Entries, wire.Removed, wire.Inline, wire.End, wire.Failed:
	}
	return false, wire.Unsafe("a frame out of place")
}

func (f *arrival) data(b []byte) error {
	if err := f.spill(int64(len(b))); err != nil {
		return err
	}
	if f.large == nil {
		return f.small.Data(b)
	}
	f.reader.pull.staged(0, int64(len(b)))
	return f.large.Data(b)
}

func (f *arrival) hole(n int64) error {
	if err := f.spill(n); err != nil {
		return err
	}
	if f.large == nil {
		return f.small.Hole(n)
	}
	f.reader.pull.staged(0, n)
	return f.large.Hole(n)
}

// same takes a part of what is here.
func (f *arrival) same(from, n int64) error {
	if err := f.spill(n); err != nil {
		return err
	}
	f.reader.pull.staged(0, n)
	return f.large.Same(from, n)
}

// spill makes sure that a file that gets large goes to the staging, and that it
// does not get larger than a file can be.
func (f *arrival) spill(more int64) error {
	f.length += more
	if f.want.Offset+f.length > max(2*f.entry.Size, f.entry.Size+maxGrowth) {
		return wire.Unsafe(fmt.Sprintf("far more of %q than it has", f.entry.Path))
	}
	if f.large != nil || (f.length <= wire.SmallFile && f.want.Offset == 0 && !f.want.HasOld()) {
		return nil
	}
	var err error
	if f.large, err = f.target.staging.Fill(f.reader.ctx, f.entry, f.want.Have); err != nil {
		return err
	}
	f.reader.pull.staged(0, f.large.Offset())
	defer f.small.Release()
	return f.small.Replay(f.large)
}

// maxGrowth is how much a file may have grown since the scan: 1 GiB, or its size.
const maxGrowth = 1 << 30

func (f *arrival) restart() error {
	f.want.Have = source.Have{}
	f.length = 0
	if f.large == nil {
		return f.small.Restart()
	}
	f.reader.pull.staged(0, -f.large.Offset())
	return f.large.Restart()
}

// done completes a file. If it is not as the manifest said, the manifest is
// corrected: the primary has done the same.
func (f *arrival) done(payload []byte) error {
	actual := f.entry
	if len(payload) > 0 {
		e, rest, err := manifest.ReadEntry(payload)
		if err != nil || len(rest) > 0 || e.Path != f.entry.Path || e.Kind != manifest.File {
			return wire.Unsafe("an entry that does not fit its file")
		}
		actual = e
		f.reader.newer.Set(f.want.Set, e)
	}
	p := f.reader.pull
	if f.large != nil {
		err := f.large.Finish(actual)
		f.large = nil
		if err == nil {
			p.staged(1, 0)
		}
		return ignoreMismatch(err)
	}
	entry, staging, content := f.entry, f.target.staging, f.small
	if f.want.Offset > 0 { // nothing was missing but the proof
		return nil
	}
	f.reader.group.Go(func() error {
		in, err := staging.Fill(f.reader.ctx, entry, source.Have{})
		if err != nil {
			return source.Explain(err, f.target.source.String())
		}
		err = content.Replay(in)
		content.Release()
		if err != nil {
			in.Abort()
			return source.Explain(err, f.target.source.String())
		}
		if err := in.Finish(actual); err != nil {
			return source.Explain(ignoreMismatch(err), f.target.source.String())
		}
		p.staged(1, actual.Size)
		return nil
	})
	return nil
}

// ignoreMismatch lets the next try ask for the file again.
func ignoreMismatch(err error) error {
	if errors.Is(err, source.ErrMismatch) {
		return nil
	}
	return err
}

// settle ends the filling, for the manifest as it turned out to be: nothing can fail
// any more for want of content, room or permission.
func (p *pull) settle() (err error) {
	for i, t := range p.targets {
		if t.staging == nil {
			continue
		}
		if t.change, err = t.staging.Settle(p.manifest.Sets[i].Listing); errors.Is(err, source.ErrMismatch) {
			err = source.Sentence(source.ErrUnsafe, "%v.", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

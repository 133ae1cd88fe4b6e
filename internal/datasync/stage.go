package datasync

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"baton/internal/datasync/plan"
	"baton/internal/datasync/source/directory"
	"baton/internal/pair"
)

// stage brings everything that the targets lack into their staging: from what an
// interrupted sync left, from files that are here under another name, and from
// the primary. It reports false if the primary has to be asked anew.
func (p *pull) stage(ctx context.Context) (bool, error) {
	if err := p.prepareStaging(); err != nil {
		return false, err
	}
	if err := p.checkRoom(); err != nil {
		return false, err
	}
	p.count()
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

// contentTries bounds how often content that does not match is asked for again:
// the first part of a file may have rotted in the staging.
const contentTries = 3

func (p *pull) prepareStaging() error {
	for _, t := range p.targets {
		if t.work.IsEmpty() {
			continue
		}
		if err := t.tree.Obstacle(t.work); err != nil { // before much is received in vain
			return explain(err, t.tree.Path())
		}
		p.engine.opt.Hook("make-staging")
		var err error
		if t.staging, err = t.tree.Stage(); err != nil {
			return explain(err, t.tree.Path())
		}
		if err := t.staging.Retain(t.work.Put); err != nil {
			return explain(err, t.tree.Path())
		}
	}
	return nil
}

// checkRoom refuses to begin what cannot end: staging needs room for every new
// file while the old ones are still there.
func (p *pull) checkRoom() error {
	need, files := map[uint64]int64{}, map[uint64]int64{}
	for _, t := range p.targets {
		free, err := t.tree.Free()
		if err != nil {
			return err
		}
		for _, e := range t.work.Put {
			if t.staging.Begun(e) {
				continue
			}
			files[free.Device]++
			if e.Kind == plan.File {
				need[free.Device] += min(e.Size, e.Alloc)
			}
		}
		files[free.Device] += int64(len(t.work.Mkdir))
		if need[free.Device] > free.Bytes {
			return sentence(ErrNoRoom, "The disk of %s has %s free, and the data sync needs %s there: make room, then sync again; nothing was lost.",
				t.tree.Path(), pair.BytesText(free.Bytes), pair.BytesText(need[free.Device]))
		}
		if files[free.Device] > free.Files {
			return sentence(ErrNoRoom, "The disk of %s has room for %d more files (df -i), and the data sync needs %d: remove some there, or use a file system with more inodes; nothing was lost.",
				t.tree.Path(), free.Files, files[free.Device])
		}
	}
	return nil
}

func (p *pull) count() {
	var files, total int64
	for _, t := range p.targets {
		for _, e := range t.work.Put {
			if e.Kind == plan.File {
				files++
				total += e.Size
			}
		}
	}
	p.engine.progress.update(func(pr *Progress) {
		pr.FilesTotal, pr.BytesTotal, pr.FilesDone, pr.BytesDone = files, total, 0, 0
	})
}

func (p *pull) staged(files, bytes int64) {
	p.engine.progress.update(func(pr *Progress) {
		pr.FilesDone += files
		pr.BytesDone += bytes
	})
}

// missing stages what needs no transfer and returns the rest.
func (p *pull) missing(ctx context.Context) ([]want, error) {
	var wants []want
	for set, t := range p.targets {
		here := p.localCopies(t)
		ordinals := p.ordinals(set)
		for _, e := range t.work.Put {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			e = p.manifest.Sets[set].Entries[ordinals[e.Path]] // as it turned out to be
			offset, done, err := p.reuse(ctx, t, e, here)
			if err != nil {
				return nil, explain(err, t.tree.Path())
			}
			if !done {
				wants = append(wants, want{set: set, ordinal: ordinals[e.Path], offset: offset})
			}
		}
	}
	return wants, nil
}

func (p *pull) ordinals(set int) map[string]int {
	t := p.targets[set]
	ordinals := make(map[string]int, len(t.work.Put))
	for _, e := range t.work.Put {
		ordinals[e.Path] = -1
	}
	for i, e := range p.manifest.Sets[set].Entries {
		if _, wanted := ordinals[e.Path]; wanted {
			ordinals[e.Path] = i
		}
	}
	return ordinals
}

// localCopies finds files of the tree that have a wanted content already.
func (p *pull) localCopies(t *target) map[plan.Hash]string {
	wanted := map[plan.Hash]bool{}
	for _, e := range t.work.Put {
		if e.Kind == plan.File && e.Size > 0 {
			wanted[e.Hash] = true
		}
	}
	here := map[plan.Hash]string{}
	if len(wanted) == 0 {
		return here
	}
	for _, e := range t.have {
		if e.Kind == plan.File && wanted[e.Hash] {
			here[e.Hash] = e.Path
		}
	}
	return here
}

// reuse stages an entry without the primary if that is possible, and otherwise
// says how much of it is there.
func (p *pull) reuse(ctx context.Context, t *target, e plan.Entry, here map[plan.Hash]string) (offset int64, done bool, err error) {
	switch {
	case e.Kind != plan.File:
		return 0, true, t.staging.Make(e)
	case t.staging.Staged(e):
		return 0, true, nil
	case t.staging.Begun(e):
		in, err := t.staging.Resume(ctx, e)
		if err != nil {
			return 0, false, err
		}
		if in == nil {
			p.staged(1, e.Size)
			return 0, true, nil
		}
		in.Abort()
		return in.Offset(), false, nil
	}
	if from, found := here[e.Hash]; found {
		copied, err := t.staging.CopyLocal(ctx, e, from)
		if copied {
			p.staged(1, e.Size)
		}
		return 0, copied, err
	}
	return 0, false, nil
}

// fetch receives the wanted files. It reports true if one of them is gone.
func (p *pull) fetch(ctx context.Context, wants []want) (again bool, err error) {
	pack := byte(0)
	if p.engine.limit.slow() {
		pack = 1
	}
	in, done, err := p.open(ctx, "content", appendWants(p.head.Session, pack, wants))
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
	kind, _, err := in.next()
	if err == nil && kind != frameEnd {
		err = unsafeStream("more content than was asked for")
	}
	return c.gone, err
}

// writers is how many small files are written at once.
const writers = 4

// contentReader takes the content stream apart.
type contentReader struct {
	pull  *pull
	in    *frameReader
	group *errgroup.Group
	ctx   context.Context //nolint:containedctx // lives for one stream
	gone  bool
}

// file receives one file: small ones are kept in memory and written beside the
// stream, large ones go to the staging as they come.
func (c *contentReader) file(w want) error {
	if err := c.ctx.Err(); err != nil {
		return context.Cause(c.ctx)
	}
	f := &arrival{reader: c, want: w, target: c.pull.targets[w.set], entry: c.pull.manifest.Sets[w.set].Entries[w.ordinal]}
	defer f.abort()
	for {
		kind, payload, err := c.in.next()
		if err != nil {
			return err
		}
		finished, err := f.frame(kind, payload)
		if err != nil || finished {
			return explain(err, f.target.tree.Path())
		}
	}
}

// arrival is one file on its way in.
type arrival struct {
	reader *contentReader
	want   want
	target *target
	entry  plan.Entry
	small  recording
	length int64               // bytes that came
	large  *directory.Incoming // nil while small holds everything
	fresh  bool                // what was staged before does not count any more
}

func (f *arrival) abort() {
	if f.large != nil {
		f.large.Abort()
	}
}

func (f *arrival) frame(kind frameKind, payload []byte) (finished bool, err error) {
	switch kind {
	case frameData:
		if len(payload) == 0 { // each would take room, and there could be any number
			return false, unsafeStream("content of no bytes")
		}
		return false, f.data(payload)
	case frameHole:
		d := plan.NewDecoder(payload)
		n := d.Uvarint()
		if d.Failed() || n == 0 || n > directory.MaxHole {
			return false, unsafeStream("a hole that cannot be")
		}
		return false, f.hole(int64(n))
	case frameRestart:
		return false, f.restart()
	case frameDone:
		return true, f.done(payload)
	case frameGone:
		f.reader.gone = true
		return true, nil
	case frameAlive, frameHeader, frameEntries, frameRemoved, frameSite, frameEnd, frameFailed:
	}
	return false, unsafeStream("a frame out of place")
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

// spill makes sure that a file that gets large goes to the staging, and that it
// does not get larger than a file can be.
func (f *arrival) spill(more int64) error {
	f.length += more
	if f.want.offset+f.length > max(2*f.entry.Size, f.entry.Size+maxGrowth) {
		return unsafeStream(fmt.Sprintf("far more of %q than it has", f.entry.Path))
	}
	if f.large != nil || (f.length <= smallFile && f.want.offset == 0) {
		return nil
	}
	var err error
	if f.want.offset > 0 && !f.fresh {
		f.large, err = f.target.staging.Resume(f.reader.ctx, f.entry)
		if err == nil && (f.large == nil || f.large.Offset() != f.want.offset) {
			return fmt.Errorf("staged part of %q changed meanwhile", f.entry.Path)
		}
	} else {
		f.large, err = f.target.staging.Fresh(f.entry)
	}
	if err != nil {
		return err
	}
	f.reader.pull.staged(0, f.large.Offset())
	return f.small.replay(f.large)
}

// maxGrowth is how much a file may have grown since the scan: 1 GiB, or its size.
const maxGrowth = 1 << 30

func (f *arrival) restart() error {
	f.fresh, f.want.offset = true, 0
	f.small, f.length = recording{}, 0
	if f.large == nil {
		return nil
	}
	f.reader.pull.staged(0, -f.large.Offset())
	return f.large.Restart()
}

// done completes a file. If it is not as the manifest said, the manifest is
// corrected: the primary has done the same.
func (f *arrival) done(payload []byte) error {
	actual := f.entry
	if len(payload) > 0 {
		e, rest, err := plan.ReadEntry(payload)
		if err != nil || len(rest) > 0 || e.Path != f.entry.Path || e.Kind != plan.File {
			return unsafeStream("an entry that does not fit its file")
		}
		actual = e
		f.reader.pull.manifest.Sets[f.want.set].Entries[f.want.ordinal] = e
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
	if f.want.offset > 0 { // nothing was missing but the proof
		return nil
	}
	f.reader.group.Go(func() error {
		in, err := staging.Fresh(entry)
		if err != nil {
			return explain(err, f.target.tree.Path())
		}
		if err := content.replay(in); err != nil {
			in.Abort()
			return explain(err, f.target.tree.Path())
		}
		if err := in.Finish(actual); err != nil {
			return explain(ignoreMismatch(err), f.target.tree.Path())
		}
		p.staged(1, actual.Size)
		return nil
	})
	return nil
}

// ignoreMismatch lets the next try ask for the file again.
func ignoreMismatch(err error) error {
	if errors.Is(err, directory.ErrMismatch) {
		return nil
	}
	return err
}

// settle works out the work anew, for the manifest as it turned out to be, and
// makes sure that nothing of it can fail for want of content, room or permission.
func (p *pull) settle() error {
	for i, t := range p.targets {
		if t.staging == nil {
			continue
		}
		t.work = plan.Compare(t.have, p.manifest.Sets[i].Entries)
		for _, e := range t.work.Put {
			if e.Kind == plan.File && !t.staging.Staged(e) {
				return sentence(ErrUnsafe, "The content of %s/%s did not match its hash in %d tries: check the memory and disks of both appliances.",
					t.tree.Path(), e.Path, contentTries)
			}
		}
		err := t.staging.Rehearse(t.work)
		if err == nil {
			t.steps, err = t.staging.Prepare(t.work, t.have)
		}
		if err != nil {
			return explain(err, t.tree.Path())
		}
	}
	return nil
}

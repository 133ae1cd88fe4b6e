package directory

import (
	"context"
	"fmt"
	"slices"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/blocks"
	"baton/internal/datasync/source/directory/disk"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/datasync/source/directory/obstacle"
	"baton/internal/datasync/source/directory/plan"
	"baton/internal/datasync/source/directory/tree"
)

// target is a protected directory that is to become another tree. It implements
// source.Staging.
type target struct {
	of      *protected
	staging *tree.Staging
	want    manifest.Listing // what the tree will hold
	work    plan.Work
	summed  map[string]bool // by path: of what lies there, the primary needs the sums
	release func()          // of the lock; nil: there is none
}

// Stage implements source.Source.
func (p *protected) Stage(want manifest.Listing) (source.Staging, error) {
	if len(p.scan.Mounts) > 0 {
		return nil, source.Sentence(source.ErrUnsafe, "Another disk is mounted at %s/%s, inside a protected directory: protect it as a directory of its own.", p.tree.Path(), p.scan.Mounts[0])
	}
	t := &target{of: p, summed: map[string]bool{}}
	err := t.aim(want)
	if err == nil && t.work.IsEmpty() {
		return nil, nil //nolint:nilnil // as the contract says: nothing has to change
	}
	if err == nil {
		err = obstacle.Of(p.tree.Dir(), p.tree.At, t.work) // before much is received in vain
	}
	if err == nil {
		t.staging, err = p.tree.Stage()
	}
	if err != nil {
		return nil, explain(err, p.tree.Path())
	}
	if err := t.staging.Retain(t.work.Put); err != nil {
		_ = t.Close()
		return nil, explain(err, p.tree.Path())
	}
	return t, nil
}

// aim finds out what there is to do.
func (t *target) aim(want manifest.Listing) (err error) {
	p := t.of
	if t.want, err = p.keeping(want); err != nil {
		return err
	}
	switch {
	case !disk.KeepsNumbers(p.tree.Dir().Fd()):
		t.work = plan.CompareByName(p.scan.Listing, t.want)
	case p.tree.Exclude.IsEmpty():
		t.work = plan.Compare(p.scan.Listing, t.want)
	default:
		t.work = plan.CompareAround(p.scan.Listing, t.want)
	}
	return nil
}

// Close implements source.Staging.
func (t *target) Close() error {
	if t.release != nil {
		t.release()
		t.release = nil
	}
	return t.staging.Close()
}

// Load implements source.Staging. Every new file needs room while the old ones are
// still there.
func (t *target) Load() (source.Load, error) {
	free, err := disk.Free(t.of.tree.Dir())
	if err != nil {
		return source.Load{}, explain(err, t.of.tree.Path())
	}
	load := source.Load{Device: free.Device, FreeBytes: free.Bytes, FreeFiles: free.Files, NeedFiles: int64(len(t.work.Mkdir))}
	for _, e := range t.work.Put {
		if e.Kind == manifest.File {
			load.Files++
			load.Bytes += e.Size
		}
		if t.staging.Begun(e) {
			continue
		}
		load.NeedFiles++
		if e.Kind == manifest.File {
			load.NeedBytes += max(min(e.Size, e.Alloc)-t.shares(e), 0)
		}
	}
	return load, nil
}

// Missing implements source.Staging.
func (t *target) Missing(ctx context.Context, want manifest.Listing, staged func(files, bytes int64)) ([]source.Want, error) {
	var missing []source.Want
	sums := int64(0)
	here := t.localCopies()
	for _, e := range t.work.Put {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if now, found := want.Find(e.Path); found {
			e = now.Entry
		}
		offset, done, err := t.reuse(ctx, e, here, staged)
		if err != nil {
			return nil, explain(err, t.of.tree.Path())
		}
		if !done {
			w := t.wants(ctx, e, offset, source.MaxSums-sums)
			sums += int64(len(w.Sums))
			missing = append(missing, w)
		}
	}
	return missing, nil
}

// shares is how many bytes of a file may be those of the one in its place. If they are not, the disk may be
// full before it is there.
func (t *target) shares(e manifest.Entry) int64 {
	if _, was, is := t.old(e); is {
		return was.Size
	}
	return 0
}

// wants asks for the content of an entry, of which so many bytes are staged, and with so many bytes of sums at most.
func (t *target) wants(ctx context.Context, e manifest.Entry, offset, room int64) source.Want {
	w := source.Want{Path: e.Path, Have: source.Have{Offset: offset}}
	at, was, is := t.old(e)
	if !is || offset > 0 {
		return w
	}
	if t.summed[e.Path] {
		sums, err := t.staging.Sums(ctx, at, was)
		if err != nil || int64(len(sums)) > room { // the whole is always right
			return w
		}
		w.Sums = sums
	}
	w.Old, w.Size = was.Hash, was.Size
	return w
}

// Sum implements source.Staging.
func (t *target) Sum(path string) { t.summed[path] = true }

// old returns the file whose content an entry may share, and its path.
func (t *target) old(e manifest.Entry) (string, manifest.Child, bool) {
	at := t.work.Here(e.Path)
	was, found := t.of.scan.Listing.Find(at)
	return at, was, found && was.Kind == manifest.File && e.Kind == manifest.File && min(was.Size, e.Size) >= manifest.FromLists &&
		t.of.tree.Scheme == manifest.Lists && !t.staging.Refused(e.Path)
}

// copyFrom is how much content has to be missing, in bytes, for the whole tree to be searched for it.
const copyFrom = 16 << 20

// localCopies finds files of the tree that have a wanted content already.
func (t *target) localCopies() map[manifest.Hash]string {
	wanted, missing := map[manifest.Hash]bool{}, int64(0)
	for _, e := range t.work.Put {
		if e.Kind == manifest.File && e.Size > 0 {
			wanted[e.Hash] = true
			missing += e.Size
		}
	}
	here := map[manifest.Hash]string{}
	if missing < copyFrom {
		return here
	}
	for e := range t.of.scan.Listing.All() {
		if e.Kind == manifest.File && wanted[e.Hash] {
			here[e.Hash] = e.Path
		}
	}
	return here
}

// reuse stages an entry without the primary if that is possible, and otherwise
// says how much of it is there.
func (t *target) reuse(ctx context.Context, e manifest.Entry, here map[manifest.Hash]string, staged func(files, bytes int64)) (offset int64, done bool, err error) {
	switch {
	case e.Kind != manifest.File:
		return 0, true, t.staging.Make(e)
	case t.staging.Staged(e):
		return 0, true, nil
	case t.staging.Begun(e):
		in, err := t.staging.Resume(ctx, e)
		if err != nil {
			return 0, false, err
		}
		if in == nil {
			staged(1, e.Size)
			return 0, true, nil
		}
		in.Abort()
		return in.Offset(), false, nil
	}
	if from, found := here[e.Hash]; found {
		copied, err := t.staging.CopyLocal(ctx, e, from)
		if copied {
			staged(1, e.Size)
		}
		return 0, copied, err
	}
	return 0, false, nil
}

// Fill implements source.Staging.
func (t *target) Fill(ctx context.Context, e manifest.Entry, have source.Have) (source.Incoming, error) {
	in, err := t.fill(ctx, e, have)
	if err != nil {
		return nil, explain(err, t.of.tree.Path())
	}
	return in, nil
}

func (t *target) fill(ctx context.Context, e manifest.Entry, have source.Have) (*tree.Incoming, error) {
	switch at, was, is := t.old(e); {
	case have.HasOld() && is:
		return t.staging.Update(ctx, e, at, was)
	case have.Offset == 0:
		return t.staging.Fresh(e)
	}
	in, err := t.staging.Resume(ctx, e)
	if err == nil && (in == nil || in.Offset() != have.Offset) {
		if in != nil {
			in.Abort()
		}
		err = fmt.Errorf("staged part of %q changed meanwhile", e.Path)
	}
	return in, err
}

// Settle implements source.Staging.
func (t *target) Settle(want manifest.Listing) (source.Change, error) {
	have := t.of.scan.Listing
	if err := t.aim(want); err != nil {
		return nil, explain(err, t.of.tree.Path())
	}
	pass := t.staging.Inspect()
	defer pass.Close()
	for _, e := range t.work.Put {
		switch {
		case e.Kind != manifest.File || pass.Intact(e):
		case t.staging.Staged(e):
			return nil, source.Sentence(source.ErrChanging, "The content of %s/%s changed in the staging after it was checked, by a program or by a bit that flipped: the next data sync brings it anew; if it happens again, check the disk of %s.",
				t.of.tree.Path(), e.Path, t.of.tree.Path())
		default:
			return nil, source.Sentence(source.ErrMismatch, "The content of %s/%s did not match its hash, however often it was sent: check the memory and disks of both appliances.", t.of.tree.Path(), e.Path)
		}
	}
	err := t.of.checkRest(t.of.replaced(t.want)) // not before: what is asked for of a server that runs is left out then
	if err == nil {
		err = t.staging.Rehearse(t.work)
	}
	c := &change{of: t.of, settled: t}
	if err == nil {
		c.steps, err = t.staging.Prepare(t.work, have)
	}
	if err != nil {
		return nil, explain(err, t.of.tree.Path())
	}
	return c, nil
}

// letTick waits until a write would give a large file another time than it has, if one was put into place just now: else
// the next scan would read it.
func (t *target) letTick(applied time.Time) {
	large := func(e manifest.Entry) bool { return e.Kind == manifest.File && e.Size >= blocks.KeptFrom }
	if slices.ContainsFunc(t.work.Put, large) {
		time.Sleep(time.Until(applied.Add(inode.FineTick)))
	}
}

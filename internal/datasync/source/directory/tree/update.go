package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/blocks"
	"baton/internal/datasync/source/directory/disk"
	"baton/internal/datasync/source/directory/inode"
)

// original is the file of the tree that an Incoming is to replace, and shares content with. What comes
// lies in the staging; what both have at the same place stays in the old file until all has come.
type original struct {
	inode.Reading

	ctx    context.Context //nolint:containedctx // lives for one file
	list   manifest.List   // of its blocks; without any: they are read
	cloned bool            // what is staged began as a clone of it, which shares its blocks
	other  []blocks.Stretch

	pages inode.Pages
}

// patchSlot is the name in the staging of what comes of a file that shares content with the old one.
func patchSlot(path string) string { return "patch-" + nameBy(path) }

// Update begins a file that shares content with one of the tree, at a path, that the scan found so.
func (s *Staging) Update(ctx context.Context, e manifest.Entry, path string, was manifest.Child) (*Incoming, error) {
	f, stamp, err := s.tree.OpenFile(path)
	if err != nil {
		return nil, err
	}
	if !inode.Same(was, stamp) {
		_ = f.Close()
		return nil, errWritten(path)
	}
	in, err := s.open(e, patchSlot(e.Path), unix.O_TRUNC)
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	in.old = &original{Reading: inode.Reading{File: f, Stamp: stamp, Path: path}, ctx: ctx}
	in.old.cloned = unix.IoctlFileClone(int(in.f.Fd()), int(f.Fd())) == nil
	if !was.Note.Racy {
		in.old.list, _ = s.tree.Lists.Get(was.Hash, was.Size)
	}
	return in, nil
}

// Sums returns the sums of a file of the tree that the scan found so, by which its blocks are found elsewhere.
func (s *Staging) Sums(ctx context.Context, path string, was manifest.Child) ([]byte, error) {
	f, stamp, err := s.tree.OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if !inode.Same(was, stamp) {
		return nil, errWritten(path)
	}
	reading := inode.Reading{File: f, Stamp: stamp, Path: path}
	list, kept := s.tree.Lists.Get(was.Hash, was.Size)
	if !kept || was.Note.Racy {
		if list, _, err = reading.List(ctx); err != nil {
			return nil, err
		}
	}
	sums, err := reading.Sums(ctx, list)
	if err != nil {
		return nil, err
	}
	_, err = reading.Settled()
	return sums, err
}

func errWritten(path string) error {
	return fmt.Errorf("%w: %q was written to on this machine", source.ErrChanging, path)
}

// Same implements source.Sink.
func (in *Incoming) Same(from, n int64) error {
	b := in.old
	if b == nil || from+n > b.Stamp.Size {
		return source.Whole{}.Same(from, n)
	}
	if from != in.offset {
		return b.Pass(b.ctx, from, from+n, &moved{Incoming: in})
	}
	if known := b.blocks(in.hash.Block(), from, n); known != nil {
		in.hash.Known(known, n)
	} else if err := b.Pass(b.ctx, from, from+n, inode.Hashed{To: in.hash}); err != nil {
		return err
	}
	in.offset += n
	return nil
}

// moved takes what is elsewhere in the old file.
type moved struct {
	*Incoming

	room []byte
}

// Data implements source.Sink. What lies in memory as far from the beginning of a page as in the file is written in half the
// time: where the two are a few bytes apart, the processor waits for each byte that it has just written.
func (m *moved) Data(b []byte) error {
	page := os.Getpagesize()
	if len(m.room) < page+len(b) {
		m.room = make([]byte, page+len(b)) // begins where a page does, unless it is small
	}
	as := m.room[m.offset%int64(page):]
	return m.hashed(as[:copy(as, b)], m.write)
}

// page returns how many of the bytes for an offset are those of one page, and whether the old file has the
// same there.
func (b *original) page(offset int64, of []byte) (n int, same bool) {
	if b == nil {
		return len(of), false
	}
	return b.pages.Same(b.Reading, offset, of)
}

// blocks returns the hashes of whole blocks; nil: they are not known.
func (b *original) blocks(size, from, n int64) []manifest.Hash {
	if len(b.list.Blocks) == 0 || size != manifest.BlockSize(b.Stamp.Size) || from%size != 0 {
		return nil
	}
	if end := from + n; end%size != 0 && end != b.Stamp.Size {
		return nil
	}
	return b.list.Blocks[from/size : (from+n+size-1)/size]
}

// took notes what came and is not the same at the same place.
func (b *original) took(offset, n int64) {
	if b != nil {
		b.other = blocks.Add(b.other, blocks.Stretch{Offset: offset, Bytes: n})
	}
}

// settled reports whether the old file is as it was.
func (b *original) settled() bool {
	if b == nil {
		return true
	}
	now, err := inode.Stat(b.File)
	return err == nil && now.Unchanged(b.Stamp)
}

func (b *original) close() {
	if b != nil {
		_ = b.File.Close()
	}
}

// patch is a file that is staged by what differs from the old one.
type patch struct {
	slot  string      // in the staging: what differs, at its place, and holes besides
	of    inode.Stamp // the old one
	path  string      // of that
	other []blocks.Stretch
}

// update gives checked content that shares some with the old file its form: a patch of that, or a file
// of its own.
func (in *Incoming) update(e manifest.Entry) error {
	b := in.old
	if err := in.f.Truncate(e.Size); err != nil {
		in.Abort()
		return fmt.Errorf("stage %q: %w", e.Path, err)
	}
	if b.cloned {
		return in.complete(e)
	}
	p := patch{slot: in.name, of: b.Stamp, path: b.Path, other: b.other}
	s := in.staging
	if p.suits(e) && s.tree.writable(e.Path) {
		defer in.Abort()
		return s.verify(e, in.name, in.f, &p)
	}
	if err := inode.CopyStretches(context.Background(), in.f, b.Reading, blocks.Rest(p.other, e.Size)); err != nil {
		in.Abort()
		return fmt.Errorf("stage %q: %w", e.Path, err)
	}
	return in.complete(e)
}

// suits reports whether a file may be changed in its place: if that writes less than a new one would take,
// by no other name, and if nobody gets rights by it meanwhile.
func (p patch) suits(e manifest.Entry) bool {
	const setID = 0o6000 // setuid, setgid
	return 2*blocks.Sum(p.other) <= e.Size && p.of.Nlink == 1 && p.path == e.Path && (e.Mode|p.of.Mode)&setID == 0 &&
		!slices.ContainsFunc(e.XAttrs, func(x manifest.XAttr) bool { return x.Name == "security.capability" })
}

// writable reports whether a file can be written in its place: it is no program that runs, say.
func (t *Tree) writable(path string) bool {
	f, _, err := t.openForWriting(path)
	if err == nil {
		_ = f.Close()
	}
	return err == nil
}

func (t *Tree) openForWriting(path string) (*os.File, inode.Stamp, error) {
	f, err := t.root.OpenFile(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, inode.Stamp{}, err
	}
	stamp, err := inode.Stat(f)
	if err == nil && stamp.Kind() != manifest.File {
		err = errReplaced(path)
	}
	if err != nil {
		_ = f.Close()
		return nil, inode.Stamp{}, err
	}
	return f, stamp, nil
}

// refuse notes that content that was to be shared did not match: the whole is needed.
func (s *Staging) refuse(path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[path] = true
}

// Refused reports whether the whole of a file is needed: its difference from the one here did not match.
func (s *Staging) Refused(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused[path]
}

// Patched reports whether the entry is staged by what differs from the file in its place.
func (s *Staging) Patched(e manifest.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.patches[e.Path]
	return is
}

// unpatch makes a file of its own of a patch.
func (s *Staging) unpatch(e manifest.Entry, p patch) error {
	old, stamp, err := s.tree.OpenFile(p.path)
	if err != nil {
		return err
	}
	defer func() { _ = old.Close() }()
	if !stamp.Unchanged(p.of) {
		return errWritten(p.path)
	}
	in, err := s.open(e, p.slot, 0)
	if err != nil {
		return err
	}
	reading := inode.Reading{File: old, Stamp: stamp, Path: p.path}
	if err := inode.CopyStretches(context.Background(), in.f, reading, blocks.Rest(p.other, e.Size)); err != nil {
		in.Abort()
		return err
	}
	if _, err := reading.Settled(); err != nil {
		in.Abort()
		return err
	}
	return in.complete(e)
}

// patch saves what a patch replaces, so that it can be taken back, and returns the step.
func (s *Staging) patch(e, was manifest.Entry, p patch) (Step, error) {
	step := Step{Op: Patch, Path: e.Path, Slot: p.slot, Out: outSlot(e.Path), Ino: p.of.Ino, Parts: p.other, Is: e, Was: was, first: &inode.Stamp{}}
	old, stamp, err := s.tree.OpenFile(e.Path)
	if err != nil {
		return step, err
	}
	defer func() { _ = old.Close() }()
	if !stamp.Unchanged(p.of) {
		return step, errWritten(e.Path)
	}
	if err := s.roomFor(step, stamp); err != nil {
		return step, err
	}
	if err := s.root.RemoveAll(step.Out); err != nil {
		return step, err
	}
	out, err := s.root.OpenFile(step.Out, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return step, err
	}
	reading := inode.Reading{File: old, Stamp: stamp, Path: e.Path}
	err = inode.CopyStretches(context.Background(), out, reading, step.saved())
	if err == nil {
		err = out.Truncate(was.Size)
	}
	if err == nil {
		_, err = reading.Settled()
	}
	*step.first = stamp
	return step, errors.Join(err, out.Close())
}

// roomFor finds out whether there is room for what a step writes where the old file has nothing yet.
func (s *Staging) roomFor(step Step, old inode.Stamp) error {
	var parts []blocks.Stretch
	for _, part := range step.Parts {
		if old.Alloc >= old.Size { // else it may have holes anywhere
			part.Bytes, part.Offset = part.End()-max(part.Offset, old.Size), max(part.Offset, old.Size)
		}
		if part.Bytes > 0 {
			parts = append(parts, part)
		}
	}
	s.grows += blocks.Sum(parts)
	room, err := disk.Free(s.root)
	if err == nil && room.Bytes < s.grows {
		err = unix.ENOSPC
	}
	return err
}

// saved are the stretches of the old file that a patch replaces or cuts off.
func (s Step) saved() []blocks.Stretch {
	saved := blocks.Below(s.Parts, s.Was.Size)
	if s.Is.Size < s.Was.Size {
		saved = blocks.Add(saved, blocks.Stretch{Offset: s.Is.Size, Bytes: s.Was.Size - s.Is.Size})
	}
	return saved
}

// rewrite writes what is staged of a file into its place, or what was saved of it.
func (t *Tree) rewrite(s Step, slot string, parts []blocks.Stretch, is manifest.Entry, hook func(step string)) error {
	f, stamp, err := t.openForWriting(s.Path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if stamp.Ino != s.Ino || stamp.Nlink != 1 {
		return errReplaced(s.Path)
	}
	if s.awaits() && !stamp.Unchanged(*s.first) {
		return errWritten(s.Path)
	}
	from, fromStamp, err := t.OpenFile(t.part.inStaging(slot))
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	if s.first != nil {
		*s.first = inode.Stamp{} // from now on it may be half done
	}
	for i, part := range parts {
		if i > 0 {
			hook("part")
		}
		if err := inode.CopyStretches(context.Background(), f, inode.Reading{File: from, Stamp: fromStamp, Path: s.Path}, []blocks.Stretch{part}); err != nil {
			return err
		}
	}
	if err := f.Truncate(is.Size); err != nil {
		return err
	}
	return t.setMetaAt(is)
}

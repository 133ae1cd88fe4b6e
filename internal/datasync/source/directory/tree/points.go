package tree

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/blocks"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/pinned"
)

// PointsName is the directory at the top of a protected directory in which content is kept that restore
// points need and the tree has no more. It is never part of a manifest.
const PointsName = ".baton-points"

// Points is that directory; it need not be there while nothing is kept. A content lies there under its hash: as a whole, or, of a large file that was
// changed in its place, as the blocks that were replaced; these have a second file that says which they are,
// and which content has the rest.
type Points struct {
	tree    *Tree
	root    *pinned.Dir // nil: nothing is kept
	patched map[manifest.Hash]patched
}

// patched is a content that is kept as what differs from another one.
type patched struct {
	base     manifest.Hash
	baseSize int64
	size     int64
	parts    []blocks.Stretch // that are kept; the rest is as in base, at the same place
}

const (
	partsSuffix = ".parts"
	baseSuffix  = ".base"
)

func keptName(of manifest.Hash) string { return hex.EncodeToString(of[:]) }

// OpenPoints opens the directory of a tree, if it is there and root's alone.
func OpenPoints(t *Tree) (*Points, error) {
	p := &Points{tree: t, patched: map[manifest.Hash]patched{}}
	stamp, err := t.Stat(t.part.own(PointsName))
	if errors.Is(err, fs.ErrNotExist) || (err == nil && !private(stamp)) { // of another, who could change what is kept
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	if p.root, err = t.root.Sub(t.part.own(PointsName)); err != nil {
		return nil, err
	}
	names, err := p.names()
	for _, name := range names {
		if of, is := strings.CutSuffix(name, baseSuffix); is {
			p.load(of)
		}
	}
	if err != nil {
		_ = p.root.Close()
		return nil, err
	}
	return p, nil
}

// MakePoints is OpenPoints, but makes the directory.
func MakePoints(t *Tree) (*Points, error) {
	p, err := OpenPoints(t)
	if err == nil && p.root != nil || (err != nil && !meddled(err)) {
		return p, err
	}
	err = t.quietly(func() error {
		if err := t.root.RemoveAll(t.part.own(PointsName)); err != nil { // of another
			return err
		}
		return t.unlocked(".", func() error { return t.root.Mkdir(t.part.own(PointsName), 0o700) })
	})
	if err != nil {
		return nil, err
	}
	return OpenPoints(t)
}

// Drop removes the directory with all that is kept.
func (p *Points) Drop() error {
	if p.root == nil {
		return nil
	}
	return p.tree.quietly(func() error { return p.tree.root.RemoveAll(p.tree.part.own(PointsName)) })
}

// Close releases the directory.
func (p *Points) Close() error {
	if p.root == nil {
		return nil
	}
	return p.root.Close()
}

func (p *Points) names() ([]string, error) {
	if p.root == nil {
		return nil, nil
	}
	dir, err := p.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer func() { _ = dir.Close() }()
	return dir.Readdirnames(-1)
}

// load reads which content has the rest of one that is kept in parts. What is damaged is not kept.
func (p *Points) load(name string) {
	b, err := hex.DecodeString(name)
	if err != nil || len(b) != len(manifest.Hash{}) {
		return
	}
	f, err := p.root.Open(name + baseSuffix)
	if err != nil {
		return
	}
	defer func() { _ = f.Close() }()
	stamp, err := inode.Stat(f)
	if err != nil || stamp.Size < 32 || stamp.Size > 64<<20 {
		return
	}
	text := make([]byte, stamp.Size)
	if _, err := f.ReadAt(text, 0); err != nil || blake3.Sum256(text[:len(text)-32]) != [32]byte(text[len(text)-32:]) {
		return
	}
	d := manifest.NewDecoder(text[:len(text)-32])
	one := patched{size: int64(d.Uvarint()), baseSize: int64(d.Uvarint())} //nolint:gosec // closed by a hash
	base := d.String(len(manifest.Hash{}))
	one.parts = blocks.Read(d)
	if d.Failed() || len(base) != len(manifest.Hash{}) {
		return
	}
	one.base = manifest.Hash([]byte(base))
	p.patched[manifest.Hash(b)] = one
}

// save writes which content has the rest of one.
func (p *Points) save(of manifest.Hash, one patched) error {
	b := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(one.size)), uint64(one.baseSize)) //nolint:gosec // never negative
	b = blocks.Append(manifest.AppendString(b, string(one.base[:])), one.parts)
	sum := blake3.Sum256(b)
	name := keptName(of) + baseSuffix
	f, err := p.root.OpenFile(name+"-new", unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, sum[:]...))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = p.root.Rename(name+"-new", name)
	}
	if err == nil {
		p.patched[of] = one
	}
	return err
}

// needed reports whether a content is wanted, or another one that is kept needs it.
func (p *Points) needed(of manifest.Hash, wanted func(manifest.Hash) bool) bool {
	if wanted(of) {
		return true
	}
	for _, one := range p.patched {
		if one.base == of {
			return true
		}
	}
	return false
}

// Keep keeps, of what the steps have taken out of the tree, the content that is wanted. Was is the tree before
// them. It may be done again after a crash; what was kept then is no longer in the staging.
func (p *Points) Keep(ctx context.Context, steps []Step, was manifest.Listing, wanted func(manifest.Hash) bool, hook func(step string)) (kept int, err error) {
	for _, s := range steps { // a further name is no content
		if s.Op != Patch && s.Out != "" && s.Was.Kind == manifest.Link {
			_ = p.tree.root.Remove(p.tree.part.inStaging(s.Out)) // else the file has another name still, and is not kept
		}
	}
	for _, s := range steps {
		if ctx.Err() != nil {
			return kept, context.Cause(ctx)
		}
		n, err := p.keepOf(ctx, s, was, wanted, hook)
		if kept += n; err != nil {
			return kept, err
		}
	}
	if kept == 0 {
		return 0, nil
	}
	dir, err := p.root.Open(".")
	if err != nil {
		return kept, err
	}
	return kept, errors.Join(dir.Sync(), dir.Close())
}

func (p *Points) keepOf(ctx context.Context, s Step, was manifest.Listing, wanted func(manifest.Hash) bool, hook func(step string)) (kept int, err error) {
	switch {
	case s.Out == "" || s.Op == TakeOut:
		return 0, nil
	case s.Op == Patch:
		hook("keep")
		return p.keepParts(ctx, s, wanted)
	case s.Was.Kind == manifest.File:
		return p.keepFile(p.tree.part.inStaging(s.Out), s.Was, wanted, hook)
	case s.Was.Kind != manifest.Dir:
		return 0, nil
	}
	for e := range was.Below(s.Was.Path) {
		if ctx.Err() != nil {
			return kept, context.Cause(ctx)
		}
		if e.Kind != manifest.File {
			continue
		}
		n, err := p.keepFile(p.tree.part.inStaging(s.Out)+e.Path[len(s.Was.Path):], e, wanted, hook)
		if kept += n; err != nil {
			return kept, err
		}
	}
	return kept, nil
}

// keepFile keeps a whole file that was taken out, if that is its only name and it is as it was.
func (p *Points) keepFile(at string, e manifest.Entry, wanted func(manifest.Hash) bool, hook func(step string)) (int, error) {
	if e.Size == 0 || !p.needed(e.Hash, wanted) {
		return 0, nil
	}
	stamp, err := p.tree.Stat(at)
	if err != nil || stamp.Kind() != manifest.File || stamp.Nlink != 1 || stamp.Size != e.Size || stamp.ModTime != e.ModTime {
		return 0, nil //nolint:nilerr // it is not there, or something else: then it is not kept
	}
	hook("keep")
	if err := p.tree.root.Rename(at, p.tree.part.own(PointsName)+"/"+keptName(e.Hash)); err != nil {
		return 0, err
	}
	return 1, p.forgetParts(e.Hash)
}

// forgetParts removes the parts of a content that is kept as a whole now.
func (p *Points) forgetParts(of manifest.Hash) error {
	if _, is := p.patched[of]; !is {
		return nil
	}
	delete(p.patched, of)
	return errors.Join(p.root.RemoveAll(keptName(of)+baseSuffix), p.root.RemoveAll(keptName(of)+partsSuffix))
}

// keepParts keeps the blocks that a patch has replaced: as a content of its own if that is wanted, or as parts of
// those that need it, so that what nobody wants is not kept for them.
func (p *Points) keepParts(ctx context.Context, s Step, wanted func(manifest.Hash) bool) (int, error) {
	if !p.tree.has(p.tree.part.inStaging(s.Out)) || s.Was.Hash == s.Is.Hash {
		return 0, nil
	}
	if wanted(s.Was.Hash) {
		return 1, p.keepBlocks(s)
	}
	kept := 0
	for of, one := range p.patched {
		if one.base != s.Was.Hash {
			continue
		}
		kept++
		take := p.merge
		if of == s.Is.Hash { // the tree has it again
			take = p.forgetMerged
		}
		if err := take(ctx, of, one, s); err != nil {
			return kept, err
		}
	}
	return kept, nil
}

// keepBlocks keeps the blocks that a patch has replaced as a content of its own.
func (p *Points) keepBlocks(s Step) error {
	name := keptName(s.Was.Hash)
	if err := p.root.RemoveAll(name + baseSuffix); err != nil { // it says of other parts
		return err
	}
	if err := p.save(s.Was.Hash, patched{base: s.Is.Hash, baseSize: s.Is.Size, size: s.Was.Size, parts: s.saved()}); err != nil {
		return err
	}
	return p.tree.root.Rename(p.tree.part.inStaging(s.Out), p.tree.part.own(PointsName)+"/"+name+partsSuffix)
}

func (p *Points) forgetMerged(_ context.Context, of manifest.Hash, _ patched, _ Step) error {
	return p.forgetParts(of)
}

// merge adds to what is kept of a content the blocks by which a patch changed its base.
func (p *Points) merge(ctx context.Context, of manifest.Hash, one patched, s Step) error {
	missing := blocks.Without(blocks.Below(s.saved(), one.size), one.parts)
	from, stamp, err := p.tree.OpenFile(p.tree.part.inStaging(s.Out))
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	to, err := p.root.OpenFile(keptName(of)+partsSuffix, unix.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = inode.CopyStretches(ctx, to, inode.Reading{File: from, Stamp: stamp, Path: s.Path}, missing)
	if err = errors.Join(err, to.Sync(), to.Close()); err != nil {
		return err
	}
	one.parts = blocks.Union(one.parts, missing)
	one.base, one.baseSize = s.Is.Hash, s.Is.Size
	return p.save(of, one)
}

// Retain removes every content that is neither wanted nor needed by one that is, and returns the bytes that
// the rest takes.
func (p *Points) Retain(ctx context.Context, wanted func(manifest.Hash) bool) (bytes int64, err error) {
	needed := p.neededParts(wanted)
	names, err := p.names()
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		if ctx.Err() != nil {
			return bytes, context.Cause(ctx)
		}
		stamp, statErr := p.tree.Stat(p.tree.part.own(PointsName) + "/" + name)
		b, hexErr := hex.DecodeString(name)
		whole := hexErr == nil && len(b) == len(manifest.Hash{})
		if needed[name] || (whole && wanted(manifest.Hash(b))) {
			bytes += stamp.Alloc
			continue
		}
		if err := errors.Join(statErr, p.root.RemoveAll(name)); err != nil {
			return bytes, err
		}
	}
	return bytes, nil
}

// neededParts names what is kept of contents in parts that are wanted, and what these rest on.
func (p *Points) neededParts(wanted func(manifest.Hash) bool) map[string]bool {
	needed := map[string]bool{}
	for of := range p.patched {
		if !wanted(of) {
			continue
		}
		for one, is := p.patched[of], true; is && !needed[keptName(of)+baseSuffix]; one, is = p.patched[of] {
			name := keptName(of)
			needed[name+baseSuffix], needed[name+partsSuffix] = true, true
			of = one.base
			needed[keptName(of)] = true
		}
	}
	return needed
}

// Content is one content that is kept or in the tree, to be read at any place.
type Content struct {
	file *os.File
	size int64
	over *patched
	base *Content
}

// Close releases it.
func (c *Content) Close() error {
	if c == nil {
		return nil
	}
	return errors.Join(c.file.Close(), c.base.Close())
}

// mostBases bounds on how many others a content rests.
const mostBases = 200

// Content opens what may be the content of a hash: what is kept, or a file of the tree at one of some paths. Only its
// hash tells whether it is. The error fs.ErrNotExist means that there is none.
func (p *Points) Content(of manifest.Hash, size int64, at func(manifest.Hash) []string) (*Content, error) {
	return p.content(of, size, at, mostBases)
}

func (p *Points) content(of manifest.Hash, size int64, at func(manifest.Hash) []string, deep int) (*Content, error) {
	t := p.tree
	if p.root != nil {
		if f, _, err := t.OpenFile(t.part.own(PointsName) + "/" + keptName(of)); err == nil {
			return &Content{file: f, size: size}, nil
		}
	}
	for _, path := range at(of) {
		f, stamp, err := t.OpenFile(path)
		if err == nil && stamp.Size == size {
			return &Content{file: f, size: size}, nil
		}
		if err == nil {
			_ = f.Close()
		}
	}
	one, is := p.patched[of]
	if !is || one.size != size || deep == 0 {
		return nil, fs.ErrNotExist
	}
	base, err := p.content(one.base, one.baseSize, at, deep-1)
	if err != nil {
		return nil, err
	}
	f, _, err := t.OpenFile(t.part.own(PointsName) + "/" + keptName(of) + partsSuffix)
	if err != nil {
		return nil, errors.Join(err, base.Close())
	}
	return &Content{file: f, size: size, over: &one, base: base}, nil
}

// ReadAt implements io.ReaderAt.
func (c *Content) ReadAt(b []byte, offset int64) (n int, err error) {
	if c.over == nil {
		return c.file.ReadAt(b, offset)
	}
	for n < len(b) && err == nil {
		part, kept := blocks.At(c.over.parts, offset+int64(n), c.size)
		of := b[n:min(len(b), n+int(min(part.End()-offset-int64(n), int64(len(b)))))]
		if len(of) == 0 {
			return n, nil
		}
		var got int
		if kept {
			got, err = c.file.ReadAt(of, offset+int64(n))
		} else {
			got, err = c.base.ReadAt(of, offset+int64(n))
		}
		if n += got; got == len(of) {
			err = nil
		}
	}
	return n, err
}

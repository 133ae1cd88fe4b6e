package directory

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/tree"
)

// Preserve implements source.Keeper.
func (p *protected) Preserve(ctx context.Context, of source.Change, was manifest.Listing, wanted func(manifest.Hash) bool, hook func(step string)) error {
	c, is := of.(*change)
	if !is || len(c.steps) == 0 {
		return nil
	}
	points, err := tree.MakePoints(p.tree)
	if err != nil {
		return explain(err, p.tree.Path())
	}
	_, err = points.Keep(ctx, c.steps, was, wanted, hook)
	return explain(errors.Join(err, points.Close()), p.tree.Path())
}

// Retain implements source.Keeper.
func (p *protected) Retain(ctx context.Context, wanted func(manifest.Hash) bool) (int64, error) {
	points, err := tree.OpenPoints(p.tree)
	if err != nil {
		return 0, explain(err, p.tree.Path())
	}
	bytes, err := points.Retain(ctx, wanted)
	if bytes == 0 && err == nil {
		err = points.Drop()
	}
	return bytes, explain(errors.Join(err, points.Close()), p.tree.Path())
}

// shortOf is how little room a disk has, in bytes, when what is kept for restore points gives way; on a small one, a
// twentieth of it.
const shortOf = 1 << 30

// Short implements source.Keeper.
func (p *protected) Short() bool {
	var disk unix.Statfs_t
	if err := unix.Fstatfs(p.tree.Dir().Fd(), &disk); err != nil {
		return false
	}
	return disk.Bavail*uint64(disk.Bsize) < min(shortOf, disk.Blocks*uint64(disk.Bsize)/20) //nolint:gosec // the size of a block
}

// readAtOnce is up to which size, in bytes, a content is read once, and checked in memory.
const readAtOnce = 4 << 20

// Kept implements source.Keeper. A large content is read twice.
func (p *protected) Kept(ctx context.Context, e manifest.Entry, scheme manifest.Scheme, at func(manifest.Hash) []string) (func(io.Writer) error, error) {
	points, err := tree.OpenPoints(p.tree)
	if err != nil {
		return nil, explain(err, p.tree.Path())
	}
	defer func() { _ = points.Close() }()
	nowhere := fmt.Errorf("%w: %q", source.ErrMismatch, e.Path)
	content, err := points.Content(e.Hash, e.Size, at)
	if err != nil {
		return nil, nowhere
	}
	if e.Size <= readAtOnce {
		defer func() { _ = content.Close() }()
		b := make([]byte, e.Size)
		if _, err := io.ReadFull(io.NewSectionReader(content, 0, e.Size), b); err != nil || sumOf(scheme, b) != e.Hash {
			return nil, nowhere
		}
		return func(to io.Writer) error { _, err := to.Write(b); return err }, nil
	}
	if err := checked(ctx, io.Discard, content, e, scheme); err != nil {
		return nil, errors.Join(ctx.Err(), nowhere, content.Close())
	}
	return func(to io.Writer) error {
		defer func() { _ = content.Close() }()
		err := checked(ctx, to, content, e, scheme)
		if errors.Is(err, source.ErrMismatch) {
			return source.Sentence(source.ErrChanging, "%s/%s was changed while it was read: try again.", p.tree.Path(), e.Path)
		}
		return explain(err, p.tree.Path())
	}, nil
}

// checked copies a content, and fails with source.ErrMismatch in the end if it was not that of an entry.
func checked(ctx context.Context, to io.Writer, content io.ReaderAt, e manifest.Entry, scheme manifest.Scheme) error {
	sum := scheme.Hash(e.Size)
	if err := copyContent(ctx, io.MultiWriter(sum, to), content, e.Size); err != nil {
		return err
	}
	if sum.Sum() != e.Hash {
		return source.ErrMismatch
	}
	return nil
}

func sumOf(scheme manifest.Scheme, b []byte) manifest.Hash {
	h := scheme.Hash(int64(len(b)))
	_, _ = h.Write(b) // never fails
	return h.Sum()
}

func copyContent(ctx context.Context, to io.Writer, from io.ReaderAt, size int64) error {
	const piece = 1 << 20
	for at := int64(0); at < size; at += piece {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := io.Copy(to, io.NewSectionReader(from, at, min(piece, size-at))); err != nil {
			return err
		}
	}
	return nil
}

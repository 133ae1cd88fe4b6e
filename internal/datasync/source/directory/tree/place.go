package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
)

// This file puts single files into a tree that is in use, beside what a data sync does. Nothing that is
// there is removed.

const receiveSize = 256 << 10

// Receive stages a file from a stream of its content, which has to have the size of the entry. It returns the
// hash of the content.
func (s *Staging) Receive(ctx context.Context, e manifest.Entry, content io.Reader) (manifest.Hash, error) {
	in, err := s.Fresh(e)
	if err != nil {
		return manifest.Hash{}, err
	}
	buffer, zeros := make([]byte, receiveSize), make([]byte, receiveSize)
	for err == nil {
		var n int
		if err = ctx.Err(); err == nil {
			n, err = io.ReadFull(content, buffer)
		}
		switch part := buffer[:n]; {
		case n == 0:
		case bytes.Equal(part, zeros[:n]):
			err = errors.Join(err, in.Hole(int64(n)))
		default:
			err = errors.Join(err, in.Data(part))
		}
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) || in.offset != e.Size {
		in.Abort()
		return manifest.Hash{}, fmt.Errorf("stage %q: %w", e.Path, errors.Join(err, source.ErrMismatch))
	}
	e.Hash = in.hash.Sum()
	return e.Hash, in.complete(e)
}

// Occupied reports whether anything has the path.
func (s *Staging) Occupied(path string) bool { return s.tree.has(path) }

// IsDirectory reports whether a path is a directory, and reached through directories only.
func (s *Staging) IsDirectory(path string) bool { return isDir(s.tree.root, path) }

// Place puts what is staged for a path into its place, where nothing is.
func (s *Staging) Place(path string) error {
	t := s.tree
	return t.unlocked(manifest.Parent(path), func() error { return t.root.RenameNew(t.part.inStaging(staged(path)), path) })
}

// PlaceBeside puts what is staged for a path into its place; what is there gets another name, which
// nothing has. A crash leaves it by one of the two.
func (s *Staging) PlaceBeside(path, beside string) error {
	t := s.tree
	if isDir(t.root, path) {
		return fmt.Errorf("%q is a directory: %w", path, fs.ErrExist)
	}
	return t.unlocked(manifest.Parent(path), func() error {
		if err := t.root.Link(path, beside); err != nil {
			return err
		}
		if err := t.root.Exchange(t.part.inStaging(staged(path)), path); err != nil {
			return errors.Join(err, t.root.Remove(beside))
		}
		was, err := t.Stat(t.part.inStaging(staged(path)))
		if kept, other := t.Stat(beside); err != nil || other != nil || kept.Ino != was.Ino { // somebody has replaced it meanwhile
			return errors.Join(err, t.root.RenameNew(t.part.inStaging(staged(path)), beside+"-2"))
		}
		return t.root.Remove(t.part.inStaging(staged(path)))
	})
}

// MakeDirectory makes a directory that is not there; its metadata is set by SetMeta, once all is in it.
func (s *Staging) MakeDirectory(path string) error {
	return s.tree.unlocked(manifest.Parent(path), func() error { return s.tree.root.Mkdir(path, 0o700) })
}

// SetMeta gives a name the metadata of an entry.
func (s *Staging) SetMeta(e manifest.Entry) error { return s.tree.setMetaAt(e) }

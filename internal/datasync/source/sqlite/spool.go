package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/blocks"
	"baton/internal/datasync/source/sqlite/image"
	"baton/internal/pinned"
)

// spool is what of a database is to be sent, copied to a file without a name: it takes as long to send as the link does, and no
// image may be kept for that long.
type spool struct {
	file *os.File
	has  map[int64]manifest.Hash // the blocks that it has
	list manifest.List           // of the database
	send []blocks.Stretch        // what is to be sent, in order

	buffer []byte // for a block
}

// spool copies what of the newest state is not in an old one, whose list is without blocks if it is not known. Whole is called with the image
// of which all is copied.
func (f *follower) spool(ctx context.Context, from *pinned.Dir, dir string, old manifest.List, whole func(*image.Image) error) (*spool, error) {
	file, err := nameless(dir)
	if err != nil {
		return nil, err
	}
	s := &spool{file: file, has: map[int64]manifest.Hash{}}
	for {
		began := time.Now()
		isWhole, err := s.copy(ctx, f, from, old, whole)
		if isWhole && err == nil {
			return s, nil
		}
		if err == nil || errors.Is(err, image.ErrChanged) {
			err = pause(ctx, min(max(turn, time.Since(began)), hold))
		}
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
	}
}

// nameless makes a file without a name in a directory of our own: it is gone once it is closed.
func nameless(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600) //nolint:gosec // our own directory
	if err != nil {
		return nil, fmt.Errorf("make a file for a part of a database: %w", err)
	}
	return f, nil
}

// copy copies what is missing of the newest state for as long as an image may be kept, and reports whether the spool has all of it.
func (s *spool) copy(ctx context.Context, f *follower, from *pinned.Dir, old manifest.List, whole func(*image.Image) error) (isWhole bool, err error) {
	i, err := f.look(ctx, from)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, i.Close()) }()
	until := time.Now().Add(hold)
	s.list = manifest.List{Size: f.list.Size, Blocks: append([]manifest.Hash(nil), f.list.Blocks...)}
	other, comparable := blocks.Compare(old, s.list)
	if !comparable {
		other = []blocks.Stretch{{Bytes: s.list.Size}}
	}
	s.send = other
	for n := range s.lacks(f.block) {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		if time.Now().After(until) {
			return false, nil
		}
		if err := s.take(i, n); err != nil {
			f.stale.set(n) // it is hashed again
			return false, err
		}
	}
	return true, errors.Join(whole(i), i.Check())
}

// lacks walks through the blocks that are to be sent and that it does not have, by their numbers.
func (s *spool) lacks(block int64) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for _, part := range s.send {
			for n := part.Offset / block; n*block < part.End(); n++ {
				if s.has[n] != s.list.Blocks[n] && !yield(n) {
					return
				}
			}
		}
	}
}

// take copies a block.
func (s *spool) take(i *image.Image, n int64) error {
	block := manifest.BlockSize(s.list.Size)
	if int64(cap(s.buffer)) < block {
		s.buffer = make([]byte, block)
	}
	b := s.buffer[:min(block, s.list.Size-n*block)]
	if _, err := i.ReadAt(b, n*block); err != nil {
		return err
	}
	if manifest.HashOfBlock(b) != s.list.Blocks[n] {
		return image.ErrChanged
	}
	if _, err := s.file.WriteAt(b, n*block); err != nil {
		return fmt.Errorf("write what is sent of a database: %w", err)
	}
	s.has[n] = s.list.Blocks[n]
	return nil
}

// sendTo hands on the content from an offset on.
func (s *spool) sendTo(ctx context.Context, offset int64, sink source.Sink) error {
	buffer := make([]byte, 256<<10)
	at := offset
	for _, part := range append(s.send, blocks.Stretch{Offset: s.list.Size}) {
		if part.Offset > at {
			if err := sink.Same(at, part.Offset-at); err != nil {
				return err
			}
			at = part.Offset
		}
		for at < part.End() {
			b := buffer[:min(int64(len(buffer)), part.End()-at)]
			if err := s.sendAt(ctx, at, b, sink); err != nil {
				return err
			}
			at += int64(len(b))
		}
	}
	return nil
}

// sendAt hands on what there is at an offset, by way of a buffer.
func (s *spool) sendAt(ctx context.Context, at int64, b []byte, sink source.Sink) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, err := s.file.ReadAt(b, at); err != nil {
		return fmt.Errorf("read what is sent of a database: %w", err)
	}
	return sink.Data(b)
}

func (s *spool) close() error { return s.file.Close() }

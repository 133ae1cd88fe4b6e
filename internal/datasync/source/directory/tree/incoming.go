package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/inode"
)

// Incoming is a file on its way into the staging. It implements source.Incoming.
type Incoming struct {
	staging *Staging
	entry   manifest.Entry
	name    string // in the staging
	f       *os.File
	hash    *manifest.ContentHash
	offset  int64
	begun   inode.Begun
	old     *original // content that it shares with that of the tree; nil: none
}

// Offset returns how many bytes are there already.
func (in *Incoming) Offset() int64 { return in.offset }

// open opens a file of the staging, which it makes, or makes anew, if flags say so.
func (s *Staging) open(e manifest.Entry, name string, flags int) (*Incoming, error) {
	if err := s.makeParent(name); err != nil {
		return nil, fmt.Errorf("stage %q: %w", e.Path, err)
	}
	s.mu.Lock()
	s.empty = false
	s.mu.Unlock()
	f, err := s.root.OpenFile(name, unix.O_RDWR|unix.O_CREAT|flags, 0o600)
	if err != nil { // it is there, locked, or something else
		if err = s.root.RemoveAll(name); err == nil {
			f, err = s.root.OpenFile(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, 0o600)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("stage %q: %w", e.Path, err)
	}
	return &Incoming{staging: s, entry: e, name: name, f: f, hash: s.tree.Scheme.Hash(e.Size)}, nil
}

// Restart throws away what is there.
func (in *Incoming) Restart() error {
	in.hash.Reset()
	in.old.close()
	in.offset, in.begun, in.old = 0, 0, nil
	if err := in.f.Truncate(0); err != nil {
		return fmt.Errorf("stage %q: %w", in.entry.Path, err)
	}
	return nil
}

// Data implements source.Sink.
func (in *Incoming) Data(b []byte) error {
	return in.hashed(b, in.differing)
}

// atOnce is from how many bytes on what comes is hashed by another goroutine while it is written.
const atOnce = 64 << 10

// hashed hashes bytes and writes them, both at the same time if they are many.
func (in *Incoming) hashed(b []byte, write func([]byte) error) error {
	if len(b) < atOnce {
		_, _ = in.hash.Write(b) // never fails
		return write(b)
	}
	var hashing sync.WaitGroup
	hashing.Go(func() { _, _ = in.hash.Write(b) }) // never fails
	defer hashing.Wait()
	return write(b)
}

// differing writes bytes at the offset, but for the pages that the old file has there as well.
func (in *Incoming) differing(b []byte) error {
	for other := 0; other < len(b); { // so many bytes differ from the old file, and what follows is looked at
		n, same := in.old.page(in.offset+int64(other), b[other:])
		if !same {
			other += n
		}
		if !same && other < len(b) {
			continue
		}
		if err := in.write(b[:other]); err != nil {
			return err
		}
		if b = b[other:]; same {
			in.offset, b = in.offset+int64(n), b[n:]
		}
		other = 0
	}
	return nil
}

// write writes bytes at the offset.
func (in *Incoming) write(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	in.old.took(in.offset, int64(len(b)))
	if _, err := in.f.WriteAt(b, in.offset); err != nil {
		return fmt.Errorf("stage %q: %w", in.entry.Path, err)
	}
	in.offset += int64(len(b))
	in.begun.Writing(in.f, in.offset)
	return nil
}

// Hole implements source.Sink.
func (in *Incoming) Hole(bytes int64) error {
	in.hash.Hole(bytes)
	in.old.took(in.offset, bytes)
	if in.old != nil && in.old.cloned {
		if err := inode.Wipe(in.f, in.offset, bytes); err != nil {
			return fmt.Errorf("stage %q: %w", in.entry.Path, err)
		}
	}
	in.offset += bytes
	if in.old != nil && in.old.cloned && in.offset <= in.old.Stamp.Size {
		return nil
	}
	if err := in.f.Truncate(in.offset); err != nil {
		return fmt.Errorf("stage %q: %w", in.entry.Path, err)
	}
	return nil
}

// Finish checks the content against what the file turned out to be, and gives
// it its metadata. Afterwards the Incoming is closed.
func (in *Incoming) Finish(e manifest.Entry) error {
	if in.offset != e.Size || in.hash.Sum() != e.Hash || !in.old.settled() {
		_ = in.f.Truncate(0) // worthless; a failure shows when it is begun again
		in.Abort()
		if in.old != nil {
			in.staging.refuse(e.Path)
		}
		return fmt.Errorf("%w: %q", source.ErrMismatch, e.Path)
	}
	if list, is := in.hash.List(); is {
		in.staging.tree.Lists.Put(e.Path, list, nil)
	}
	if in.old != nil {
		return in.update(e)
	}
	return in.complete(e)
}

// complete gives checked content its metadata and its place.
func (in *Incoming) complete(e manifest.Entry) error {
	defer in.Abort()
	if err := setFileMeta(in.f, e); err != nil {
		return err
	}
	s, slot := in.staging, staged(e.Path)
	if slot != in.name {
		err := s.makeParent(slot)
		if err == nil {
			err = s.root.Rename(in.name, slot)
		}
		if err != nil {
			return fmt.Errorf("stage %q: %w", e.Path, err)
		}
	}
	return s.verify(e, slot, in.f, nil)
}

// Abort closes the file and leaves what is there, to go on from.
func (in *Incoming) Abort() {
	_ = in.f.Close()
	in.hash.Release()
	in.old.close()
}

// CopyLocal stages an entry from a file of the tree that has the same content.
// It reports false if that file is no longer what it was.
func (s *Staging) CopyLocal(ctx context.Context, e manifest.Entry, from string) (bool, error) {
	file, stamp, err := s.tree.OpenFile(from)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, source.ErrChanging) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	in, err := s.Fresh(e)
	if err != nil {
		return false, err
	}
	reading := inode.Reading{File: file, Stamp: stamp, Path: from}
	if err = reading.Pass(ctx, 0, stamp.Size, in); err == nil {
		_, err = reading.Settled()
	}
	if err == nil {
		err = in.Finish(e)
	} else {
		in.Abort()
	}
	if errors.Is(err, source.ErrMismatch) || errors.Is(err, source.ErrChanging) {
		return false, nil
	}
	return err == nil, err
}

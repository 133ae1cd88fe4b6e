package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
)

// tries bounds how often a file that changes while it is read is read again.
const tries = 8

const readSize = 256 << 10

// OpenFile opens a regular file of the tree for reading and returns its stamp.
// Anything else that has taken the name is fs.ErrNotExist: the file is gone. One that
// a program holds by a lease (F_SETLEASE) is source.ErrChanging: it is told to let go, and
// may take a while.
func (t *Tree) OpenFile(path string) (*os.File, Stamp, error) {
	f, err := t.root.OpenFile(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if isGone(err) {
		return nil, Stamp{}, fmt.Errorf("open %q: %w", path, fs.ErrNotExist)
	}
	if errors.Is(err, unix.EAGAIN) {
		return nil, Stamp{}, fmt.Errorf("%w: %q is held by a program with a lease", source.ErrChanging, path)
	}
	if err != nil {
		return nil, Stamp{}, fmt.Errorf("open file: %w", err)
	}
	opened, err := fstat(f)
	if err == nil && opened.kind() != manifest.File {
		err = fmt.Errorf("open %q: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		_ = f.Close()
		return nil, Stamp{}, err
	}
	return f, opened, nil
}

// isGone reports whether a path leads to nothing any more, or to what is not read: it
// goes through a symlink or is one, or is a socket.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENXIO)
}

// hash reads a file that nobody changes meanwhile, trying again if somebody does.
// Written is when all dirty pages of the file system began to be written; zero: those
// of this file are written first.
func (t *Tree) hash(ctx context.Context, path string, now func() time.Time, written time.Time) (manifest.Entry, Stamp, bool, error) {
	var why error
	for try := range tries {
		e, stamp, isRacy, err := t.hashOnce(ctx, path, now, written)
		if !errors.Is(err, source.ErrChanging) {
			return e, stamp, isRacy, err
		}
		written, why = time.Time{}, err
		if err := pause(ctx, try); err != nil {
			return manifest.Entry{}, Stamp{}, false, err
		}
	}
	return manifest.Entry{}, Stamp{}, false, fmt.Errorf("%w (tried %d times)", why, tries)
}

func (t *Tree) hashOnce(ctx context.Context, path string, now func() time.Time, written time.Time) (manifest.Entry, Stamp, bool, error) {
	f, before, err := t.OpenFile(path)
	if err != nil {
		return manifest.Entry{}, Stamp{}, false, err
	}
	defer func() { _ = f.Close() }()
	unwritten := false
	if written.IsZero() {
		written = now()
		unwritten = !writePages(f)
		if before, err = fstat(f); err != nil {
			return manifest.Entry{}, Stamp{}, false, err
		}
	}
	h := t.Scheme.Hash(before.Size)
	e, err := Stream(ctx, f, before, path, 0, hashed{h})
	if err != nil {
		return manifest.Entry{}, Stamp{}, false, err
	}
	e.Hash = h.Sum()
	return e, before, unwritten || racy(before.CTime, written), nil
}

// writePages writes the dirty pages of a file and waits for them. A store through a
// mapping moves the times of a file only when it meets a clean page: what is stored
// from now on does. It reports false if the file system cannot.
func writePages(f *os.File) bool {
	const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	return unix.SyncFileRange(int(f.Fd()), 0, 0, all) == nil
}

func changed(path string, is bool) error { //nolint:revive // a condition, not a mode
	if is {
		return fmt.Errorf("%w: %q was written to while it was read", source.ErrChanging, path)
	}
	return nil
}

// settled returns the file's entry, without hash, if its stamp is still the one before.
func settled(f *os.File, before Stamp, path string) (manifest.Entry, error) {
	e := before.entry(path)
	xattrs, err := readXAttrs(int(f.Fd()))
	if err != nil {
		return e, fmt.Errorf("file %q: %w", path, err)
	}
	after, err := fstat(f)
	if err != nil {
		return e, err
	}
	e.XAttrs = xattrs
	return e, changed(path, !after.unchanged(before))
}

// pause waits a little longer before every further try: 5 ms, 10 ms, 20 ms, ...
func pause(ctx context.Context, try int) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(5 * time.Millisecond << try):
		return nil
	}
}

// hashed is a Sink that hashes alone.
type hashed struct{ to *manifest.ContentHash }

func (h hashed) Data(b []byte) error {
	_, err := h.to.Write(b)
	return err
}

func (h hashed) Hole(bytes int64) error {
	h.to.Hole(bytes)
	return nil
}

// read hashes a file that nobody else has.
func read(ctx context.Context, f *os.File, to *manifest.ContentHash) error {
	before, err := fstat(f)
	if err == nil {
		_, err = Stream(ctx, f, before, f.Name(), 0, hashed{to})
	}
	return err
}

// Stream hands the file's content from offset on to the sink, its holes as
// holes, and returns what the file then is, hash not set. The error source.ErrChanging means
// that it was written to meanwhile: what the sink got is worthless.
func Stream(ctx context.Context, f *os.File, before Stamp, path string, offset int64, sink source.Sink) (manifest.Entry, error) {
	buffer := make([]byte, min(readSize, before.Size-offset+1))
	for offset < before.Size {
		start, end := extent(f, before, offset)
		if err := passHole(ctx, start-offset, sink); err != nil {
			return manifest.Entry{}, err
		}
		for offset = start; offset < end; {
			n, err := f.ReadAt(buffer[:min(int64(len(buffer)), end-offset)], offset)
			if n == 0 {
				return manifest.Entry{}, errors.Join(changed(path, errors.Is(err, io.EOF)), err)
			}
			if err := pass(ctx, buffer[:n], sink); err != nil {
				return manifest.Entry{}, err
			}
			offset += int64(n)
		}
	}
	return settled(f, before, path)
}

func passHole(ctx context.Context, bytes int64, sink source.Sink) error {
	for bytes > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(bytes, source.MaxHole)
		if err := sink.Hole(n); err != nil {
			return err
		}
		bytes -= n
	}
	return nil
}

func pass(ctx context.Context, b []byte, sink source.Sink) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return sink.Data(b)
}

// extent returns the next stretch of data at or after offset, within the file.
func extent(f *os.File, s Stamp, offset int64) (start, end int64) {
	if s.Alloc >= s.Size {
		return offset, s.Size
	}
	start, err := unix.Seek(int(f.Fd()), offset, unix.SEEK_DATA)
	if errors.Is(err, unix.ENXIO) { // nothing but a hole
		return s.Size, s.Size
	}
	if err != nil {
		return offset, s.Size
	}
	end, err = unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE)
	if err != nil {
		end = s.Size
	}
	return min(start, s.Size), min(end, s.Size)
}

package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/inode"
)

// tries bounds how often a file that changes while it is read is read again.
const tries = 8

// OpenFile opens a regular file of the tree for reading and returns its stamp.
// Anything else that has taken the name is fs.ErrNotExist: the file is gone. One that
// a program holds by a lease (F_SETLEASE) is source.ErrChanging: it is told to let go, and
// may take a while.
func (t *Tree) OpenFile(path string) (*os.File, inode.Stamp, error) {
	f, err := t.root.OpenFile(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if IsGone(err) {
		return nil, inode.Stamp{}, fmt.Errorf("open %q: %w", path, fs.ErrNotExist)
	}
	if errors.Is(err, unix.EAGAIN) {
		return nil, inode.Stamp{}, fmt.Errorf("%w: %q is held by a program with a lease", source.ErrChanging, path)
	}
	if err != nil {
		return nil, inode.Stamp{}, fmt.Errorf("open file: %w", err)
	}
	opened, err := inode.Stat(f)
	if err == nil && opened.Kind() != manifest.File {
		err = fmt.Errorf("open %q: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		_ = f.Close()
		return nil, inode.Stamp{}, err
	}
	return f, opened, nil
}

// IsGone reports whether a path leads to nothing any more, or to what is not read: it
// goes through a symlink or is one, or is a socket.
func IsGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENXIO)
}

// Hash reads a file that nobody changes meanwhile, trying again if somebody does.
// Written is when all dirty pages of the file system began to be written; zero: those
// of this file are written first.
func (t *Tree) Hash(ctx context.Context, path string, now func() time.Time, written time.Time) (manifest.Entry, inode.Stamp, bool, error) {
	var why error
	for try := range tries {
		e, stamp, isRacy, err := t.hashOnce(ctx, path, now, written)
		if !errors.Is(err, source.ErrChanging) {
			return e, stamp, isRacy, err
		}
		written, why = time.Time{}, err
		if err := pause(ctx, try); err != nil {
			return manifest.Entry{}, inode.Stamp{}, false, err
		}
	}
	return manifest.Entry{}, inode.Stamp{}, false, fmt.Errorf("%w (tried %d times)", why, tries)
}

func (t *Tree) hashOnce(ctx context.Context, path string, now func() time.Time, written time.Time) (manifest.Entry, inode.Stamp, bool, error) {
	f, before, err := t.OpenFile(path)
	if err != nil {
		return manifest.Entry{}, inode.Stamp{}, false, err
	}
	defer func() { _ = f.Close() }()
	unwritten := false
	if written.IsZero() {
		written = now()
		unwritten = !inode.WritePages(f)
		if before, err = inode.Stat(f); err != nil {
			return manifest.Entry{}, inode.Stamp{}, false, err
		}
	}
	file := inode.Reading{File: f, Stamp: before, Path: path}
	sum, err := file.Hash(ctx, t.Scheme, t.Lists)
	if err != nil {
		return manifest.Entry{}, inode.Stamp{}, false, err
	}
	e, err := file.Settled()
	e.Hash = sum
	if errors.Is(err, source.ErrChanging) {
		return e, before, true, t.grown(ctx, file, sum)
	}
	return e, before, unwritten || inode.Racy(before.CTime, written), err
}

// grown returns nil if a file that was written to while it was read has only been appended to: what was read is
// there still. So it is whole as it was. A database is not: what it holds is in several places of it.
func (t *Tree) grown(ctx context.Context, file inode.Reading, sum manifest.Hash) error {
	_, changing := file.Settled()
	now, err := inode.Stat(file.File)
	if err != nil {
		return err
	}
	was := file.Stamp
	if now.Size < was.Size || now.Mode != was.Mode || now.UID != was.UID || now.GID != was.GID || inode.IsDatabase(file.File) {
		return changing
	}
	again, err := file.Hash(ctx, t.Scheme, t.Lists)
	if err == nil && again != sum {
		err = changing
	}
	return err
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

package tree

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/plan"
	"baton/internal/pinned"
)

// Staging is the hidden directory at the top of a tree in which a sync prepares
// whole files, with all their metadata, on the tree's own file system. What an
// interrupted sync left there is checked and used by the next. Its methods may
// be called for different entries at once.
type Staging struct {
	tree *Tree
	root *pinned.Dir

	mu       sync.Mutex
	verified map[string]bool // keys whose content this process has checked
}

// Stage opens the tree's staging directory, making it if needed.
func (t *Tree) Stage() (*Staging, error) {
	if err := t.makeStaging(); err != nil {
		return nil, fmt.Errorf("make staging directory in %s: %w", t.path, err)
	}
	root, err := t.root.Sub(StagingName)
	if err != nil {
		return nil, fmt.Errorf("open staging directory in %s: %w", t.path, err)
	}
	stamp, err := (&Tree{root: root}).stat(".")
	if err == nil && !private(stamp) {
		err = errReplaced(StagingName)
	}
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("open staging directory in %s: %w", t.path, err)
	}
	return &Staging{tree: t, root: root, verified: map[string]bool{}}, nil
}

// private reports whether nobody else can change what is in a directory. What is
// staged gets its owner and rights there.
func private(s Stamp) bool {
	return s.kind() == manifest.Dir && int(s.UID) == os.Geteuid() && s.Mode&0o7777 == 0o700
}

func (t *Tree) makeStaging() error {
	stamp, err := t.stat(StagingName)
	if err == nil && stamp.kind() == manifest.Dir && int(stamp.UID) == os.Geteuid() {
		return t.root.Chmod(StagingName, 0o700)
	}
	return t.quietly(func() error {
		if err == nil { // of another: he could change what is staged
			if err := t.root.RemoveAll(StagingName); err != nil {
				return err
			}
		}
		return t.unlocked(".", func() error { return t.root.Mkdir(StagingName, 0o700) })
	})
}

// HasStaging reports whether the staging directory is there.
func (t *Tree) HasStaging() bool { return t.isDir(StagingName) }

// DropStaging removes the staging directory with all that is in it.
func (t *Tree) DropStaging() error {
	if _, err := t.stat(StagingName); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return t.quietly(func() error {
		if err := t.root.RemoveAll(StagingName); err != nil {
			return fmt.Errorf("remove staging directory in %s: %w", t.path, err)
		}
		return nil
	})
}

// Close releases the staging directory and leaves its content.
func (s *Staging) Close() error { return s.root.Close() }

// key names the staged form of an entry: the same path and content, the same key.
func key(e manifest.Entry) string {
	h := blake3.New()
	var b []byte
	b = manifest.AppendString(b, e.Path)
	b = append(b, byte(e.Kind))
	b = append(b, e.Hash[:]...)
	b = manifest.AppendString(b, e.Target)
	_, _ = h.Write(b) // never fails
	return hex.EncodeToString(h.Sum(nil)[:20])
}

// Retain removes everything that is staged for none of the entries.
func (s *Staging) Retain(entries []manifest.Entry) error {
	keep := make(map[string]bool, len(entries))
	for _, e := range entries {
		keep[key(e)] = true
	}
	dir, err := s.root.Open(".")
	if err != nil {
		return fmt.Errorf("list staging: %w", err)
	}
	defer func() { _ = dir.Close() }()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("list staging: %w", err)
	}
	for _, name := range names {
		if keep[name] {
			continue
		}
		_ = s.root.RemoveAll(name) // what stays is in nobody's way: whoever needs the name removes it, or fails
	}
	return nil
}

// Make stages a symlink or a named pipe.
func (s *Staging) Make(e manifest.Entry) error {
	name := key(e)
	if err := s.root.RemoveAll(name); err != nil {
		return fmt.Errorf("stage %q: %w", e.Path, err)
	}
	var err error
	switch e.Kind {
	case manifest.Symlink:
		err = unix.Symlinkat(e.Target, s.root.Fd(), name)
	case manifest.Fifo:
		err = unix.Mkfifoat(s.root.Fd(), name, 0o600)
	case manifest.File, manifest.Dir, manifest.Link, manifest.Blob:
		err = fs.ErrInvalid
	}
	if err != nil {
		return fmt.Errorf("stage %q: %w", e.Path, err)
	}
	return setMeta(s.root.Fd(), name, e)
}

// Incoming is a file on its way into the staging. It implements source.Incoming.
type Incoming struct {
	staging *Staging
	entry   manifest.Entry
	f       *os.File
	hash    *manifest.ContentHash
	offset  int64
}

// Offset returns how many bytes are there already.
func (in *Incoming) Offset() int64 { return in.offset }

// resumeFrom is the size from which on what is left of an interrupted file is used.
const resumeFrom = 1 << 20

// Resume looks at what is staged of a file. It returns nil if the file is
// complete, and otherwise an Incoming that goes on where it stopped.
func (s *Staging) Resume(ctx context.Context, e manifest.Entry) (*Incoming, error) {
	in, err := s.open(e)
	if err != nil {
		return nil, err
	}
	size, err := in.f.Seek(0, io.SeekEnd)
	if err == nil && (size > e.Size || (size < e.Size && size < resumeFrom)) {
		return in, in.Restart()
	}
	if err == nil {
		_, err = in.f.Seek(0, io.SeekStart)
	}
	if err == nil {
		in.offset, err = size, read(ctx, in.f, in.hash)
	}
	if err != nil {
		in.Abort()
		return nil, fmt.Errorf("check staged %q: %w", e.Path, err)
	}
	if in.offset < e.Size {
		return in, nil
	}
	if in.hash.Sum() != e.Hash {
		return in, in.Restart()
	}
	return nil, in.Finish(e)
}

// Fresh begins a file anew, whatever is staged of it.
func (s *Staging) Fresh(e manifest.Entry) (*Incoming, error) {
	in, err := s.open(e)
	if err != nil {
		return nil, err
	}
	return in, in.Restart()
}

// Staged reports whether this process has completed and checked the entry.
func (s *Staging) Staged(e manifest.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.verified[key(e)]
}

// Begun reports whether anything of the entry is staged.
func (s *Staging) Begun(e manifest.Entry) bool {
	found, err := s.root.Stat(key(e))
	return err == nil && stampOf(&found).kind() == manifest.File && found.Size > 0
}

func (s *Staging) open(e manifest.Entry) (*Incoming, error) {
	name := key(e)
	fd, err := unix.Openat(s.root.Fd(), name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil { // locked, or something else
		if err = s.root.RemoveAll(name); err == nil {
			fd, err = unix.Openat(s.root.Fd(), name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o600)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("stage %q: %w", e.Path, err)
	}
	return &Incoming{staging: s, entry: e, f: os.NewFile(uintptr(fd), name), hash: s.tree.Scheme.Hash(e.Size)}, nil
}

// Restart throws away what is there.
func (in *Incoming) Restart() error {
	in.hash.Reset()
	in.offset = 0
	if err := in.f.Truncate(0); err != nil {
		return fmt.Errorf("stage %q: %w", in.entry.Path, err)
	}
	return nil
}

// Data implements source.Sink.
func (in *Incoming) Data(b []byte) error {
	_, _ = in.hash.Write(b) // never fails
	n, err := in.f.WriteAt(b, in.offset)
	in.offset += int64(n)
	if err != nil {
		return fmt.Errorf("stage %q: %w", in.entry.Path, err)
	}
	return nil
}

// Hole implements source.Sink.
func (in *Incoming) Hole(bytes int64) error {
	in.hash.Hole(bytes)
	in.offset += bytes
	if err := in.f.Truncate(in.offset); err != nil {
		return fmt.Errorf("stage %q: %w", in.entry.Path, err)
	}
	return nil
}

// Finish checks the content against what the file turned out to be, and gives
// it its metadata. Afterwards the Incoming is closed.
func (in *Incoming) Finish(e manifest.Entry) error {
	if in.offset != e.Size || in.hash.Sum() != e.Hash {
		_ = in.f.Truncate(0) // worthless; a failure shows when it is begun again
		in.Abort()
		return fmt.Errorf("%w: %q", source.ErrMismatch, e.Path)
	}
	return in.complete(e)
}

// complete gives checked content its metadata.
func (in *Incoming) complete(e manifest.Entry) error {
	defer in.Abort()
	dir, name := in.staging.root.Fd(), key(in.entry)
	if err := setMeta(dir, name, e); err != nil {
		return err
	}
	if final := key(e); final != name {
		if err := unix.Renameat(dir, name, dir, final); err != nil {
			return fmt.Errorf("stage %q: %w", e.Path, err)
		}
	}
	in.staging.mu.Lock()
	defer in.staging.mu.Unlock()
	in.staging.verified[key(e)] = true
	return nil
}

// Abort closes the file and leaves what is there, to go on from.
func (in *Incoming) Abort() { _ = in.f.Close() }

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
	_, err = Stream(ctx, file, stamp, from, 0, in)
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

// Rehearse sets the metadata that the work will set in place on probes in the
// staging, so that what this appliance may not do is known before anything is replaced.
func (s *Staging) Rehearse(work plan.Work) error {
	type likeness struct {
		kind     manifest.Kind
		uid, gid uint32
		xattrs   string
	}
	tried := map[likeness]bool{}
	for _, list := range [][]manifest.Entry{work.Touch, work.Dirs} {
		for _, e := range list {
			like := likeness{e.Kind, e.UID, e.GID, fmt.Sprint(e.XAttrs)}
			if tried[like] {
				continue
			}
			tried[like] = true
			if err := s.probe(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Staging) probe(e manifest.Entry) error {
	const name = "probe"
	err := s.root.RemoveAll(name)
	if err == nil && e.Kind == manifest.Dir {
		err = s.root.Mkdir(name, 0o700)
	} else if err == nil {
		var f *os.File
		if f, err = s.root.OpenFile(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600); err == nil {
			err = f.Close()
		}
	}
	if err == nil {
		err = setMeta(s.root.Fd(), name, e)
	}
	if err != nil {
		return fmt.Errorf("rehearse: %w", err)
	}
	return s.root.RemoveAll(name)
}

// CopyFrom stages a file of another tree as it is now, and corrects the entry if
// it changed since it was scanned.
func (s *Staging) CopyFrom(ctx context.Context, from *Tree, e *manifest.Entry) error {
	var why error
	for try := range tries {
		why = s.copyOnce(ctx, from, e)
		if !errors.Is(why, source.ErrChanging) && !errors.Is(why, source.ErrMismatch) {
			return why
		}
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %q cannot be copied: %w", source.ErrChanging, e.Path, why)
}

func (s *Staging) copyOnce(ctx context.Context, from *Tree, e *manifest.Entry) error {
	file, stamp, err := from.OpenFile(e.Path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	in, err := s.Fresh(*e)
	if err != nil {
		return err
	}
	now, err := Stream(ctx, file, stamp, e.Path, 0, in)
	if err != nil {
		in.Abort()
		return err
	}
	now.Hash = in.hash.Sum()
	*e = now
	return in.complete(now)
}

package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/datasync/source/directory/plan"
	"baton/internal/datasync/source/directory/xattr"
	"baton/internal/pinned"
)

// Staging is the hidden directory at the top of a tree in which a sync prepares
// whole files, with all their metadata, on the tree's own file system. What an
// interrupted sync left there is checked and used by the next. Its methods may
// be called for different entries at once.
//
// What comes in lies there under the path that it will have (see staged), a new directory with
// all that is in it, so that one rename puts it into place; large files lie in a directory of parts until they are complete.
type Staging struct {
	tree *Tree
	root *pinned.Dir

	mu       sync.Mutex
	verified map[string]verified // by path: files whose content this process has checked
	patches  map[string]patch    // by path: of these, files that lie here by what differs from those in their places
	refused  map[string]bool     // by path: files of which the whole is needed
	made     map[string]bool     // directories in the staging
	empty    bool                // nothing of any file is here
	grows    int64               // bytes that the steps of patches take besides, at most
}

// verified is a file whose content was checked.
type verified struct {
	hash manifest.Hash
	name string      // in the staging
	is   inode.Stamp // when it was checked
}

// Stage opens the tree's staging directory, making it if needed.
func (t *Tree) Stage() (*Staging, error) {
	if err := t.makeStaging(); err != nil {
		return nil, fmt.Errorf("make staging directory in %s: %w", t.path, err)
	}
	root, err := t.root.Sub(t.part.own(StagingName))
	if err != nil {
		return nil, fmt.Errorf("open staging directory in %s: %w", t.path, err)
	}
	s := &Staging{tree: t, root: root, verified: map[string]verified{}, patches: map[string]patch{}, refused: map[string]bool{}, made: map[string]bool{}}
	stamp, err := (&Tree{root: root}).Stat(".")
	if err == nil && !private(stamp) {
		err = errReplaced(t.part.own(StagingName))
	}
	if err == nil {
		err = xattr.Write(pinned.PathOf(root.Fd()), nil) // nothing in it inherits rights of the directory around it
	}
	if err == nil {
		err = errors.Join(s.makeDirectory(parts), s.makeDirectory(incoming))
	}
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("open staging directory in %s: %w", t.path, err)
	}
	return s, nil
}

const (
	incoming = "in"
	parts    = "part"
)

// staged is the name in the staging of what will have a path.
func staged(path string) string { return incoming + "/" + path }

// part is the name in the staging of a large file that is not complete: the same path and content, the same name.
func part(e manifest.Entry) string {
	b := append(manifest.AppendString(nil, e.Path), e.Hash[:]...)
	return parts + "/" + nameBy(string(b))
}

// makeDirectory makes a directory of the staging, with those above it.
func (s *Staging) makeDirectory(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made[name] {
		return nil
	}
	if err := s.root.MkdirAll(name, 0o700); err != nil {
		return fmt.Errorf("make a directory in the staging: %w", err)
	}
	s.made[name] = true
	return nil
}

func (s *Staging) makeParent(name string) error { return s.makeDirectory(manifest.Parent(name)) }

// private reports whether nobody else can change what is in a directory. What is
// staged gets its owner and rights there.
func private(s inode.Stamp) bool {
	return s.Kind() == manifest.Dir && int(s.UID) == os.Geteuid() && s.Mode&0o7777 == 0o700
}

func (t *Tree) makeStaging() error {
	stamp, err := t.Stat(t.part.own(StagingName))
	if err == nil && stamp.Kind() == manifest.Dir && int(stamp.UID) == os.Geteuid() {
		return t.root.Chmod(t.part.own(StagingName), 0o700)
	}
	return t.quietly(func() error {
		if err == nil { // of another: he could change what is staged
			if err := t.root.RemoveAll(t.part.own(StagingName)); err != nil {
				return err
			}
		}
		return t.unlocked(".", func() error { return t.root.Mkdir(t.part.own(StagingName), 0o700) })
	})
}

// HasStaging reports whether the staging directory is there.
func (t *Tree) HasStaging() bool { return isDir(t.root, t.part.own(StagingName)) }

// DropStaging removes the staging directory with all that is in it.
func (t *Tree) DropStaging() error {
	if _, err := t.Stat(t.part.own(StagingName)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return t.quietly(func() error {
		if err := t.root.RemoveAll(t.part.own(StagingName)); err != nil {
			return fmt.Errorf("remove staging directory in %s: %w", t.path, err)
		}
		return nil
	})
}

// ClearStaging removes what an interrupted sync left in the staging and is no content that came: further names of files of the tree
// above all. Later, their removal would change the files that a scan has looked at; and what is written to them,
// the tree.
func (t *Tree) ClearStaging() error {
	if !t.HasStaging() {
		return nil
	}
	s, err := t.Stage()
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	return s.retain(".", func(name string, is inode.Stamp) bool {
		return name == incoming || name == parts || (manifest.Parent(name) != "." && (is.Kind() == manifest.Dir || is.Nlink == 1))
	})
}

// Close releases the staging directory and leaves its content.
func (s *Staging) Close() error { return s.root.Close() }

// Retain removes everything that is staged for none of the entries, and what is staged of a file
// and cannot be its content.
func (s *Staging) Retain(entries []manifest.Entry) error {
	wanted, left := map[string]manifest.Entry{}, map[string]bool{incoming: true, parts: true}
	for _, e := range entries {
		if e.Kind != manifest.File {
			continue
		}
		wanted[staged(e.Path)] = e
		left[part(e)] = true
		for dir := manifest.Parent(staged(e.Path)); !left[dir]; dir = manifest.Parent(dir) {
			left[dir] = true
		}
	}
	empty := true
	err := s.retain(".", func(name string, is inode.Stamp) bool {
		e, is2 := wanted[name]
		keep := left[name] || (is2 && is.Kind() == manifest.File && is.Size == e.Size && is.ModTime == e.ModTime)
		empty = empty && (!keep || is.Kind() == manifest.Dir)
		return keep
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.empty = empty && err == nil
	return err
}

// retain removes what is below a directory of the staging and is not to be kept.
func (s *Staging) retain(dir string, keep func(name string, is inode.Stamp) bool) error {
	names, err := s.names(dir)
	if err != nil {
		return fmt.Errorf("list staging: %w", err)
	}
	for _, name := range names {
		if dir != "." {
			name = dir + "/" + name
		}
		found, err := s.root.Stat(name)
		if err != nil {
			return fmt.Errorf("list staging: %w", err)
		}
		is := inode.StampOf(&found)
		switch {
		case !keep(name, is):
			if err = s.root.RemoveAll(name); dir == "." {
				err = nil // in nobody's way
			}
		case is.Kind() == manifest.Dir:
			err = s.retain(name, keep)
		}
		if err != nil {
			return fmt.Errorf("clear staging: %w", err)
		}
	}
	return nil
}

func (s *Staging) names(dir string) ([]string, error) {
	d, err := s.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = d.Close() }()
	return d.Readdirnames(-1)
}

// in calls f with the directory of the staging in which a name is.
func (s *Staging) in(name string, f func(dir int, name string) error) error {
	d, err := s.root.Open(manifest.Parent(name))
	if err != nil {
		return err
	}
	defer func() { _ = d.Close() }()
	return f(int(d.Fd()), manifest.Base(name))
}

// Make stages a symlink or a named pipe.
func (s *Staging) Make(e manifest.Entry) error {
	slot := staged(e.Path)
	err := errors.Join(s.root.RemoveAll(slot), s.makeParent(slot))
	if err == nil {
		err = s.in(slot, func(dir int, name string) error {
			switch e.Kind {
			case manifest.Symlink:
				return unix.Symlinkat(e.Target, dir, name)
			case manifest.Fifo:
				return unix.Mkfifoat(dir, name, 0o600)
			case manifest.File, manifest.Dir, manifest.Link, manifest.Blob:
			}
			return fs.ErrInvalid
		})
	}
	if err != nil {
		return fmt.Errorf("stage %q: %w", e.Path, err)
	}
	return s.in(slot, func(dir int, name string) error { return setMeta(dir, name, e) })
}

// resumeFrom is the size from which on what is left of an interrupted file is used.
const resumeFrom = 1 << 20

// Resume looks at what is staged of a file. It returns nil if the file is
// complete, and otherwise an Incoming that goes on where it stopped.
func (s *Staging) Resume(ctx context.Context, e manifest.Entry) (*Incoming, error) {
	if s.has(staged(e.Path)) {
		half, err := s.check(ctx, e, staged(e.Path))
		if err != nil || half == nil {
			return nil, err
		}
		half.Abort() // a small file is not gone on with
	}
	if e.Size < resumeFrom {
		return s.Fresh(e)
	}
	return s.check(ctx, e, part(e))
}

// check looks at what a name in the staging holds of a file. It returns nil if it is all of it.
func (s *Staging) check(ctx context.Context, e manifest.Entry, name string) (*Incoming, error) {
	in, err := s.open(e, name, 0)
	if err != nil {
		return nil, err
	}
	size, err := in.f.Seek(0, io.SeekEnd)
	if err == nil && size > e.Size {
		return in, in.Restart()
	}
	if err == nil {
		_, err = in.f.Seek(0, io.SeekStart)
	}
	if err == nil {
		in.offset, err = size, inode.ReadAll(ctx, in.f, in.hash)
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
	if e.Size >= resumeFrom {
		return s.open(e, part(e), unix.O_TRUNC)
	}
	return s.open(e, staged(e.Path), unix.O_EXCL)
}

// Staged reports whether this process has completed and checked the entry.
func (s *Staging) Staged(e manifest.Entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	checked, is := s.verified[e.Path]
	return is && checked.hash == e.Hash
}

// Inspection is a pass over what is staged.
type Inspection struct {
	staging *Staging
	looks   *pinned.Looks
}

// Inspect begins a pass, which Close ends.
func (s *Staging) Inspect() Inspection { return Inspection{s, s.root.Looks()} }

// Close ends the pass.
func (i Inspection) Close() { i.looks.Close() }

// Intact reports whether the entry is staged, and nothing was written to it since it was checked.
func (i Inspection) Intact(e manifest.Entry) bool {
	s := i.staging
	s.mu.Lock()
	checked := s.verified[e.Path]
	s.mu.Unlock()
	if checked.hash != e.Hash || checked.name == "" {
		return false
	}
	now, err := i.looks.Stat(checked.name)
	return err == nil && inode.StampOf(&now).Unchanged(checked.is)
}

// verify notes that the content of a file in the staging was checked, and lies there as a patch or, with nil, as it will be.
func (s *Staging) verify(e manifest.Entry, name string, f *os.File, p *patch) error {
	is, err := inode.Stat(f)
	if err != nil {
		return fmt.Errorf("stage %q: %w", e.Path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verified[e.Path] = verified{e.Hash, name, is}
	if delete(s.patches, e.Path); p != nil {
		s.patches[e.Path] = *p
	}
	return nil
}

// Begun reports whether anything of the entry is staged.
func (s *Staging) Begun(e manifest.Entry) bool {
	s.mu.Lock()
	empty := s.empty
	s.mu.Unlock()
	if empty {
		return false
	}
	return s.has(staged(e.Path)) || (e.Size >= resumeFrom && s.has(part(e)))
}

// has reports whether a name in the staging is a file that is not empty.
func (s *Staging) has(name string) bool {
	found, err := s.root.Stat(name)
	return err == nil && inode.StampOf(&found).Kind() == manifest.File && found.Size > 0
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
	var patched []manifest.Entry
	for _, e := range work.Put {
		if s.Patched(e) {
			patched = append(patched, e)
		}
	}
	for _, list := range [][]manifest.Entry{work.Touch, work.Dirs, patched} {
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
	reading := inode.Reading{File: file, Stamp: stamp, Path: e.Path}
	if err := reading.Pass(ctx, 0, stamp.Size, in); err != nil {
		in.Abort()
		return err
	}
	now, err := reading.Settled()
	if err != nil {
		in.Abort()
		return err
	}
	now.Hash = in.hash.Sum()
	*e = now
	return in.complete(now)
}

// Package tree reads and replaces one directory tree: it scans the tree against an index,
// reads a file with its holes, stages new content beside the old, and puts it into place in
// steps that can be taken back.
//
// A tree is opened once, by package pinned, and every access goes by that descriptor: no
// name and no symlink leads out of it. The package knows neither kinds of data nor a peer.
//
// Start reading at Tree.Scan, then Staging, Staging.Prepare and Tree.Apply.
package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pinned"
)

// StagingName is the directory at the top of a protected directory in which a sync
// prepares its files. It is never part of a manifest.
const StagingName = ".baton-staging"

// Tree is one protected directory, open.
type Tree struct {
	// Scheme is how content is hashed: that of what it is compared with.
	Scheme manifest.Scheme

	path string
	root *pinned.Dir
}

// Open opens the directory, which must exist: a missing one is source.ErrMissing. The check,
// if any, may refuse the path without links.
func Open(path string, check func(real string) error) (*Tree, error) {
	root, err := pinned.Open(path, check)
	return opened(path, root, err)
}

// Create opens the directory and makes it first if it does not exist.
func Create(path string, check func(real string) error) (*Tree, error) {
	root, err := pinned.Create(path, 0o700, check)
	return opened(path, root, err)
}

func opened(path string, root *pinned.Dir, err error) (*Tree, error) {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR):
		return nil, fmt.Errorf("%w: %s", source.ErrMissing, path)
	case err != nil:
		return nil, fmt.Errorf("open protected directory: %w", err)
	}
	return &Tree{path: path, root: root}, nil
}

// Below returns a directory of the tree.
func (t *Tree) Below(path string) (*Tree, error) {
	root, err := t.root.Sub(path)
	return opened(t.path+"/"+path, root, err)
}

// Close releases the directory.
func (t *Tree) Close() error { return t.root.Close() }

// Path returns the directory's absolute path.
func (t *Tree) Path() string { return t.path }

// Sync makes everything on the directory's file system durable.
func (t *Tree) Sync() error {
	return t.withDir(".", func(fd int) error {
		if err := unix.Syncfs(fd); err != nil {
			return fmt.Errorf("make %s durable: %w", t.path, err)
		}
		return nil
	})
}

// Room is what a file system still takes.
type Room struct {
	Bytes  int64
	Files  int64  // inodes; as many as there can be on a file system that makes them as needed
	Device uint64 // tells file systems apart, as long as they are mounted
}

// Free returns what can be written to the tree's file system.
func (t *Tree) Free() (room Room, err error) {
	device, free, err := t.About()
	room = Room{Bytes: int64(free.Bavail) * free.Bsize, Files: int64(free.Ffree), Device: device} //nolint:gosec // far below 2^63
	if free.Files == 0 {
		room.Files = math.MaxInt64
	}
	return room, err
}

// withDir calls f with a descriptor of a directory of the tree.
func (t *Tree) withDir(path string, f func(fd int) error) error {
	dir, err := t.root.Open(path)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer func() { _ = dir.Close() }()
	return f(int(dir.Fd()))
}

// Stamp is what the file system says about one name: the signs by which a
// changed file is noticed.
type Stamp struct {
	Dev, Ino uint64
	Nlink    uint64
	Size     int64
	Alloc    int64 // bytes on disk
	ModTime  int64 // Unix nanoseconds
	CTime    int64 // Unix nanoseconds
	Mode     uint32
	UID, GID uint32
}

func stampOf(s *unix.Stat_t) Stamp {
	return Stamp{
		Dev: s.Dev, Ino: s.Ino, Nlink: uint64(s.Nlink), Size: s.Size, Alloc: s.Blocks * 512, //nolint:unconvert // 32 bits on some machines
		ModTime: s.Mtim.Nano(), CTime: s.Ctim.Nano(), Mode: s.Mode, UID: s.Uid, GID: s.Gid,
	}
}

// unchanged reports whether nothing was written or set between two looks.
func (s Stamp) unchanged(other Stamp) bool {
	return s.Ino == other.Ino && s.Size == other.Size && s.ModTime == other.ModTime && s.CTime == other.CTime &&
		s.Mode == other.Mode && s.UID == other.UID && s.GID == other.GID
}

func (s Stamp) kind() manifest.Kind {
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return manifest.Dir
	case unix.S_IFREG:
		return manifest.File
	case unix.S_IFLNK:
		return manifest.Symlink
	case unix.S_IFIFO:
		return manifest.Fifo
	}
	return 0
}

func (s Stamp) entry(path string) manifest.Entry {
	e := manifest.Entry{Path: path, Kind: s.kind(), Mode: s.Mode & 0o7777, UID: s.UID, GID: s.GID, ModTime: s.ModTime}
	if e.Kind == manifest.File {
		e.Size, e.Alloc = s.Size, s.Alloc
	}
	return e
}

// Granularity of the file system's clock. A file changed again within one tick
// keeps its times, so a hash taken that early is not trusted later. The kernel
// ticks every 1 to 10 ms; file systems without sub-second times every 1 to 2 s.
const (
	fineTick   = 20 * time.Millisecond
	coarseTick = 2100 * time.Millisecond
)

// racy reports whether a file whose status changed at ctime could still change
// unnoticed after a look at now.
func racy(ctime int64, now time.Time) bool {
	tick := fineTick
	if ctime%int64(time.Second) == 0 {
		tick = coarseTick
	}
	return now.UnixNano()-ctime < int64(tick)
}

// stat looks at a name of the tree; of a symlink, at the symlink.
func (t *Tree) stat(path string) (Stamp, error) {
	s, err := t.root.Stat(path)
	return stampOf(&s), err
}

func fstat(f *os.File) (Stamp, error) {
	var s unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &s); err != nil {
		return Stamp{}, fmt.Errorf("look at %s: %w", f.Name(), err)
	}
	return stampOf(&s), nil
}

func lstatAt(dir int, name string) (Stamp, error) {
	var s unix.Stat_t
	if err := unix.Fstatat(dir, name, &s, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Stamp{}, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	return stampOf(&s), nil
}

// Package tree reads and replaces one directory tree: it
// reads a file with its holes, stages new content beside the old, and puts it into place in
// steps that can be taken back.
//
// A tree is opened once, by package pinned, and every access goes by that descriptor: no
// name and no symlink leads out of it. The package knows neither kinds of data nor a peer.
//
// Start reading at Tree, then Staging, Staging.Prepare and Tree.Apply.
package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/blocks"
	"baton/internal/datasync/source/directory/disk"
	"baton/internal/datasync/source/directory/inode"
	"baton/internal/pair/exclude"
	"baton/internal/pinned"
)

// StagingName is the directory at the top of a protected directory in which a sync
// prepares its files. It is never part of a manifest.
const StagingName = ".baton-staging"

// Tree is one protected directory, open.
type Tree struct {
	// Scheme is how content is hashed: that of what it is compared with.
	Scheme manifest.Scheme
	// Exclude tells what of the tree is not synced: it is not listed, and stays as it is.
	Exclude exclude.Matcher
	// Lists keeps the lists of the blocks of large files; nil: nothing does.
	Lists *blocks.Store

	// Last tells of a file that keeps changing, or a directory that a database server uses, what the peer has of it, by its
	// path, kind and number; the zero value: nothing. False: that cannot be told, and it is an error. nil: every such file
	// is, and whether a server uses a directory is not asked.
	Last func(path string, kind manifest.Kind, ino uint64) (manifest.Child, bool)
	// Busy reports whether a file has kept changing up to now, so that it is not worth reading; nil: none has.
	Busy func(path string, modTime int64) bool

	path string
	part Part
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

// Part returns what of its directory the tree is.
func (t *Tree) Part() Part { return t.part }

// Below returns a directory of the tree.
func (t *Tree) Below(path string) (*Tree, error) {
	root, err := t.root.Sub(path)
	return opened(t.path+"/"+path, root, err)
}

// Dir returns the directory itself, which stays the tree's.
func (t *Tree) Dir() *pinned.Dir { return t.root }

// Close releases the directory.
func (t *Tree) Close() error { return t.root.Close() }

// Path returns the absolute path of what is protected.
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

// withDir calls f with a descriptor of a directory of the tree.
func (t *Tree) withDir(path string, f func(fd int) error) error {
	dir, err := t.root.Open(path)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	defer func() { _ = dir.Close() }()
	return f(int(dir.Fd()))
}

// At returns the absolute path of a name of the tree.
func (t *Tree) At(path string) string {
	switch {
	case !t.part.IsWhole():
		return filepath.Join(filepath.Dir(t.path), path)
	case path == ".":
		return t.path
	}
	return t.path + "/" + path
}

// Stat looks at a name of the tree; of a symlink, at the symlink.
func (t *Tree) Stat(path string) (inode.Stamp, error) {
	s, err := t.root.Stat(path)
	return inode.StampOf(&s), err
}

// Top says which directory the tree is.
func (t *Tree) Top() (disk.Top, error) {
	stamp, err := t.Stat(".")
	return disk.Top{Path: t.path, Real: t.root.Real(), Dev: stamp.Dev, Ino: stamp.Ino}, err
}

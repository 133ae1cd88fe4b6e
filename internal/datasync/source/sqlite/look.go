package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"baton/internal/datasync/source/sqlite/image"
	"baton/internal/pinned"

	"golang.org/x/sys/unix"
)

// Found is what a look at a database found.
type Found struct {
	Bytes int64
	Log   bool // it has a write-ahead log, not a rollback journal
}

// Look looks at a database for a person who wants to protect it, and waits for its lock until the context is over. The error is one of package image, or of the system.
func Look(ctx context.Context, path string) (found Found, err error) {
	dir, err := pinned.Open(filepath.Dir(path), nil)
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if err := checkLocal(dir); err != nil {
		return found, err
	}
	i, err := image.New(filepath.Base(path)).Read(ctx, dir)
	if err != nil && ctx.Err() != nil { // it waits for nothing else
		err = image.ErrLocked
	}
	if err != nil {
		return found, err
	}
	return Found{Bytes: i.Size(), Log: i.HasLog()}, i.Close()
}

// errNetwork means that a database lies where locks are not seen by everybody.
var errNetwork = errors.New("it lies on a network file system, whose locks other machines do not see")

// checkLocal refuses a directory on a network file system.
func checkLocal(dir *pinned.Dir) error {
	var s unix.Statfs_t
	if err := unix.Fstatfs(dir.Fd(), &s); err != nil {
		return fmt.Errorf("look at the file system: %w", err)
	}
	if isNetwork(int64(s.Type)) { //nolint:unconvert // 32 bits on some machines
		return errNetwork
	}
	return nil
}

// isNetwork reports whether a file system, by what statfs(2) says, is shared between machines.
func isNetwork(magic int64) bool {
	return slices.Contains([]int64{unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC}, magic)
}

// Remedy says what to do about an error of a look at a database; empty: nothing is known.
func Remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "Correct the path, or start its program once, which makes it."
	case errors.Is(err, image.ErrEmpty):
		return "Start its program once, which fills it."
	case errors.Is(err, image.ErrNoDatabase):
		return "Name the file of an SQLite database itself, not a link to it, or protect its directory."
	case errors.Is(err, errNetwork):
		return "Move it to a disk of this machine."
	case errors.Is(err, image.ErrBusy):
		return "Set journal_mode=WAL in its program."
	case errors.Is(err, image.ErrLocked):
		return "End what keeps it locked: locking_mode=EXCLUSIVE, or a transaction that does not end."
	case errors.Is(err, image.ErrHalf), errors.Is(err, image.ErrDamaged):
		return "Start its program once, which puts that in order."
	}
	return ""
}

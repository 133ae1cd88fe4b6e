package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A disk that is full must not keep an appliance from changing its role. So the few
// files that this takes have a spare: a file of zeros beside them, whose blocks and
// inode are there already. It is written over in place, and changes names with them.

// spareSize is more than such a file takes: some 3 kB.
const spareSize = 16 << 10

func spareOf(path string) string { return path + ".spare" }

// full reports whether a disk had no room: no blocks, no inodes, or a quota.
func full(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// Reserve keeps room for one more Replace of the file at path, from now on and after
// each Replace. On a full disk there is room for what is as long as the file is.
func Reserve(path string) error {
	spare := spareOf(path)
	info, err := os.Stat(spare)
	switch {
	case err == nil && info.Size() >= spareSize:
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("look at the spare of %s: %w", path, err)
	}
	file, err := os.OpenFile(spare, os.O_WRONLY|os.O_CREATE, 0o600) //nolint:gosec // a file of our own data directory
	if err != nil {
		return fmt.Errorf("make the spare of %s: %w", path, err)
	}
	_, err = file.WriteAt(make([]byte, spareSize), 0) // what is there already is written over in place
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("make the spare of %s: %w", path, err)
	}
	return SyncDir(filepath.Dir(path))
}

// refill brings the spare of a file, if it has one, back to its size. On a full disk
// that fails, and is tried again by the next Replace.
func refill(path string) {
	if _, err := os.Stat(spareOf(path)); err == nil {
		_ = Reserve(path)
	}
}

// useSpare makes content the whole of the file at path by way of its spare, which
// then is what the file was. Until both change names, the file is as it was.
func useSpare(path string, content []byte) error {
	spare := spareOf(path)
	file, err := os.OpenFile(spare, os.O_WRONLY, 0) //nolint:gosec // a file of our own data directory
	if err != nil {
		return fmt.Errorf("use the spare of %s: %w", path, err)
	}
	_, err = file.WriteAt(content, 0)
	if err = errors.Join(err, file.Truncate(int64(len(content))), file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("use the spare of %s: %w", path, err)
	}
	err = unix.Renameat2(unix.AT_FDCWD, spare, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.ENOENT) { // there is no such file yet
		err = os.Rename(spare, path)
	}
	if err != nil {
		return fmt.Errorf("use the spare of %s: %w", path, err)
	}
	return nil
}

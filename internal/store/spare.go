package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A disk that is full must not keep an appliance from changing its role. So its
// state has a spare: a file of zeros beside it, whose blocks and inode are there
// already. It is written over in place, and changes names with the state.

// spareSize is more than a state takes: some 3 kB with the longest lineage.
const spareSize = 16 << 10

func spareOf(path string) string { return path + ".spare" }

// full reports whether a disk had no room: no blocks, no inodes, or a quota.
func full(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

// makeSpare makes the spare of a file, or fills it up. It is done when there is
// room; that there is none is told elsewhere.
func makeSpare(path string) error {
	spare := spareOf(path)
	info, err := os.Stat(spare)
	switch {
	case err == nil && info.Size() >= spareSize:
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("look at the spare: %w", err)
	}
	file, err := os.OpenFile(spare, os.O_WRONLY|os.O_CREATE, 0o600) //nolint:gosec // a file of our own data directory
	if err != nil {
		return fmt.Errorf("make the spare: %w", err)
	}
	_, err = file.WriteAt(make([]byte, spareSize), 0) // what is there already is written over in place
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("make the spare: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

// useSpare makes content the whole of the file at path by way of its spare, which
// then is what the file was. Until both change names, the file is as it was.
func useSpare(path string, content []byte) error {
	spare := spareOf(path)
	file, err := os.OpenFile(spare, os.O_WRONLY, 0) //nolint:gosec // a file of our own data directory
	if err != nil {
		return fmt.Errorf("use the spare: %w", err)
	}
	_, err = file.WriteAt(content, 0)
	if err = errors.Join(err, file.Truncate(int64(len(content))), file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("use the spare: %w", err)
	}
	if err := unix.Renameat2(unix.AT_FDCWD, spare, unix.AT_FDCWD, path, unix.RENAME_EXCHANGE); err != nil {
		return fmt.Errorf("use the spare: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

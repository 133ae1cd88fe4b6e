// Package durable replaces small files of an appliance so that a power cut, or a
// disk that is full, leaves either the old one or the new one. It knows nothing of
// what is in them.
//
// Start reading at Replace.
package durable

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Replace makes content the whole of the file at path, or leaves the file as it
// was: written beside it, made durable, renamed over it. If the disk is full it
// uses the file's spare, see Keep.
func Replace(path string, content []byte) error {
	beside := path + ".new"
	err := Write(beside, content)
	if err == nil {
		err = os.Rename(beside, path)
	}
	if err != nil {
		_ = os.Remove(beside) // it may hold the very bytes that the full disk lacks
		if !full(err) || useSpare(path, content) != nil {
			return err
		}
	}
	if err := SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	refill(path)
	return nil
}

// Write makes a file that is durable when it returns, mode 0600. Its name is
// durable once its directory is, see SyncDir.
func Write(path string, content []byte) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // a file of our own data directory
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(content); err != nil {
		return err
	}
	return file.Sync()
}

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	file, err := os.Open(dir) //nolint:gosec // a directory of our own data directory
	if err != nil {
		return fmt.Errorf("make %s durable: %w", dir, err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("make %s durable: %w", dir, err)
	}
	return nil
}

// SyncFS makes the whole file system durable on which a directory lies.
func SyncFS(dir string) error {
	file, err := os.Open(dir) //nolint:gosec // a directory of our own data directory
	if err != nil {
		return fmt.Errorf("make %s durable: %w", dir, err)
	}
	if err := errors.Join(unix.Syncfs(int(file.Fd())), file.Close()); err != nil {
		return fmt.Errorf("make %s durable: %w", dir, err)
	}
	return nil
}

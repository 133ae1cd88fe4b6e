package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// replaceFile makes content the whole of the file at path, or leaves the file as
// it was: written beside it, made durable, renamed over it. On a full disk it uses
// the file's spare, if there is one.
func replaceFile(path string, content []byte) error {
	beside := path + ".new"
	if err := writeDurably(beside, content); err != nil {
		_ = os.Remove(beside) // it may hold the very bytes that the full disk lacks
		if full(err) && useSpare(path, content) == nil {
			return nil
		}
		return err
	}
	if err := os.Rename(beside, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeDurably(path string, content []byte) (err error) {
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

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	file, err := os.Open(dir) //nolint:gosec // a directory of our own data directory
	if err != nil {
		return err
	}
	return errors.Join(file.Sync(), file.Close())
}

// readJSON reads a file of ours. Its error tells a person what to do.
func readJSON(path string, into any) error {
	content, err := os.ReadFile(path) //nolint:gosec // a file of our own data directory
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%s is damaged (%w): put it back from a backup, "+
			"or move %s away to start this appliance anew as standalone", path, err, filepath.Dir(path))
	}
	return nil
}

// writeJSON replaces a file of ours.
func writeJSON(path string, from any) error {
	content, err := json.MarshalIndent(from, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, append(content, '\n'))
}

// existed reports whether the file at path has been here before: a mark beside it
// outlives its loss, so that a lost file is never taken for a first start.
func existed(path string) (bool, error) {
	_, err := os.Stat(markOf(path))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func mark(path string) error {
	const text = "The file beside this mark exists since the first start. If it is missing, it was lost.\n"
	if marked, err := existed(path); marked || err != nil {
		return err
	}
	return replaceFile(markOf(path), []byte(text))
}

func markOf(path string) string { return path + ".mark" }

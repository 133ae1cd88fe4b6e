package durable

import (
	"errors"
	"io/fs"
	"os"
)

// Marked reports whether the file at path has been here before: a mark beside it
// outlives its loss, so that a lost file is never taken for a first start.
func Marked(path string) (bool, error) {
	_, err := os.Stat(MarkOf(path))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Mark notes beside a file that it was here.
func Mark(path string) error {
	const text = "The file beside this mark has been written before. If it is missing, it was lost.\n"
	if marked, err := Marked(path); marked || err != nil {
		return err
	}
	return Replace(MarkOf(path), []byte(text))
}

// MarkOf returns the path of the mark beside a file.
func MarkOf(path string) string { return path + ".mark" }

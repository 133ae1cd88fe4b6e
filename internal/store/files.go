package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"baton/internal/durable"
)

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
	return durable.Replace(path, append(content, '\n'))
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
	return durable.Replace(markOf(path), []byte(text))
}

func markOf(path string) string { return path + ".mark" }

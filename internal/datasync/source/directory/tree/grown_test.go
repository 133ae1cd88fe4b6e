package tree

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory/inode"
)

// TestWhatIsOnlyAppendedToIsWhole reads a file that is written to before it is looked at again.
func TestWhatIsOnlyAppendedToIsWhole(t *testing.T) {
	for _, row := range []struct {
		name, begins string
		then         func(path string) error
		whole        bool
	}{
		{"a log", "line 1\n", appendTo, true},
		{"a log that is written over", "line 1\n", func(path string) error { return os.WriteFile(path, []byte("LINE 1\nline 2\n"), 0o600) }, false},
		{"a log that is emptied", "line 1\n", func(path string) error { return os.Truncate(path, 0) }, false},
		{"a log with other rights", "line 1\n", func(path string) error { return errors.Join(appendTo(path), os.Chmod(path, 0o640)) }, false},
		{"a database", "SQLite format 3\x00", appendTo, false},
		{"a database's log", "\x37\x7f\x06\x82", appendTo, false},
		{"a database's journal", "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7", appendTo, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			content := row.begins + strings.Repeat("more of it\n", 1000)
			tree, err := Open(dir, nil)
			if err == nil {
				err = os.WriteFile(path, []byte(content), 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tree.Close() }()
			f, before, err := tree.OpenFile("file")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			h := tree.Scheme.Hash(before.Size)
			_, _ = h.Write([]byte(content))
			if err := row.then(path); err != nil {
				t.Fatal(err)
			}
			err = tree.grown(t.Context(), inode.Reading{File: f, Stamp: before, Path: "file"}, h.Sum())
			if (err == nil) != row.whole || (err != nil && !errors.Is(err, source.ErrChanging)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func appendTo(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		_, err = f.WriteString("one line more\n")
	}
	return errors.Join(err, f.Close())
}

package directory_test

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory"
	"baton/internal/datasync/source/sourcetest"
	"baton/internal/pair"
	"baton/internal/pair/exclude"
)

// side is an appliance with one protected directory.
type side struct {
	dir     string
	exclude exclude.Patterns
}

func (s side) tree() string { return filepath.Join(s.dir, "tree") }

func (s side) Start(t *testing.T) (source.Kind, pair.Data) {
	t.Helper()
	kind, err := directory.New(directory.Options{
		Index: filepath.Join(s.dir, "index"), Place: func(pair.Data) string { return s.tree() }, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return kind, pair.Data{Name: "files", Spec: pair.Directory{Path: "/srv/files", Exclude: s.exclude}}
}

func (s side) Put(t *testing.T, files map[string]string) {
	t.Helper()
	err := errors.Join(os.RemoveAll(s.tree()), os.Mkdir(s.tree(), 0o755))
	for name, text := range files {
		err = errors.Join(err, os.WriteFile(filepath.Join(s.tree(), name), []byte(text), 0o644))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s side) Files(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(s.tree(), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || strings.Contains(path, "/.baton-staging/") {
			return err
		}
		b, err := os.ReadFile(path)
		name, _ := filepath.Rel(s.tree(), path)
		files[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestADirectoryIsASource(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T) sourcetest.Side {
		t.Helper()
		return side{dir: t.TempDir()}
	})
}

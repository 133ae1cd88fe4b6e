package sqlite

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/source/sqlite/image"
	"baton/internal/pair"
	"baton/internal/pinned"
)

// In finds SQLite databases in a directory, by the names that programs give them and by what lies beside them, but for those that are excluded. It returns their
// paths in it; once the context is over, those so far.
func In(ctx context.Context, dir *pinned.Dir, excluded func(path string) bool) ([]string, error) {
	root, err := os.OpenRoot(pinned.PathOf(dir.Fd()))
	if err != nil {
		return nil, fmt.Errorf("look for databases: %w", err)
	}
	defer func() { _ = root.Close() }()
	var found []string
	err = fs.WalkDir(root.FS(), ".", func(at string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return fs.SkipAll
		case err != nil, at == ".":
			return nil //nolint:nilerr // what cannot be read is nothing that was found
		case excluded(at) && d.IsDir():
			return fs.SkipDir
		}
		name, is := named(at)
		if is && !d.IsDir() && !excluded(name) && !slices.Contains(found, name) && isDatabase(root, name) {
			found = append(found, name)
		}
		return nil
	})
	return found, err
}

// named returns the database that a name may be, or lie beside.
func named(at string) (string, bool) {
	for _, suffix := range []string{image.Log, image.Journal} {
		if name, is := strings.CutSuffix(at, suffix); is {
			return name, true
		}
	}
	return at, slices.Contains([]string{".db", ".db3", ".sqlite", ".sqlite3", ".s3db"}, path.Ext(at))
}

func isDatabase(root *os.Root, name string) bool {
	if s, err := root.Lstat(name); err != nil || !s.Mode().IsRegular() { // a link is not the database
		return false
	}
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	s, err := f.Stat()
	if err != nil || !s.Mode().IsRegular() {
		return false
	}
	return image.IsDatabase(f)
}

// Advice says what to do about databases that lie in a protected directory.
func Advice(dir string, found []string) (text, step string) {
	const most = 3
	names := strings.Join(found[:min(len(found), most)], ", ")
	if more := len(found) - most; more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("%s holds %s (%s), copied as plain files: a data sync fails while one is written to all the time.", dir, pair.Counted(int64(len(found)), "SQLite database"), names),
		fmt.Sprintf("Add each as a database, which the directory leaves out from then on: baton data add sqlite NAME %s.", path.Join(dir, found[0]))
}

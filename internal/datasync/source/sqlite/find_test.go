package sqlite

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"baton/internal/pinned"
)

func TestDatabasesAreFoundInADirectory(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is not installed: apt-get install sqlite3")
	}
	dir := t.TempDir()
	for _, name := range []string{"a/app.db", "b/Cookies", "cache/left.sqlite", "c/odd.db3"} {
		must(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700))
		run(t, filepath.Join(dir, name), "create table t (a)")
	}
	must(t, os.WriteFile(filepath.Join(dir, "b/Cookies-journal"), nil, 0o600)) // a browser keeps it
	must(t, os.WriteFile(filepath.Join(dir, "text.db"), []byte(strings.Repeat("no database ", 100)), 0o600))
	must(t, os.Symlink("/etc", filepath.Join(dir, "etc.db")))
	must(t, os.Symlink(filepath.Join(dir, "a/app.db"), filepath.Join(dir, "again.db")))
	must(t, unix.Mkfifo(filepath.Join(dir, "pipe.db"), 0o600))
	top, err := pinned.Open(dir, nil)
	must(t, err)
	defer func() { _ = top.Close() }()
	excluded := func(path string) bool { return strings.HasPrefix(path, "cache") }
	found, err := In(t.Context(), top, excluded)
	if want := []string{"a/app.db", "b/Cookies", "c/odd.db3"}; err != nil || !slices.Equal(found, want) {
		t.Errorf("found %q, %v, want %q", found, err, want)
	}
	text, step := Advice("/srv/app", found)
	if !strings.Contains(text, "/srv/app holds 3 SQLite databases (a/app.db, b/Cookies, c/odd.db3)") || !strings.Contains(step, "baton data add sqlite NAME /srv/app/a/app.db") {
		t.Error(text, step)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err = In(over, top, excluded); len(found) > 0 || err != nil {
		t.Errorf("after its time: %q, %v", found, err)
	}
}

func TestANetworkFileSystemIsKnown(t *testing.T) {
	for magic, is := range map[int64]bool{unix.NFS_SUPER_MAGIC: true, unix.CIFS_SUPER_MAGIC: true, unix.EXT4_SUPER_MAGIC: false, unix.BTRFS_SUPER_MAGIC: false, unix.TMPFS_MAGIC: false} {
		if isNetwork(magic) != is {
			t.Errorf("%#x: %t", magic, !is)
		}
	}
}

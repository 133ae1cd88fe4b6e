package sqlite

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"baton/internal/kept"
	"baton/internal/pair"
)

// differing is a database and a diverged copy of one, of which the rows are compared.
type differing struct{ dir, path, index string }

func newDiffering(t *testing.T) differing {
	t.Helper()
	dir := t.TempDir()
	d := differing{dir: dir, path: filepath.Join(dir, "app.db"), index: filepath.Join(dir, "index")}
	for _, one := range []string{d.index, filepath.Join(dir, "copy/files/app")} {
		if err := os.MkdirAll(one, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	d.sql(t, filepath.Join(dir, "copy/files/app/app.db"), "create table t (a)")
	return d
}

func (differing) sql(t *testing.T, path, statements string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sqlite3", path, statements).CombinedOutput()
	if err != nil {
		t.Fatal(err, string(out))
	}
}

// keepOpen is a program that has the database open, until the test ends: its log stays.
func (d differing) keepOpen(t *testing.T, statements string) {
	t.Helper()
	program := exec.CommandContext(t.Context(), "sqlite3", d.path)
	in, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = program.Wait() })
	if _, err := in.Write([]byte(statements + "; select 'done';\n")); err != nil {
		t.Fatal(err)
	}
	said := ""
	for b := make([]byte, 64); !strings.Contains(said, "done"); {
		n, err := out.Read(b)
		if err != nil {
			t.Fatal(err, said)
		}
		said += string(b[:n])
	}
}

func (d differing) rows(t *testing.T) ([]kept.TableDifference, error) {
	t.Helper()
	k, err := New(Options{Index: d.index, Place: func(pair.Data) string { return d.path }, Boot: "x"})
	if err != nil {
		t.Fatal(err)
	}
	return k.Rows(t.Context(), pair.Data{Name: "app", Spec: pair.SQLite{Path: "/srv/app.db"}}, filepath.Join(d.dir, "copy"))
}

// TestRowsAreNotComparedWithoutRoom refuses before it fills the disk on which the daemon keeps its own files.
func TestRowsAreNotComparedWithoutRoom(t *testing.T) {
	for name, fill := range map[string]func(*testing.T, differing){
		"in the database": func(t *testing.T, d differing) {
			t.Helper()
			d.sql(t, d.path, "create table t (a); insert into t values (zeroblob(100000000))")
		},
		"in its log": func(t *testing.T, d differing) {
			t.Helper()
			d.keepOpen(t, "pragma journal_mode=wal; pragma wal_autocheckpoint=0; create table t (a); insert into t values (zeroblob(100000000))")
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDiffering(t)
			if err := unix.Mount("tmpfs", d.index, "tmpfs", 0, "size=64m"); err != nil {
				t.Skip(err)
			}
			t.Cleanup(func() { _ = unix.Unmount(d.index, unix.MNT_DETACH) })
			fill(t, d)
			if _, err := d.rows(t); err == nil || !strings.Contains(err.Error(), "compare it with sqldiff") {
				t.Error(err)
			}
		})
	}
}

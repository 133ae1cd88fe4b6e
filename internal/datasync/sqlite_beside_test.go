package datasync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/datasync/archive"
	"baton/internal/kept"
	"baton/internal/pair"
)

// inDirectory has a pair protect srv/files, and databases in it by themselves.
func (p *pairOf) inDirectory(t *testing.T, names ...string) {
	t.Helper()
	dir := pair.Directory{Path: "/srv/files"}
	var data []pair.Data
	for i, name := range names {
		s := pair.SQLite{Path: pair.Path("/srv/files/" + name)}
		var err error
		dir, err = dir.LeavingOut(s)
		must(t, err)
		data = append(data, pair.Data{Name: fmt.Sprint("db", i), Spec: s})
	}
	for _, a := range []*appliance{p.primary, p.backup} {
		tree := filepath.Join(a.dir, "srv/files")
		must(t, os.MkdirAll(tree, 0o755))
		a.tree, a.data.Spec = tree, dir
		own, all := a.data, append([]pair.Data{a.data}, data...)
		a.opt.Data = func(context.Context) ([]pair.Data, error) { return all, nil }
		a.dirs.Place = func(d pair.Data) string {
			if d.Same(own) {
				return tree
			}
			return d.Spec.String()
		}
		a.reopen(t)
	}
	p.primary.Offer(p.epoch)
	p.server.Config.Handler = p.primary.Handler()
}

// TestDatabasesOfADirectoryAreProtectedByThemselvesAndNoMore defines databases in a protected directory, and takes them back.
func TestDatabasesOfADirectoryAreProtectedByThemselvesAndNoMore(t *testing.T) {
	p := withDatabase(t)
	names := []string{"a b.db", "sub/[x]*?.db", "sub/two.db"}
	p.inDirectory(t)
	must(t, os.MkdirAll(p.primary.tree+"/sub", 0o755))
	newest := 0
	step := func(what string, protect func()) {
		t.Helper()
		for _, name := range names {
			statements := fmt.Sprintf("insert into number values (%d,'a')", newest+1)
			if newest == 0 {
				statements = "pragma journal_mode=wal;" + numberTable + statements
			}
			killedProgram(t, filepath.Join(p.primary.tree, name), statements)
		}
		newest++
		protect()
		for range 2 {
			p.mustPull(t)
		}
		for _, name := range names {
			want := fmt.Sprintf("ok\n%d|%d|a", newest, newest)
			if got := opened(t, filepath.Join(p.backup.tree, name)); got != want {
				t.Errorf("%s: %s is %q, want %q", what, name, got, want)
			}
		}
		if at := filepath.Join(p.backup.tree, "sub"); strings.Contains(namesIn(t, at), "-staging") {
			t.Errorf("%s: the backup has %s", what, namesIn(t, at))
		}
	}
	step("as plain files", func() {})
	step("as databases", func() { p.inDirectory(t, names...) })
	step("again", func() {})
	step("one is not", func() { p.inDirectory(t, names[1:]...) })
	step("none is", func() { p.inDirectory(t) })
	step("all are", func() { p.inDirectory(t, names...) })
	p.switchRoles(t)
	step("after a switch", func() {})
	step("none is, after a switch", func() { p.inDirectory(t) })
}

// TestTheDirectoryAroundADatabaseIsRenamed on the primary, and another one takes its place.
func TestTheDirectoryAroundADatabaseIsRenamed(t *testing.T) {
	for how, rename := range map[string]func(t *testing.T, top string){
		"and made anew":            func(t *testing.T, top string) { t.Helper(); must(t, os.MkdirAll(top+"/sub", 0o755)) },
		"and another has its name": func(t *testing.T, top string) { t.Helper(); must(t, os.Rename(top+"/other", top+"/sub")) },
	} {
		for _, changes := range []bool{false, true} {
			t.Run(fmt.Sprint(how, " changed ", changes), func(t *testing.T) {
				p := withDatabase(t)
				p.inDirectory(t, "sub/app.db")
				top := p.primary.tree
				must(t, os.MkdirAll(top+"/sub", 0o755))
				for i := range 20 {
					write(t, fmt.Sprintf("%s/sub/f%d", top, i), fmt.Sprint("text ", i))
					write(t, fmt.Sprintf("%s/other/g%d", top, i), fmt.Sprint("other ", i))
				}
				path := top + "/sub/app.db"
				sqliteSays(t, path, "pragma journal_mode=wal;"+numberTable+"insert into number values (1,'a')")
				p.mustPull(t)
				must(t, os.Rename(top+"/sub", top+"/was"))
				rename(t, top)
				must(t, os.Rename(top+"/was/app.db", path))
				if changes {
					sqliteSays(t, path, "insert into number values (2,'b')")
				}
				for range 2 {
					_, err := p.tryPull(t, Request{AcceptShrink: true})
					if got, want := opened(t, p.backup.tree+"/sub/app.db"), opened(t, path); err != nil || got != want {
						t.Errorf("%v: %q, want %q", err, got, want)
					}
				}
			})
		}
	}
}

// TestADatabaseThatIsLockedAtFirst keeps nothing else from being synced, and costs the backup nothing that it has there.
func TestADatabaseThatIsLockedAtFirst(t *testing.T) {
	p := withDatabase(t)
	sqliteSays(t, p.primary.app(), numberTable+"insert into number values (1,'a')")
	sqliteSays(t, p.backup.app(), numberTable+"insert into number values (1,'seed')")
	write(t, p.primary.tree+"/page", "1")
	locked(t, p.primary.app())
	for range 2 {
		_, err := p.tryPull(t, Request{})
		if got := opened(t, p.backup.app()); got != "ok\n1|1|seed" {
			t.Errorf("%v: %q", err, got)
		}
		if _, no := os.Stat(p.backup.tree + "/page"); err == nil && no != nil {
			t.Error(no)
		}
	}
}

// TestRestorePointsOfADatabase are each the database as it was, whatever lay beside it on the backup.
func TestRestorePointsOfADatabase(t *testing.T) {
	for _, rows := range []int{50, 60000} {
		p := withDatabase(t)
		p.withPoints(t, 9)
		want := map[uint64]string{}
		sqliteSays(t, p.primary.app(), fmt.Sprintf("pragma journal_mode=wal;%sinsert into number select value, 'v' from generate_series(1,%d)", numberTable, rows))
		for i := range 6 {
			s, err := p.tryPull(t, Request{})
			must(t, err)
			want[s.Number] = opened(t, p.primary.app())
			if i == 2 {
				killedProgram(t, p.backup.app(), "insert into number select 1000000+value, 'here' from generate_series(1,4)")
			}
			sqliteSays(t, p.primary.app(), fmt.Sprintf("update number set b='r%d' where n %% 9 = %d; insert into number select max(n)+1, 'x' from number; %s", i, i, []string{"", "vacuum"}[i%2]))
		}
		points := p.backup.Points.List().Points
		if len(points) < 4 {
			t.Fatalf("%d restore points", len(points))
		}
		for _, point := range points {
			if got := opened(t, p.databaseAt(t, point.Number)); got != want[point.Number] {
				t.Errorf("%d rows: point %d: %.200q, want %q", rows, point.Number, got, want[point.Number])
			}
		}
	}
}

// databaseAt takes the database out of a restore point.
func (p *pairOf) databaseAt(t *testing.T, number uint64) (path string) {
	t.Helper()
	var packed bytes.Buffer
	must(t, p.backup.Points.Pack(t.Context(), number, nil, &packed))
	r, dir := archive.NewReader(&packed), t.TempDir()
	for {
		data, e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir + "/app.db"
		}
		must(t, err)
		if data == "app" && e.Path != "." {
			b, err := io.ReadAll(r)
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, e.Path), b, 0o600))
		}
	}
}

// TestDatabasesAreCompared finds what only a log has, on either side.
func TestDatabasesAreCompared(t *testing.T) {
	p := withDatabase(t)
	sqliteSays(t, p.primary.app(), "pragma journal_mode=wal;"+numberTable+"insert into number values (1,'a')")
	p.mustPull(t)
	differs := func() string {
		var all []string
		for _, d := range p.compared(t, kept.Here).Data {
			for _, f := range d.Files {
				all = append(all, f.Path)
			}
		}
		return strings.Join(all, " ")
	}
	if found := differs(); found != "" {
		t.Errorf("at rest %s differs", found)
	}
	killedProgram(t, p.primary.app(), "insert into number values (2,'b')")
	if found := differs(); found != "app.db" {
		t.Errorf("with a log on the primary, what differs is %q", found)
	}
	p.mustPull(t)
	killedProgram(t, p.backup.app(), "insert into number values (3,'c')")
	if found := differs(); !strings.Contains(found, "app.db") {
		t.Errorf("with a log on the backup, what differs is %q", found)
	}
}

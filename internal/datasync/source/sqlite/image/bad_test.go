package image

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baton/internal/pinned"
)

// shell runs statements in Debian's sqlite3, a process of its own.
func shell(t *testing.T, path, statements string) string {
	t.Helper()
	out, err := exec.Command("sqlite3", "-batch", "-bail", path, statements).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %s %v", statements, out, err)
	}
	return strings.TrimSpace(string(out))
}

// keepOpen runs statements, and has the database open until the test ends.
func keepOpen(t *testing.T, path, statements string) {
	t.Helper()
	cmd := exec.Command("sqlite3", "-batch", "-bail", path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	ready := filepath.Join(t.TempDir(), "ready")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = in.Write([]byte(statements + "\n.output " + ready + "\nselect 'ready';\n.output\n"))
	for size(ready) == 0 {
		time.Sleep(time.Millisecond)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
}

func opened(t *testing.T) (at, string) {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is not installed: apt-get install sqlite3")
	}
	dir := t.TempDir()
	top, err := pinned.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = top.Close() })
	return at{New("db"), top}, filepath.Join(dir, "db")
}

// names returns what lies in the directory of a database, with sizes and times.
func names(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("ls", "-la", "--time-style=full-iso", filepath.Dir(path)).CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(out), "\n")
	return strings.Join(append(lines[:1:1], lines[3:]...), "\n")
}

func TestADatabaseThatCannotBeReadIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		want error
	}{
		"nothing": {func(*testing.T, string) {}, os.ErrNotExist},
		"empty":   {func(t *testing.T, path string) { t.Helper(); must(t, os.WriteFile(path, nil, 0o600)) }, ErrEmpty},
		"text": {func(t *testing.T, path string) {
			t.Helper()
			must(t, os.WriteFile(path, []byte(strings.Repeat("text ", 1000)), 0o600))
		}, ErrNoDatabase},
		"short":     {func(t *testing.T, path string) { t.Helper(); must(t, os.WriteFile(path, []byte(magic), 0o600)) }, ErrNoDatabase},
		"directory": {func(t *testing.T, path string) { t.Helper(); must(t, os.Mkdir(path, 0o700)) }, ErrNoDatabase},
		"link":      {func(t *testing.T, path string) { t.Helper(); must(t, os.Symlink("/etc/passwd", path)) }, ErrNoDatabase},
		"pipe":      {func(t *testing.T, path string) { t.Helper(); must(t, exec.Command("mkfifo", path).Run()) }, ErrNoDatabase},
		"page size": {func(t *testing.T, path string) {
			t.Helper()
			shell(t, path, "create table t (x)")
			b, err := os.ReadFile(path)
			must(t, err)
			b[16], b[17] = 3, 3
			must(t, os.WriteFile(path, b, 0o600))
		}, ErrNoDatabase},
		"newer version": {func(t *testing.T, path string) {
			t.Helper()
			shell(t, path, "create table t (x)")
			b, err := os.ReadFile(path)
			must(t, err)
			b[18], b[19] = 3, 3
			must(t, os.WriteFile(path, b, 0o600))
		}, ErrNoDatabase},
		"locked for ever": {func(t *testing.T, path string) {
			t.Helper()
			keepOpen(t, path, "pragma locking_mode=exclusive; create table t (x);")
		}, ErrLocked},
		"locked for ever, with a log": {func(t *testing.T, path string) {
			t.Helper()
			keepOpen(t, path, "pragma locking_mode=exclusive; pragma journal_mode=wal; create table t (x);")
		}, ErrLocked},
	} {
		t.Run(name, func(t *testing.T) {
			d, path := opened(t)
			c.make(t, path)
			before := names(t, path)
			if i, err := d.Read(t.Context(), d.dir); !errors.Is(err, c.want) {
				t.Fatalf("%v %v, wanted %v", i, err, c.want)
			}
			if after := names(t, path); after != before {
				t.Errorf("it was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// TestReadingChangesNothing looks at a database in each of its states, and at the files of it before and after.
func TestReadingChangesNothing(t *testing.T) {
	const fill = "create table number (n integer); create table account (amount integer); insert into number values (1);"
	for name, prepare := range map[string]func(t *testing.T, path string){
		"journal":       func(t *testing.T, path string) { t.Helper(); shell(t, path, fill) },
		"journal, open": func(t *testing.T, path string) { t.Helper(); keepOpen(t, path, fill) },
		"log, closed":   func(t *testing.T, path string) { t.Helper(); shell(t, path, "pragma journal_mode=wal;"+fill) },
		"log, open":     func(t *testing.T, path string) { t.Helper(); keepOpen(t, path, "pragma journal_mode=wal;"+fill) },
		"log, in a transaction": func(t *testing.T, path string) {
			t.Helper()
			keepOpen(t, path, "pragma journal_mode=wal;"+fill+"begin immediate; insert into number values (2);")
		},
		"journal, in a transaction": func(t *testing.T, path string) {
			t.Helper()
			keepOpen(t, path, fill+"begin immediate; insert into number values (2);")
		},
		"journal, half written": func(t *testing.T, path string) { // pages are spilled to the file before the transaction ends
			t.Helper()
			shell(t, path, fill)
			killed(t, path, "pragma cache_size=5; begin immediate; insert into account select 1 from (with recursive c(x) as (select 1 union all select x+1 from c limit 50000) select x from c);")
		},
		"log, half written": func(t *testing.T, path string) {
			t.Helper()
			shell(t, path, "pragma journal_mode=wal;"+fill)
			killed(t, path, "pragma cache_size=5; begin immediate; insert into account select 1 from (with recursive c(x) as (select 1 union all select x+1 from c limit 50000) select x from c);")
		},
		"log, killed": func(t *testing.T, path string) { t.Helper(); killed(t, path, "pragma journal_mode=wal;"+fill) },
		"log, killed, without index": func(t *testing.T, path string) {
			t.Helper()
			killed(t, path, "pragma journal_mode=wal;"+fill)
			must(t, os.Remove(path+Index))
		},
		"log, checkpointed": func(t *testing.T, path string) {
			t.Helper()
			keepOpen(t, path, "pragma journal_mode=wal;"+fill+"pragma wal_checkpoint(restart); pragma wal_checkpoint(truncate);")
		},
		"log, index cut off": func(t *testing.T, path string) {
			t.Helper()
			killed(t, path, "pragma journal_mode=wal;"+fill)
			must(t, os.Truncate(path+Index, 0))
		},
		"page size 65536": func(t *testing.T, path string) {
			t.Helper()
			keepOpen(t, path, "pragma page_size=65536; pragma journal_mode=wal;"+fill)
		},
		"page size 512": func(t *testing.T, path string) {
			t.Helper()
			keepOpen(t, path, "pragma page_size=512; pragma journal_mode=wal;"+fill)
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, path := opened(t)
			prepare(t, path)
			time.Sleep(2 * tick)
			before := names(t, path)
			content, _ := look(t, d, nil)
			if n := isSound(t, content); n != 1 {
				t.Errorf("it has %d transactions, not 1", n)
			}
			_, known := look(t, d, content)
			if pages, _ := d.Changed(); !known && !strings.Contains(name, "half written") || len(pages) > 0 {
				t.Errorf("nothing changed, and it says %v of %v", known, pages)
			}
			if after := names(t, path); after != before {
				t.Errorf("it was\n%s\nand is\n%s", before, after)
			}
			if n := shell(t, path, "select count(*) from number"); !strings.Contains(name, "in a transaction") && n != "1" {
				t.Errorf("it has %s", n)
			}
		})
	}
}

// killed runs statements, and kills what ran them.
func killed(t *testing.T, path, statements string) {
	t.Helper()
	cmd := exec.Command("sqlite3", "-batch", "-bail", path)
	in, err := cmd.StdinPipe()
	must(t, err)
	ready := filepath.Join(t.TempDir(), "ready")
	must(t, cmd.Start())
	_, err = in.Write([]byte(statements + "\n.output " + ready + "\nselect 'ready';\n.output\n"))
	must(t, err)
	for size(ready) == 0 {
		time.Sleep(time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

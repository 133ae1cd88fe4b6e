package datasync

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

// withDatabase is a pair that protects an SQLite database as well.
func withDatabase(t *testing.T) *pairOf {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is not installed: apt-get install sqlite3")
	}
	p := newPair(t)
	for _, a := range []*appliance{p.primary, p.backup} {
		data := []pair.Data{{Name: "app", Spec: pair.SQLite{Path: "/app/app.db"}}, a.data}
		a.opt.Data = func(context.Context) ([]pair.Data, error) { return data, nil }
		must(t, os.MkdirAll(filepath.Join(a.dir, "app"), 0o755))
		a.reopen(t)
	}
	p.primary.Offer(p.epoch)
	p.server.Config.Handler = p.primary.Handler()
	return p
}

// numberTable is what most tests have in their database.
const numberTable = "create table number (n integer primary key, b text);"

func (a *appliance) app() string { return filepath.Join(a.dir, "app/app.db") }

func sqliteSays(tb testing.TB, path, statements string) string {
	tb.Helper()
	out, err := exec.Command("sqlite3", "-batch", "-bail", "-cmd", ".timeout 20000", path, statements).CombinedOutput()
	if err != nil {
		tb.Fatalf("%s: %s %v", statements, out, err)
	}
	return strings.TrimSpace(string(out))
}

// TestADatabaseIsSyncedWhileItsProgramWrites has a program of Debian number its transactions, and looks for each number that was in the database
// when a data sync began.
func TestADatabaseIsSyncedWhileItsProgramWrites(t *testing.T) {
	for _, mode := range []string{"wal", "delete"} {
		t.Run(mode, func(t *testing.T) {
			p := withDatabase(t)
			path := p.primary.app()
			sqliteSays(t, path, "pragma journal_mode="+mode+"; create table number (n integer primary key, b blob)")
			stop := p.writeNumbers(t)
			for range 10 {
				time.Sleep(100 * time.Millisecond)
				before, err := strconv.Atoi(sqliteSays(t, path, "select count(*) from number"))
				must(t, err)
				_, err = p.tryPull(t, Request{})
				must(t, err)
				copied := filepath.Join(t.TempDir(), "copy")
				must(t, copyFile(p.backup.app(), copied))
				if verdict := sqliteSays(t, copied, "pragma integrity_check"); verdict != "ok" {
					t.Fatal(verdict)
				}
				has := sqliteSays(t, copied, "select count(*), coalesce(max(n), 0) from number")
				count, newest, _ := strings.Cut(has, "|")
				if count != newest {
					t.Errorf("%s transactions, the newest is number %s", count, newest)
				}
				if n, _ := strconv.Atoi(count); n < before {
					t.Errorf("%d transactions, and %d were there before", n, before)
				}
			}
			stop()
			_, err := p.tryPull(t, Request{Final: true})
			must(t, err)
			if here, there := sqliteSays(t, path, "select count(*) from number"), sqliteSays(t, p.backup.app(), "select count(*) from number"); here != there {
				t.Errorf("%s transactions arrived of %s", there, here)
			}
			if names := namesIn(t, filepath.Dir(p.backup.app())); names != "app.db" && names != ".app.db.baton-points app.db" {
				t.Errorf("on the backup lie %s", names)
			}
		})
	}
}

// writeNumbers has a process of sqlite3 write transactions with numbers from 1 on until it is told to stop.
func (p *pairOf) writeNumbers(t *testing.T) (stop func()) {
	t.Helper()
	cmd := exec.Command("sqlite3", "-batch", "-bail", p.primary.app())
	in, err := cmd.StdinPipe()
	must(t, err)
	var problems strings.Builder
	cmd.Stdout, cmd.Stderr = io.Discard, &problems
	must(t, cmd.Start())
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		r := rand.New(rand.NewPCG(1, 1))
		_, _ = fmt.Fprintln(in, ".timeout 20000\npragma synchronous=off;")
		for n := 1; ; n++ {
			select {
			case <-ended:
				_ = in.Close()
				return
			default:
			}
			_, _ = fmt.Fprintf(in, "begin immediate; insert into number values (%d, randomblob(%d)); update number set b = randomblob(%d) where n = %d; commit;\n", n, r.IntN(5000), r.IntN(5000), 1+r.IntN(n))
			time.Sleep(time.Millisecond)
		}
	}()
	return func() {
		close(ended)
		<-stopped
		if err := cmd.Wait(); err != nil || problems.Len() > 0 {
			t.Error(err, problems.String())
		}
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}

func namesIn(tb testing.TB, dir string) string {
	tb.Helper()
	names, err := os.ReadDir(dir)
	must(tb, err)
	var all []string
	for _, name := range names {
		all = append(all, name.Name())
	}
	return strings.Join(all, " ")
}

// killedProgram runs statements in a program that is killed then, so that its log or journal is left. If the database is locked, it does nothing.
func killedProgram(tb testing.TB, path, statements string) {
	tb.Helper()
	cmd := exec.Command("sqlite3", "-batch", "-bail", path)
	in, err := cmd.StdinPipe()
	must(tb, err)
	var problems strings.Builder
	cmd.Stderr = &problems
	must(tb, cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	done := filepath.Join(tb.TempDir(), "done")
	_, _ = fmt.Fprintf(in, "%s;\n.shell touch %s\n", statements, done)
	isOver := false
	waitFor(tb, statements, func() bool {
		select {
		case <-ended:
			isOver = true
		default:
		}
		_, err := os.Stat(done)
		return isOver || err == nil
	})
	_ = cmd.Process.Kill()
	<-ended
	if isOver && !strings.Contains(problems.String(), "locked") {
		tb.Fatalf("%s: %s", statements, problems.String())
	}
}

// opened is what the next program finds in a database, which stays as it is.
func opened(tb testing.TB, path string) string {
	tb.Helper()
	copied := filepath.Join(tb.TempDir(), "copy")
	for _, suffix := range []string{"", "-wal", "-journal"} {
		if err := copyFile(path+suffix, copied+suffix); err != nil {
			_ = os.Remove(copied + suffix)
		}
	}
	out, _ := exec.Command("sqlite3", "-batch", copied, "pragma integrity_check(3); select count(*), coalesce(max(n), 0), coalesce(min(b), '') from number").CombinedOutput()
	return strings.TrimSpace(string(out))
}

// locked has a program keep a database locked until the test ends.
func locked(t *testing.T, path string) {
	t.Helper()
	cmd := exec.Command("sqlite3", "-batch", path)
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	done := filepath.Join(t.TempDir(), "done")
	_, _ = fmt.Fprintf(in, "pragma locking_mode=exclusive; begin exclusive; insert into number values (77,'locked');\n.shell touch %s\n", done)
	waitFor(t, "locked", func() bool { _, err := os.Stat(done); return err == nil })
}

package datasync

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/source"
)

// dbServer is the directory of a database server, as its files look from outside.
type dbServer interface {
	begin(tb testing.TB, dir string)
	end(tb testing.TB, dir string) // at rest; it makes the directory
}

type postgres struct{}

// control writes pg_control with a state: 1 is shut down, 6 in production.
func control(tb testing.TB, dir string, state uint32) {
	tb.Helper()
	b := make([]byte, 8192)
	binary.NativeEndian.PutUint32(b[8:], 1300)
	binary.NativeEndian.PutUint32(b[16:], state)
	write(tb, dir+"/global/pg_control", string(b))
}

func (postgres) begin(tb testing.TB, dir string) {
	tb.Helper()
	write(tb, dir+"/postmaster.pid", "1\n")
	control(tb, dir, 6)
}

func (postgres) end(tb testing.TB, dir string) {
	tb.Helper()
	write(tb, dir+"/PG_VERSION", "15\n")
	write(tb, dir+"/base/5/PG_VERSION", "15\n")
	control(tb, dir, 1)
	must(tb, os.RemoveAll(dir+"/postmaster.pid"))
}

type innoDB struct{ system *os.File }

func (s *innoDB) begin(tb testing.TB, dir string) {
	tb.Helper()
	var err error
	s.system, err = os.OpenFile(dir+"/ibdata1", os.O_RDWR, 0)
	must(tb, err)
	must(tb, unix.FcntlFlock(s.system.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}))
	write(tb, dir+"/ib_logfile0", "begun")
}

func (s *innoDB) end(tb testing.TB, dir string) {
	tb.Helper()
	write(tb, dir+"/ibdata1", "system")
	write(tb, dir+"/ib_logfile0", "ended")
	if s.system != nil {
		must(tb, s.system.Close())
		s.system = nil
	}
}

// eachServer runs a test with each kind of database server, below a protected directory, and right in it.
func eachServer(t *testing.T, test func(t *testing.T, s dbServer, at string)) {
	t.Helper()
	for name, kind := range map[string]func() dbServer{"PostgreSQL": func() dbServer { return postgres{} }, "InnoDB": func() dbServer { return &innoDB{} }} {
		for _, at := range []string{"sites/db", "."} {
			t.Run(name+" in "+filepath.Base(at), func(t *testing.T) { test(t, kind(), at) })
		}
	}
}

// TestADatabaseServerIsCopiedAtRest has one that writes, next to pages, and ends.
func TestADatabaseServerIsCopiedAtRest(t *testing.T) {
	eachServer(t, func(t *testing.T, s dbServer, at string) {
		t.Helper()
		p := newPair(t)
		db := filepath.Join(p.primary.tree, at)
		s.end(t, db)
		write(t, db+"/base/5/table", "at rest")
		write(t, p.primary.tree+"/page", "first")
		p.pull(t)
		before := describe(t, filepath.Join(p.backup.tree, at))
		s.begin(t, db)
		for round := range 4 {
			if round == 2 && at != "." {
				must(t, os.Rename(p.primary.tree+"/sites", p.primary.tree+"/renamed"))
				at = "renamed/db"
				db = filepath.Join(p.primary.tree, at)
			}
			write(t, db+"/base/5/table", "written "+strconv.Itoa(round))
			write(t, p.primary.tree+"/page", strconv.Itoa(round))
			_, err := p.tryPull(t, Request{})
			must(t, err)
			if diff := difference(before, describe(t, filepath.Join(p.backup.tree, at))); diff != "" {
				t.Fatalf("round %d: of a database server that runs was copied\n%s", round, diff)
			}
			if page, err := os.ReadFile(p.backup.tree + "/page"); at != "." && (err != nil || string(page) != strconv.Itoa(round)) {
				t.Fatalf("round %d: the page is %q, %v", round, page, err)
			}
			if m := p.primary.Moving(); len(m) != 1 || m[0].Path != at || m[0].By == "" || m[0].Was.IsZero() {
				t.Errorf("round %d: named is %+v", round, m)
			}
		}
		if _, err := p.tryPull(t, Request{Final: true}); !errors.Is(err, source.ErrChanging) {
			t.Errorf("the final data sync of a switch left a database behind: %v", err)
		}
		s.end(t, db)
		p.pull(t)
		if m := p.primary.Moving(); len(m) != 0 {
			t.Errorf("at rest, named is %+v", m)
		}
		s.begin(t, db)
		write(t, db+"/base/5/table", "written")
		s.end(t, db)
		_, err := p.tryPull(t, Request{Final: true})
		must(t, err)
		same(t, p.primary.tree, p.backup.tree)
	})
}

// TestADatabaseServerThatTheBackupNeverHadIsNotCopied begins with one that runs.
func TestADatabaseServerThatTheBackupNeverHadIsNotCopied(t *testing.T) {
	eachServer(t, func(t *testing.T, s dbServer, at string) {
		t.Helper()
		p := newPair(t)
		db := filepath.Join(p.primary.tree, at)
		s.end(t, db)
		s.begin(t, db)
		write(t, p.primary.tree+"/page", "first")
		for range 2 {
			_, err := p.tryPull(t, Request{})
			must(t, err)
			for _, name := range []string{"PG_VERSION", "ibdata1", "global", "base"} {
				if _, err := os.Lstat(filepath.Join(p.backup.tree, at, name)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s was copied: %v", name, err)
				}
			}
			if _, err := os.Lstat(p.backup.tree + "/page"); err != nil && at != "." {
				t.Error(err)
			}
			if m := p.primary.Moving(); len(m) != 1 || m[0].Path != at || !m[0].Was.IsZero() {
				t.Errorf("named is %+v", m)
			}
		}
		s.end(t, db)
		p.pull(t)
	})
}

// TestADatabaseServerOfAFormerPrimaryIsSeenAsItIs has the roles exchanged while the backup lacks what the server wrote.
func TestADatabaseServerOfAFormerPrimaryIsSeenAsItIs(t *testing.T) {
	p := newPair(t)
	db, s := p.primary.tree+"/db", postgres{}
	s.end(t, db)
	write(t, db+"/table", "at rest")
	p.pull(t)
	s.begin(t, db)
	write(t, db+"/table", "written")
	_, err := p.tryPull(t, Request{})
	must(t, err)
	s.end(t, db)
	p.swap("b")
	_, err = p.tryPull(t, Request{})
	must(t, err)
	same(t, p.primary.tree, p.backup.tree)
	if b, err := os.ReadFile(p.backup.tree + "/db/table"); err != nil || string(b) != "at rest" {
		t.Errorf("the table is %q, %v", b, err)
	}
}

// TestADatabaseServerThatRunsOnAfterATakeover has the server write on the former primary, which the backup lacks, and then run on the new one: neither its
// old state can be sent nor the new one, so that the data sync says what to do, and goes on once that was done.
func TestADatabaseServerThatRunsOnAfterATakeover(t *testing.T) {
	p := newPair(t)
	s := postgres{}
	s.end(t, p.primary.tree+"/db")
	write(t, p.primary.tree+"/db/table", "at rest")
	p.pull(t)
	s.begin(t, p.primary.tree+"/db")
	write(t, p.primary.tree+"/db/table", "written before the takeover")
	p.swap("b")
	s.begin(t, p.primary.tree+"/db")
	write(t, p.primary.tree+"/db/table", "written after it")
	if _, err := p.tryPull(t, Request{}); err == nil || !strings.Contains(err.Error(), "belongs to the database server in db") {
		t.Errorf("it says %v", err)
	}
	s.end(t, p.primary.tree+"/db")
	_, err := p.tryPull(t, Request{})
	must(t, err)
	same(t, p.primary.tree, p.backup.tree)
}

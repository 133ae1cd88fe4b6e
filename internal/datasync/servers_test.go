package datasync

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/kept"
	"baton/internal/pair"
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
// old state can be sent nor the new one. The former primary keeps the state that it has itself, the rest is synced, and all of it once the server has ended.
func TestADatabaseServerThatRunsOnAfterATakeover(t *testing.T) {
	eachServer(t, func(t *testing.T, s dbServer, at string) {
		t.Helper()
		p := newPair(t)
		db := func(a *appliance) string { return filepath.Join(a.tree, at) }
		s.end(t, db(p.primary))
		write(t, db(p.primary)+"/base/5/table", "at rest")
		write(t, p.primary.tree+"/page", "first")
		p.pull(t)
		s.begin(t, db(p.primary))
		write(t, db(p.primary)+"/base/5/table", "written before the takeover")
		write(t, db(p.primary)+"/base/5/other", "made before the takeover")
		p.takenOver(t)
		own := describe(t, db(p.backup))
		other := &innoDB{}
		running := s
		if _, is := s.(*innoDB); is {
			running = other
		}
		running.begin(t, db(p.primary))
		for round := range 3 {
			write(t, db(p.primary)+"/base/5/table", "written after it "+strconv.Itoa(round))
			write(t, p.primary.tree+"/page", strconv.Itoa(round))
			if round == 2 {
				p.primary.reopen(t)
				p.backup.reopen(t)
				p.serve()
			}
			_, err := p.tryPull(t, Request{})
			must(t, err)
			if diff := difference(own, describe(t, db(p.backup))); diff != "" {
				t.Fatalf("round %d: the state that the former primary has of the database was touched\n%s", round, diff)
			}
			if page, err := os.ReadFile(p.backup.tree + "/page"); at != "." && (err != nil || string(page) != strconv.Itoa(round)) {
				t.Fatalf("round %d: the page is %q, %v", round, page, err)
			}
			if m := p.primary.Moving(); len(m) != 1 || m[0].Path != at || m[0].By == "" || !m[0].Was.IsZero() || !m[0].LeftOut {
				t.Errorf("round %d: named is %+v", round, m)
			}
			if left := p.backup.LeftOut.List(); len(left) != 1 {
				t.Errorf("round %d: the backup tells of %q", round, left)
			}
			if _, err := os.Lstat(p.backup.tree + "/.baton-staging"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("round %d: something is staged: %v", round, err)
			}
		}
		s.end(t, db(p.backup)) // it is listed there
		for _, line := range differing(t, p.compared(t, kept.Here)) {
			if !strings.Contains(line, "was not compared") && !strings.HasPrefix(line, ". ") {
				t.Errorf("both sides compared: %s", line)
			}
		}
		if _, err := p.tryPull(t, Request{Final: true}); !errors.Is(err, source.ErrChanging) {
			t.Errorf("the final data sync of a switch left a database behind: %v", err)
		}
		running.end(t, db(p.primary))
		p.pull(t)
		if m := p.primary.Moving(); len(m) != 0 {
			t.Errorf("at rest, named is %+v", m)
		}
		if left := p.backup.LeftOut.List(); len(left) > 0 {
			t.Errorf("at rest, the backup tells of %q", left)
		}
		expectAmongKept(t, p.backup, "base/5/table", "written before the takeover")
		expectAmongKept(t, p.backup, "base/5/other", "made before the takeover")
	})
}

// TestADatabaseServerThatRunsOnAfterTwoTakeovers has each side go on with its own state of the database; what either wrote is there in the end.
func TestADatabaseServerThatRunsOnAfterTwoTakeovers(t *testing.T) {
	for _, at := range []string{"sites/db", "."} {
		t.Run(filepath.Base(at), func(t *testing.T) {
			p := newPair(t)
			s, db := postgres{}, func(a *appliance) string { return filepath.Join(a.tree, at) }
			s.end(t, db(p.primary))
			write(t, db(p.primary)+"/base/5/table", "at rest")
			p.pull(t)
			s.begin(t, db(p.primary))
			write(t, db(p.primary)+"/base/5/table", "written on the first")
			p.takenOver(t)
			s.begin(t, db(p.primary))
			write(t, db(p.primary)+"/base/5/table", "written on the second")
			p.mustPull(t)
			p.takenOver(t)
			second := describe(t, db(p.backup))
			write(t, db(p.primary)+"/base/5/table", "written on the first again")
			for range 2 {
				p.mustPull(t)
				if diff := difference(second, describe(t, db(p.backup))); diff != "" {
					t.Fatalf("the state of the second was touched\n%s", diff)
				}
			}
			s.end(t, db(p.primary))
			p.pull(t)
			expectAmongKept(t, p.backup, "base/5/table", "written on the second")
			if b, err := os.ReadFile(db(p.backup) + "/base/5/table"); err != nil || string(b) != "written on the first again" {
				t.Errorf("in the end it is %q, %v", b, err)
			}
		})
	}
}

// TestPowerCutBesideADatabaseServerThatRunsOn cuts the power of the former primary at every step: the state that it has of the database stays, and the rest is
// of one snapshot or the other.
func TestPowerCutBesideADatabaseServerThatRunsOn(t *testing.T) {
	for _, at := range []string{"sites/db", "."} {
		t.Run(filepath.Base(at), func(t *testing.T) {
			p := newPair(t)
			s, db := postgres{}, filepath.Join(p.primary.tree, at)
			s.end(t, db)
			write(t, db+"/base/5/table", "at rest")
			write(t, p.primary.tree+"/pages/page", "first")
			write(t, p.primary.tree+"/pages/gone", "first")
			p.pull(t)
			s.begin(t, db)
			write(t, db+"/base/5/table", "written before the takeover")
			p.takenOver(t)
			t.Setenv("BATON_CRASH_EPOCH", fmt.Sprint(p.epoch.Counter, " ", p.epoch.Holder))
			db = filepath.Join(p.primary.tree, at)
			s.begin(t, db)
			write(t, db+"/base/5/table", "written after it")
			write(t, p.primary.tree+"/pages/page", "second")
			must(t, os.Remove(p.primary.tree+"/pages/gone"))
			own := describe(t, filepath.Join(p.backup.tree, at))
			former := p.backup
			for step := 1; ; step++ {
				dir := filepath.Join(t.TempDir(), "former")
				clone(t, former.dir, dir)
				cut := crash(t, dir, p.server.URL, step)
				p.backup = newAppliance(t, dir, dir+"/tree")
				must(t, p.backup.Torn())
				for _, round := range []string{"after the start", "after a data sync"} {
					if diff := difference(own, describe(t, filepath.Join(p.backup.tree, at))); diff != "" {
						t.Fatalf("step %d, %s: the state that the former primary has of the database was touched\n%s", step, round, diff)
					}
					page, err := os.ReadFile(p.backup.tree + "/pages/page")
					_, gone := os.Lstat(p.backup.tree + "/pages/gone")
					if at != "." && (err != nil || (string(page) == "second") != errors.Is(gone, os.ErrNotExist)) {
						t.Fatalf("step %d, %s: the page is %q, %v, and the other one: %v", step, round, page, err, gone)
					}
					p.mustPull(t)
				}
				if page, _ := os.ReadFile(p.backup.tree + "/pages/page"); at != "." && string(page) != "second" {
					t.Fatalf("step %d: the page is %q", step, page)
				}
				if !cut {
					t.Logf("%d steps", step)
					break
				}
			}
		})
	}
}

// takenOver has the backup take over from a primary that fails, and comes back.
func (p *pairOf) takenOver(t *testing.T) {
	t.Helper()
	must(t, p.backup.Settle(t.Context()))
	failed := p.epoch
	p.swap("b")
	_, err := p.backup.SetAside(t.Context(), failed, pair.AnySnapshot)
	must(t, err)
}

// expectAmongKept wants a file in a diverged copy, by the end of its path.
func expectAmongKept(t *testing.T, a *appliance, path, content string) {
	t.Helper()
	copies, err := a.Diverged.All()
	must(t, err)
	for _, c := range copies {
		for _, f := range c.Files {
			b, err := os.ReadFile(filepath.Join(a.opt.Dir, "diverged", c.ID, "files", f.Data, f.Path))
			if strings.HasSuffix(f.Path, path) && err == nil && string(b) == content {
				return
			}
		}
	}
	t.Errorf("%s is not kept as %q", path, content)
}

// TestADatabaseServerThatWritesWhileItIsSetAside has a server that Baton does not run write on the former primary: a copy of its files would be of several moments.
func TestADatabaseServerThatWritesWhileItIsSetAside(t *testing.T) {
	for _, change := range []string{"base/5/table", "base/5/new", "PG_VERSION"} {
		t.Run(filepath.Base(change), func(t *testing.T) {
			p := newPair(t)
			s, db := postgres{}, p.primary.tree+"/db"
			s.end(t, db)
			write(t, db+"/base/5/table", "at rest")
			p.pull(t)
			s.begin(t, db)
			write(t, db+"/base/5/table", "written")
			former, writes := p.primary, true
			former.opt.Hook = func(step string) {
				if step == "copy-diverged" && writes {
					write(t, filepath.Join(db, change), "written meanwhile")
				}
			}
			former.reopen(t)
			failed := p.epoch
			p.swap("b")
			if _, err := former.SetAside(t.Context(), failed, pair.AnySnapshot); !errors.Is(err, source.ErrChanging) || !strings.Contains(err.Error(), "stop that database server") {
				t.Errorf("it ended with %v", err)
			}
			if copies, err := former.Diverged.All(); err != nil || len(copies) > 0 {
				t.Errorf("kept are %v, %v", copies, err)
			}
			writes = false
			_, err := former.SetAside(t.Context(), failed, pair.AnySnapshot)
			must(t, err)
			expectAmongKept(t, former, change, "written meanwhile")
		})
	}
}

// TestTheDiskOfDataThatIsLeftOutIsWatched has a server that runs right in a protected directory, which lies on a disk of its own on the backup.
func TestTheDiskOfDataThatIsLeftOutIsWatched(t *testing.T) {
	p := newPair(t)
	at := filepath.Join(p.backup.dir, "mounted")
	unmount := mounted(t, at)
	p.backup = newAppliance(t, p.backup.dir, at+"/disk")
	postgres{}.end(t, p.primary.tree)
	postgres{}.begin(t, p.primary.tree)
	p.mustPull(t)
	if left := p.backup.LeftOut.List(); len(left) != 1 || left[0] != `all of "files"` {
		t.Errorf("left out is %q", left)
	}
	p.backup.opt.Hook = func(step string) {
		if step != "save-state" {
			return
		}
		was := p.backup.data
		p.backup.data.Name = "other" // the definitions are in place before the snapshot is the newest
		if left := p.backup.LeftOut.List(); len(left) != 1 || left[0] != `all of "files"` {
			t.Errorf("while a snapshot is put into place, left out is %q", left)
		}
		p.backup.data = was
	}
	p.backup.reopen(t)
	_ = p.backup.LeftOut.List()
	must(t, os.WriteFile(p.primary.site.path, []byte("other settings"), 0o600))
	p.mustPull(t)
	p.backup.Offer(pair.Epoch{Counter: 2, Holder: "b"})
	if left := p.backup.LeftOut.List(); len(left) > 0 {
		t.Errorf("of a primary, left out is %q", left)
	}
	p.backup.Withdraw()
	if _, err := os.Lstat(p.backup.tree); err != nil {
		t.Errorf("a takeover would not find the directory: %v", err)
	}
	unmount()
	for range 2 {
		p.backup.CheckMounts()
		if err := p.backup.Torn(); err == nil || !strings.Contains(err.Error(), at) {
			t.Errorf("the decision is not told: %v", err)
		}
		if _, err := p.tryPull(t, Request{}); !errors.Is(err, refusal.ErrShrink) {
			t.Errorf("told: %v", err)
		}
		if names, _ := os.ReadDir(at); len(names) != 0 {
			t.Fatalf("the system's disk is filled: %v", names)
		}
		p.backup.reopen(t)
	}
}

// TestABackupThatKnowsNoPatternsIsGivenNoOtherState asks as a version that takes what is left out for removed.
func TestABackupThatKnowsNoPatternsIsGivenNoOtherState(t *testing.T) {
	p := newPair(t)
	db := p.primary.tree + "/db"
	postgres{}.end(t, db)
	ask := wire.Question{Epoch: p.epoch, Scheme: manifest.Newest, Version: 2}
	_, err := asked(t, p.primary.Engine, ask)
	must(t, err)
	postgres{}.begin(t, db)
	if _, err := asked(t, p.primary.Engine, ask); !errors.Is(err, refusal.ErrRefused) || !strings.Contains(err.Error(), "update Baton there") {
		t.Errorf("told: %v", err)
	}
}

// TestADatabaseServerThatCannotBeLeftOut has a path that no pattern names alone.
func TestADatabaseServerThatCannotBeLeftOut(t *testing.T) {
	p := newPair(t)
	db := p.primary.tree + "/a\nb"
	postgres{}.end(t, db)
	postgres{}.begin(t, db)
	if _, err := p.tryPull(t, Request{}); !errors.Is(err, source.ErrChanging) || !strings.Contains(err.Error(), "cannot be left out") {
		t.Errorf("told: %v", err)
	}
}

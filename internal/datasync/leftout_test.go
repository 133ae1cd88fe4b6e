package datasync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"baton/internal/datasync/refusal"
	"baton/internal/pair"
)

// excluding has both appliances exclude patterns.
func (p *pairOf) excluding(t *testing.T, patterns ...string) {
	t.Helper()
	for _, a := range []*appliance{p.primary, p.backup} {
		spec, err := pair.Directory{Path: "/srv/files"}.Excluding(patterns)
		must(t, err)
		a.data.Spec = spec
	}
}

// inAnotherState has the backup hold another state of a database than its newest snapshot, and the primary's server run.
func (p *pairOf) inAnotherState(t *testing.T, db string) {
	t.Helper()
	write(t, filepath.Join(p.backup.tree, db, "base/5/table"), "the backup's own")
	postgres{}.begin(t, filepath.Join(p.primary.tree, db))
	write(t, filepath.Join(p.primary.tree, db, "base/5/table"), "running")
}

// isKept checks that a data sync leaves a directory of the backup as it is, and that both sides say that it is left out.
func (p *pairOf) isKept(t *testing.T, what, db string, sync func()) {
	t.Helper()
	own := describe(t, filepath.Join(p.backup.tree, db))
	sync()
	if diff := difference(own, describe(t, filepath.Join(p.backup.tree, db))); diff != "" {
		t.Errorf("%s: what the backup has was changed\n%s", what, diff)
	}
	if left := p.backup.LeftOut.List(); len(left) != 1 {
		t.Errorf("%s: the backup says that %q is left out", what, left)
	}
	if m := p.primary.Moving(); len(m) == 0 || !m[0].LeftOut || !m[0].Was.IsZero() {
		t.Errorf("%s: the primary says %+v", what, m)
	}
}

// TestADirectoryWithoutADatabaseIsNoCopyOfOne has a data sync run while the directory of a server that begins later is empty, or is being made.
func TestADirectoryWithoutADatabaseIsNoCopyOfOne(t *testing.T) {
	for _, at := range []string{"db", "."} {
		for _, partly := range []bool{false, true} {
			t.Run(fmt.Sprint(filepath.Base(at), partly), func(t *testing.T) {
				p := newPair(t)
				db := filepath.Join(p.primary.tree, at)
				must(t, os.MkdirAll(db, 0o700))
				if partly {
					write(t, db+"/PG_VERSION", "15\n")
					write(t, db+"/base/1/half", "half")
				}
				p.mustPull(t)
				postgres{}.end(t, db)
				postgres{}.begin(t, db)
				write(t, db+"/base/5/table", "orders")
				p.isKept(t, "it runs", at, func() { p.mustPull(t) })
			})
		}
	}
}

// TestADatabaseThatWasExcludedIsNoCopyOfOne follows the advice of the condition, and takes it back while the server runs.
func TestADatabaseThatWasExcludedIsNoCopyOfOne(t *testing.T) {
	for _, pattern := range []string{"/db/", "/db", "/db/base", "base", "/*/pg_wal", "/db/**"} {
		for _, had := range []bool{true, false} {
			t.Run(fmt.Sprint(pattern, had), func(t *testing.T) {
				p := newPair(t)
				write(t, p.primary.tree+"/page", "1")
				db := p.primary.tree + "/db"
				postgres{}.end(t, db)
				write(t, db+"/base/5/table", "v1")
				write(t, db+"/pg_wal/1", "log")
				if had {
					p.pull(t)
				}
				postgres{}.begin(t, db)
				write(t, db+"/base/5/table", "v2")
				p.excluding(t, pattern)
				p.mustPull(t)
				must(t, os.MkdirAll(p.backup.tree+"/db", 0o755)) // "/db" excludes it as well
				p.excluding(t)
				p.isKept(t, "no more excluded", "db", func() { p.mustPull(t) })
			})
		}
	}
}

// TestADatabaseInADatabaseIsKept has a server begin in whose directory is that of another one, which is left out.
func TestADatabaseInADatabaseIsKept(t *testing.T) {
	p := newPair(t)
	outer, inner := p.primary.tree+"/outer", p.primary.tree+"/outer/inner"
	(&innoDB{}).end(t, outer)
	postgres{}.end(t, inner)
	write(t, inner+"/base/5/table", "v1")
	p.pull(t)
	p.inAnotherState(t, "outer/inner")
	p.isKept(t, "the inner one runs", "outer/inner", func() { p.mustPull(t) })
	(&innoDB{}).begin(t, outer)
	p.isKept(t, "both run", "outer", func() { p.mustPull(t) })
}

// TestTheShrinkGuardSeesWhatWasLeftOut has the disk of a server's directory not mounted after the primary was started anew.
func TestTheShrinkGuardSeesWhatWasLeftOut(t *testing.T) {
	for _, at := range []string{"db", "."} {
		for _, restarted := range []bool{false, true} {
			t.Run(fmt.Sprint(filepath.Base(at), restarted), func(t *testing.T) {
				p := newPair(t)
				db := filepath.Join(p.primary.tree, at)
				postgres{}.end(t, db)
				for i := range 40 {
					write(t, fmt.Sprint(db, "/base/5/", i), fmt.Sprint("table ", i))
				}
				write(t, db+"/base/5/table", "v1")
				p.pull(t)
				p.inAnotherState(t, at)
				p.mustPull(t)
				if restarted {
					p.primary.reopen(t)
					p.backup.reopen(t)
					p.serve()
				}
				if left := p.backup.LeftOut.List(); len(left) != 1 {
					t.Fatalf("it says that %q is left out", left)
				}
				names, err := os.ReadDir(db)
				must(t, err)
				for _, n := range names {
					must(t, os.RemoveAll(db+"/"+n.Name()))
				}
				for range 2 {
					if _, err := p.tryPull(t, Request{}); !errors.Is(err, refusal.ErrShrink) {
						t.Fatalf("the backup was emptied: %v", err)
					}
				}
				_, err = p.tryPull(t, Request{AcceptShrink: true})
				must(t, err)
				expectAmongKept(t, p.backup, filepath.Join(at, "base/5/table"), "the backup's own")
			})
		}
	}
}

// TestAnotherDatabaseWithTheNumberOfOneThatWasRemoved has a new server's directory where the file system gives it the number of an old one.
func TestAnotherDatabaseWithTheNumberOfOneThatWasRemoved(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "1")
	db := p.primary.tree + "/pg14"
	postgres{}.end(t, db)
	write(t, db+"/base/5/table", "customers")
	p.pull(t)
	number := func(at string) uint64 {
		info, err := os.Stat(at)
		must(t, err)
		return info.Sys().(*syscall.Stat_t).Ino
	}
	was, again := number(db), ""
	must(t, os.RemoveAll(db))
	for i := 0; i < 20 && again == ""; i++ {
		at := fmt.Sprint(p.primary.tree, "/pg15-", i)
		must(t, os.Mkdir(at, 0o755))
		if number(at) == was {
			again = at
		}
	}
	if again == "" {
		t.Skip("this file system gives no number again at once: set TMPDIR to a directory on ext4")
	}
	postgres{}.end(t, again)
	write(t, again+"/base/5/table", "new")
	postgres{}.begin(t, again)
	p.mustPull(t)
	if b, err := os.ReadFile(filepath.Join(p.backup.tree, filepath.Base(again), "base/5/table")); err == nil {
		t.Errorf("the new server's directory on the backup holds %q", b)
	}
	if left := p.backup.LeftOut.List(); len(left) != 1 {
		t.Errorf("left out is %q", left)
	}
}

// TestWhatIsLeftOutIsToldAsOfItsSnapshot has the definitions change on a backup that has taken over, and restarts it.
func TestWhatIsLeftOutIsToldAsOfItsSnapshot(t *testing.T) {
	for _, left := range []bool{false, true} {
		t.Run(strconv.FormatBool(left), func(t *testing.T) {
			p := newPair(t)
			p.excluding(t, "cache/")
			write(t, p.primary.tree+"/page", "1")
			if left {
				postgres{}.end(t, p.primary.tree+"/db")
				write(t, p.primary.tree+"/db/base/5/table", "v1")
				p.mustPull(t)
				p.inAnotherState(t, "db")
			}
			p.mustPull(t)
			b := p.backup
			must(t, b.Settle(t.Context()))
			if told := b.LeftOut.List(); (len(told) > 0) != left {
				t.Fatalf("it says that %q is left out", told)
			}
			must(t, b.LeftOut.Forget()) // the history has it
			b.Offer(p.epoch.Next("b"))
			b.data.Spec = pair.Directory{Path: "/srv/files"}
			b.opt.Data = func(context.Context) ([]pair.Data, error) {
				return []pair.Data{b.data, {Name: "new", Spec: pair.Directory{Path: "/srv/new"}}}, nil
			}
			b.reopen(t)
			if told := b.LeftOut.List(); len(told) > 0 {
				t.Errorf("after a restart it says that %q is left out", told)
			}
		})
	}
}

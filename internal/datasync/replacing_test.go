package datasync

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/datasync/source"
)

// runningPostgres is postgres with a process: what counts is its name, where it is, and that postmaster.pid names it.
type runningPostgres struct {
	postgres

	process *exec.Cmd
}

func (s *runningPostgres) begin(tb testing.TB, dir string) {
	tb.Helper()
	s.postgres.begin(tb, dir)
	program := filepath.Join(tb.TempDir(), "postgres")
	must(tb, os.WriteFile(program, []byte("#!/bin/sh\nread line\n"), 0o700))
	s.process = exec.Command(program)
	s.process.Dir = dir
	input, err := s.process.StdinPipe()
	must(tb, err)
	must(tb, s.process.Start())
	tb.Cleanup(func() { _ = input.Close() })
	write(tb, dir+"/postmaster.pid", fmt.Sprintf("%d\n%s\n", s.process.Process.Pid, dir))
}

func (s *runningPostgres) end(tb testing.TB, dir string) {
	tb.Helper()
	s.kill(tb)
	s.postgres.end(tb, dir)
}

// kill ends the process alone.
func (s *runningPostgres) kill(tb testing.TB) {
	tb.Helper()
	if s.process != nil {
		must(tb, s.process.Process.Kill())
		_ = s.process.Wait()
		s.process = nil
	}
}

// TestADatabaseServerThatRunsOnTheBackupIsNotReplaced has the server of a former primary run on, while that of the new one is at rest.
func TestADatabaseServerThatRunsOnTheBackupIsNotReplaced(t *testing.T) {
	for name, s := range map[string]dbServer{"PostgreSQL": &runningPostgres{}, "InnoDB": &innoDB{}} {
		for _, at := range []string{"sites/db", "."} {
			t.Run(name+" in "+filepath.Base(at), func(t *testing.T) {
				p := newPair(t)
				db := func(a *appliance) string { return filepath.Join(a.tree, at) }
				s.end(t, db(p.primary))
				write(t, db(p.primary)+"/base/5/table", "at rest")
				write(t, db(p.primary)+"/base/5/index", "at rest")
				p.pull(t)
				s.begin(t, db(p.primary))
				write(t, db(p.primary)+"/base/5/table", "former")
				p.takenOver(t)
				write(t, db(p.primary)+"/base/5/table", "new")
				own := describe(t, p.backup.tree)
				refused := func(what string) {
					t.Helper()
					_, err := p.tryPull(t, Request{})
					if !errors.Is(err, source.ErrBlocked) || !strings.Contains(err.Error(), "stop it on this machine") || !strings.Contains(err.Error(), db(p.backup)) {
						t.Errorf("%s: told: %v", what, err)
					}
					if diff := difference(own, describe(t, p.backup.tree)); diff != "" {
						t.Fatalf("%s: the files of a server that runs were touched\n%s", what, diff)
					}
				}
				refused("new content")
				if at != "." {
					must(t, os.Rename(p.primary.tree+"/sites", p.primary.tree+"/renamed"))
					refused("renamed")
					must(t, os.RemoveAll(p.primary.tree+"/renamed"))
					write(t, p.primary.tree+"/sites", "a file")
					refused("removed")
					must(t, os.Remove(p.primary.tree+"/sites"))
				}
				s.end(t, db(p.backup))
				(&innoDB{}).end(t, p.primary.tree+"/other")
				p.pull(t)
				expectAmongKept(t, p.backup, "base/5/table", "former")
			})
		}
	}
}

// TestADatabaseServerThatBeginsOnTheBackupIsNotReplaced has it begin while the data sync receives.
func TestADatabaseServerThatBeginsOnTheBackupIsNotReplaced(t *testing.T) {
	p, server := newPair(t), &innoDB{}
	(&innoDB{}).end(t, p.primary.tree+"/db")
	write(t, p.primary.tree+"/page", "1")
	p.pull(t)
	write(t, p.primary.tree+"/db/table", "new")
	p.backup.opt.Hook = func(step string) {
		if step == "sync-staging" {
			server.begin(t, p.backup.tree+"/db")
		}
	}
	p.backup.reopen(t)
	if _, err := p.tryPull(t, Request{}); !errors.Is(err, source.ErrBlocked) {
		t.Errorf("told: %v", err)
	}
	if _, err := os.Lstat(p.backup.tree + "/db/table"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was replaced: %v", err)
	}
	server.end(t, p.backup.tree+"/db")
	p.backup.opt.Hook = nil
	p.backup.reopen(t)
	p.pull(t)
}

// TestADatabaseServerThatWasKilledIsReplaced has a postmaster.pid that tells of no server in that directory.
func TestADatabaseServerThatWasKilledIsReplaced(t *testing.T) {
	for name, stale := range map[string]func(t *testing.T, dir string){
		"it ended": func(t *testing.T, dir string) {
			t.Helper()
			s := &runningPostgres{}
			s.begin(t, dir)
			s.kill(t)
		},
		"another program has its number": func(t *testing.T, dir string) {
			t.Helper()
			write(t, dir+"/postmaster.pid", fmt.Sprintln(os.Getpid()))
		},
		"a server elsewhere has its number": func(t *testing.T, dir string) {
			t.Helper()
			s, elsewhere := &runningPostgres{}, t.TempDir()
			s.begin(t, elsewhere)
			t.Cleanup(func() { s.kill(t) })
			write(t, dir+"/postmaster.pid", fmt.Sprintln(s.process.Process.Pid))
		},
		"no number": func(t *testing.T, dir string) {
			t.Helper()
			write(t, dir+"/postmaster.pid", "none\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t)
			postgres{}.end(t, p.primary.tree+"/db")
			p.pull(t)
			stale(t, p.backup.tree+"/db")
			write(t, p.primary.tree+"/db/base/5/table", "new")
			p.pull(t)
		})
	}
}

// TestWhatADatabaseServerWritesBeforeItIsReplacedIsKept has that of a former primary write at each step before the journal is there.
func TestWhatADatabaseServerWritesBeforeItIsReplacedIsKept(t *testing.T) {
	for _, step := range []string{"copy-diverged", "sync-staging", "save-steps", "save-next-state", "write-record"} {
		t.Run(step, func(t *testing.T) {
			p := newPair(t)
			db, s := func(a *appliance) string { return a.tree + "/db" }, postgres{}
			s.end(t, db(p.primary))
			write(t, db(p.primary)+"/base/5/table", "at rest")
			write(t, p.primary.tree+"/page", "1")
			p.pull(t)
			s.begin(t, db(p.primary))
			write(t, db(p.primary)+"/base/5/table", "before the takeover")
			p.takenOver(t)
			s.begin(t, db(p.primary))
			write(t, db(p.primary)+"/base/5/table", "on the new primary")
			p.mustPull(t)
			write(t, db(p.backup)+"/base/5/table", "orders of weeks")
			s.end(t, db(p.primary))
			write(t, p.primary.tree+"/page", "2")
			p.backup.opt.Hook = func(now string) {
				if now == step {
					write(t, db(p.backup)+"/base/5/table", "the last order")
				}
			}
			p.backup.reopen(t)
			if _, err := p.tryPull(t, Request{}); !errors.Is(err, source.ErrChanging) || !strings.Contains(err.Error(), "stop that database server on this machine") {
				t.Errorf("told: %v", err)
			}
			must(t, p.backup.Torn())
			for name, want := range map[string]string{"db/base/5/table": "the last order", "page": "1"} {
				if b, err := os.ReadFile(filepath.Join(p.backup.tree, name)); err != nil || string(b) != want {
					t.Errorf("%s is %.100q, %v", name, b, err)
				}
			}
			p.backup.opt.Hook = nil
			p.backup.reopen(t)
			p.pull(t)
			expectAmongKept(t, p.backup, "db/base/5/table", "the last order")
		})
	}
}

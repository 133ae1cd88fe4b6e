package datasync

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"baton/internal/datasync/source"
)

// realServer is how a database server of this machine is made, runs and is asked.
type realServer struct {
	user          string
	install       string // where its programs are
	make, run     func(dir string) []string
	ask           func(dir, sql string) []string
	crashedIsRest bool // what a killed one leaves is copied
}

func realServers() map[string]realServer {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	pg := ""
	if len(found) > 0 {
		pg = filepath.Dir(found[0]) + "/"
	}
	return map[string]realServer{
		"PostgreSQL": {
			user: "postgres", install: pg + "initdb",
			make: func(dir string) []string { return []string{pg + "initdb", "-A", "trust", "-D", dir} },
			run: func(dir string) []string {
				return []string{pg + "postgres", "-D", dir, "-k", filepath.Dir(dir), "-c", "listen_addresses="}
			},
			ask: func(dir, sql string) []string {
				return []string{pg + "psql", "-h", filepath.Dir(dir), "-d", "postgres", "-Atqc", sql}
			},
		},
		"MariaDB": {
			user: "mysql", install: "/usr/sbin/mariadbd", crashedIsRest: true,
			make: func(dir string) []string {
				return []string{"mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-flush-method=fsync", "--datadir=" + dir}
			},
			run: func(dir string) []string {
				return []string{"/usr/sbin/mariadbd", "--no-defaults", "--innodb-flush-method=fsync", "--skip-networking", "--datadir=" + dir, "--socket=" + filepath.Dir(dir) + "/sock", "--pid-file=" + filepath.Dir(dir) + "/pid"}
			},
			ask: func(dir, sql string) []string {
				return []string{"mariadb", "--no-defaults", "-uroot", "-S", filepath.Dir(dir) + "/sock", "-Ne", sql, "mysql"}
			},
		},
	}
}

// as makes a command that runs as the server's user.
func (s realServer) as(t *testing.T, args []string) *exec.Cmd {
	t.Helper()
	u, err := user.Lookup(s.user)
	must(t, err)
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	c := exec.CommandContext(t.Context(), args[0], args[1:]...)
	c.Dir, c.Env = "/", append(os.Environ(), "TMPDIR=/tmp")
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return c
}

// home makes a directory of the server's in a tree, and returns where its data lies.
func (s realServer) home(t *testing.T, tree string) string {
	t.Helper()
	for at := filepath.Dir(tree); at != filepath.Clean(os.TempDir()) && at != "/"; at = filepath.Dir(at) {
		must(t, os.Chmod(at, 0o755))
	}
	must(t, os.MkdirAll(tree+"/home", 0o755))
	u, err := user.Lookup(s.user)
	must(t, err)
	uid, _ := strconv.Atoi(u.Uid)
	must(t, os.Chown(tree+"/home", uid, -1))
	return tree + "/home/data"
}

// begin runs the server, and waits until it answers. It is started again if it ends before: what one that was killed has started may not have ended yet.
func (s realServer) begin(t *testing.T, dir string) (end func(syscall.Signal)) {
	t.Helper()
	var c *exec.Cmd
	var said bytes.Buffer
	ended := make(chan struct{})
	start := func() {
		said.Reset()
		c, ended = s.as(t, s.run(dir)), make(chan struct{})
		c.Stderr = &said
		must(t, c.Start())
		go func() { _ = c.Wait(); close(ended) }()
	}
	start()
	for deadline := time.Now().Add(time.Minute); s.as(t, s.ask(dir, "select 1")).Run() != nil; time.Sleep(20 * time.Millisecond) {
		select {
		case <-ended:
			if time.Now().After(deadline) {
				t.Fatalf("the server does not start: %s", said.String())
			}
			start()
		default:
			if time.Now().After(deadline) {
				t.Fatal("the server does not answer")
			}
		}
	}
	return func(signal syscall.Signal) {
		t.Helper()
		must(t, c.Process.Signal(signal))
		<-ended
	}
}

func (s realServer) query(t *testing.T, dir, sql string) string {
	t.Helper()
	out, err := s.as(t, s.ask(dir, sql)).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %s", sql, out)
	}
	return strings.TrimSpace(string(out))
}

// needed skips the test where the server cannot be run.
func (s realServer) needed(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(s.install); err != nil || os.Getuid() != 0 {
		t.Skipf("%s is not installed here, or this is not root", t.Name())
	}
}

// made makes a database in a tree, with one empty table, and returns its directory.
func (s realServer) made(t *testing.T, tree string) (db string) {
	t.Helper()
	db = s.home(t, tree)
	if out, err := s.as(t, s.make(db)).CombinedOutput(); err != nil {
		t.Fatalf("%s", out)
	}
	end := s.begin(t, db)
	s.query(t, db, "create table t (n int)")
	end(syscall.SIGTERM)
	return db
}

// hasRows starts a server in a directory, counts what its table has, and stops it.
func (s realServer) hasRows(t *testing.T, dir string, rows int) {
	t.Helper()
	end := s.begin(t, dir)
	if n := s.query(t, dir, "select count(*) from t"); n != strconv.Itoa(rows) {
		t.Errorf("there are %s rows of %d", n, rows)
	}
	end(syscall.SIGTERM)
}

// TestRealDatabaseServersAreCopiedAtRest has the servers of this machine write while data syncs run, and asks the copy of one that was stopped, or
// killed where that is at rest.
func TestRealDatabaseServersAreCopiedAtRest(t *testing.T) {
	for name, s := range realServers() {
		t.Run(name, func(t *testing.T) {
			s.needed(t)
			p := newPair(t)
			db := s.made(t, p.primary.tree)
			p.pull(t)
			before := describe(t, p.backup.tree+"/home/data")

			end := s.begin(t, db)
			rows := 0
			for range 5 {
				for range 20 {
					s.query(t, db, "insert into t values (1), (2), (3)")
					rows += 3
				}
				write(t, p.primary.tree+"/page", strconv.Itoa(rows))
				_, err := p.tryPull(t, Request{})
				must(t, err)
				if diff := difference(before, describe(t, p.backup.tree+"/home/data")); diff != "" {
					t.Fatalf("of a server that runs was copied\n%s", diff)
				}
				if page, err := os.ReadFile(p.backup.tree + "/page"); err != nil || string(page) != strconv.Itoa(rows) {
					t.Errorf("the page is %q, %v", page, err)
				}
			}
			if _, err := p.tryPull(t, Request{Final: true}); !errors.Is(err, source.ErrChanging) {
				t.Errorf("the final data sync ended with %v", err)
			}
			if end(syscall.SIGKILL); !s.crashedIsRest {
				if _, err := p.tryPull(t, Request{Final: true}); !errors.Is(err, source.ErrChanging) {
					t.Errorf("of one that was killed, the final data sync ended with %v", err)
				}
				s.begin(t, db)(syscall.SIGTERM)
			}
			_, err := p.tryPull(t, Request{Final: true})
			must(t, err)
			same(t, p.primary.tree, p.backup.tree)
			copied := s.home(t, p.backup.tree)
			s.hasRows(t, copied, rows)
		})
	}
}

// TestARealDatabaseServerRunsOnAfterATakeover kills a server with its machine, runs it on the other one, and asks what the former primary has of it.
func TestARealDatabaseServerRunsOnAfterATakeover(t *testing.T) {
	for name, s := range realServers() {
		t.Run(name, func(t *testing.T) {
			s.needed(t)
			t.Setenv("TMPDIR", "/tmp") // in memory there are no times of what MariaDB writes through a mapping
			p := newPair(t)
			db := s.made(t, p.primary.tree)
			p.pull(t)
			end := s.begin(t, db)
			s.query(t, db, "insert into t values (1), (2), (3)")
			_, err := p.tryPull(t, Request{})
			must(t, err)
			end(syscall.SIGKILL)
			p.takenOver(t)
			own := describe(t, p.backup.tree+"/home/data")
			db = s.home(t, p.primary.tree)
			end = s.begin(t, db)
			for i := range 5 {
				s.query(t, db, "insert into t values (4)")
				write(t, p.primary.tree+"/page", strconv.Itoa(i))
				_, err := p.tryPull(t, Request{})
				must(t, err)
				if page, err := os.ReadFile(p.backup.tree + "/page"); err != nil || string(page) != strconv.Itoa(i) {
					t.Errorf("the page is %q, %v", page, err)
				}
			}
			if diff := difference(own, describe(t, p.backup.tree+"/home/data")); diff != "" {
				t.Fatalf("the state of the former primary was touched\n%s", diff)
			}
			copied := s.home(t, filepath.Join(t.TempDir(), "copied"))
			command(t, "cp", "-aT", p.backup.tree+"/home/data", copied)
			s.hasRows(t, copied, 3) // which a takeover would find
			end(syscall.SIGTERM)
			p.pull(t)
			copied = s.home(t, p.backup.tree)
			s.hasRows(t, copied, 5)
		})
	}
}

// TestARealDatabaseServerOnTheBackup starts one there, and kills it.
func TestARealDatabaseServerOnTheBackup(t *testing.T) {
	for name, s := range realServers() {
		t.Run(name, func(t *testing.T) {
			s.needed(t)
			t.Setenv("TMPDIR", "/tmp") // as above
			p := newPair(t)
			s.made(t, p.primary.tree)
			p.pull(t)
			copied := s.home(t, p.backup.tree)
			end := s.begin(t, copied)
			for range 2 {
				if _, err := p.tryPull(t, Request{}); !errors.Is(err, source.ErrBlocked) {
					t.Errorf("it ended with %v", err)
				}
			}
			s.query(t, copied, "insert into t values (1)")
			if n := s.query(t, copied, "select count(*) from t"); n != "1" {
				t.Errorf("the server on the backup has %s rows", n)
			}
			end(syscall.SIGKILL)
			p.pull(t)
		})
	}
}

package sqlite

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/sqlite/image"
	"baton/internal/pinned"
)

// program is a process of Debian's sqlite3 that keeps a database open.
type program struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
}

func begin(t *testing.T, path string) *program {
	t.Helper()
	p := &program{t: t, cmd: exec.Command("sqlite3", "-batch", path)}
	var err error
	p.in, err = p.cmd.StdinPipe()
	must(t, err)
	p.cmd.Stderr = os.Stderr
	must(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.in.Close(); _ = p.cmd.Wait() })
	return p
}

// do has it run statements, and waits until it has.
func (p *program) do(statements string) {
	p.t.Helper()
	ready := filepath.Join(p.t.TempDir(), "ready")
	_, _ = fmt.Fprintf(p.in, ".output /dev/null\n%s\n.output %s\nselect 'ready';\n.output\n", statements, ready)
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if s, err := os.Stat(ready); err == nil && s.Size() > 0 {
			return
		}
		if time.Now().After(end) {
			p.t.Fatal("no answer to", statements)
		}
	}
}

func (p *program) kill() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() }

// somewhere is an empty directory, and the path of a database that is not there yet.
func somewhere(t *testing.T) (*pinned.Dir, string) {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is not installed: apt-get install sqlite3")
	}
	dir := t.TempDir()
	top, err := pinned.Open(dir, nil)
	must(t, err)
	t.Cleanup(func() { _ = top.Close() })
	return top, filepath.Join(dir, "db")
}

const numbers = "create table t (id integer primary key, b blob);"

// copyOf reads an image, and reports whether that is worth something.
func copyOf(t *testing.T, i *image.Image) ([]byte, error) {
	t.Helper()
	b := make([]byte, i.Size())
	if _, err := i.ReadAt(b, 0); err != nil {
		return nil, err
	}
	return b, i.Check()
}

// ids is what SQLite says of a copy: whether it is whole, and which rows it has.
func ids(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "copy")
	must(t, os.WriteFile(path, content, 0o600))
	out, err := exec.Command("sqlite3", "-batch", path, "pragma integrity_check; select group_concat(id) from t").CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%.300s %v", out, err)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", " ")
}

// TestALogOfAnotherMomentIsNoContinuation puts a database and its log back as they were before, as from a backup: the log has the salt of the one that was read.
func TestALogOfAnotherMomentIsNoContinuation(t *testing.T) {
	for _, inUse := range []bool{false, true} {
		top, path := somewhere(t)
		p := begin(t, path)
		p.do("pragma journal_mode=wal; pragma wal_autocheckpoint=0;" + numbers + "insert into t values (1, randomblob(1000000)); insert into t values (2, randomblob(200000));")
		p.kill()
		safe := map[string][]byte{}
		for _, name := range []string{path, path + "-wal"} {
			b, err := os.ReadFile(name)
			must(t, err)
			safe[name] = b
		}
		f := follow("db")
		p = begin(t, path)
		p.do("pragma wal_autocheckpoint=0; insert into t values (3, randomblob(300000)); insert into t values (4, randomblob(20000));")
		p.kill()
		time.Sleep(50 * time.Millisecond)
		compare(t, f, top)
		for name, b := range safe {
			must(t, os.WriteFile(name, b, 0o600))
		}
		p = begin(t, path)
		p.do("pragma wal_autocheckpoint=0; update t set b=randomblob(200000) where id = 1; insert into t values (5, randomblob(1000)); insert into t values (7, randomblob(500000));")
		if !inUse {
			p.kill()
		}
		time.Sleep(50 * time.Millisecond)
		compare(t, f, top)
		i, err := f.look(t.Context(), top)
		must(t, err)
		content, err := copyOf(t, i)
		must(t, err)
		must(t, i.Close())
		if got := ids(t, content); got != "ok 1,2,5,7" {
			t.Errorf("in use %v: %s", inUse, got)
		}
	}
}

// filled is a database with a log that is all in the file, in a program that has it open.
func filled(t *testing.T, path string) *program {
	t.Helper()
	run(t, path, "pragma journal_mode=wal;"+numbers)
	p := begin(t, path)
	p.do("pragma wal_autocheckpoint=0; with recursive c(x) as (select 1 union all select x+1 from c limit 400) insert into t select x, randomblob(3000) from c; pragma wal_checkpoint(passive);")
	return p
}

// seesNoTornImage has a program write its log over while an image of its database is read, whose locks are not seen.
func seesNoTornImage(t *testing.T, p *program, top *pinned.Dir) {
	t.Helper()
	time.Sleep(50 * time.Millisecond)
	i, err := image.New("db").Read(t.Context(), top)
	if err != nil {
		return // as well
	}
	defer func() { _ = i.Close() }()
	p.do("insert into t values (1000, randomblob(900000)); insert into t values (1001, randomblob(600000));")
	if content, err := copyOf(t, i); err == nil {
		if got := ids(t, content); !strings.HasPrefix(got, "ok ") {
			t.Errorf("a torn image passes: %.100s", got)
		}
	}
}

// TestTheIndexOfALogIsRemoved while its program runs.
func TestTheIndexOfALogIsRemoved(t *testing.T) {
	top, path := somewhere(t)
	p := filled(t, path)
	must(t, os.Remove(path+"-shm"))
	seesNoTornImage(t, p, top)
}

// TestADatabaseInAnOverlay is used by way of the overlay, as by a container, and read in the directory below it, where no lock is seen.
func TestADatabaseInAnOverlay(t *testing.T) {
	base := t.TempDir()
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		must(t, os.Mkdir(filepath.Join(base, d), 0o700))
	}
	if out, err := exec.Command("mount", "-t", "overlay", "overlay", "-o", fmt.Sprintf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", base, base, base), base+"/merged").CombinedOutput(); err != nil {
		t.Skipf("no overlay can be mounted here: %s", out)
	}
	t.Cleanup(func() { _ = exec.Command("umount", "-l", base+"/merged").Run() })
	p := filled(t, base+"/merged/db")
	top, err := pinned.Open(base+"/upper", nil)
	must(t, err)
	defer func() { _ = top.Close() }()
	seesNoTornImage(t, p, top)
}

// TestAFileIsCutOffWhileItIsRead by what is no SQLite.
func TestAFileIsCutOffWhileItIsRead(t *testing.T) {
	top, path := somewhere(t)
	run(t, path, "pragma journal_mode=wal;"+numbers+"insert into t values (1, randomblob(1000000));")
	p := begin(t, path)
	p.do("replace into t values (2, 1); pragma wal_checkpoint(truncate);")
	i, err := image.New("db").Read(t.Context(), top)
	must(t, err)
	defer func() { _ = i.Close() }()
	must(t, os.Truncate(path, 8192))
	if content, err := copyOf(t, i); err == nil {
		t.Errorf("a file that was cut off is read: %s", ids(t, content))
	}
}

// TestADatabaseThatIsOnlyReadIsNotLocked since its program was started.
func TestADatabaseThatIsOnlyReadIsNotLocked(t *testing.T) {
	top, path := somewhere(t)
	run(t, path, "pragma journal_mode=wal;"+numbers+"insert into t values (1, randomblob(1000000));")
	p := begin(t, path)
	f := follow("db")
	p.do("select count(*) from t;")
	compare(t, f, top)
	p.do("insert into t values (2, 'x');")
	compare(t, f, top)
}

// TestAHeaderThatLies says that there are more pages than can be.
func TestAHeaderThatLies(t *testing.T) {
	for _, mode := range []string{"delete", "wal"} {
		top, path := somewhere(t)
		run(t, path, "pragma page_size=65536; pragma journal_mode="+mode+";"+numbers+"insert into t values (1, randomblob(100));")
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		must(t, err)
		_, err = f.WriteAt([]byte{0xff, 0xff, 0xff, 0xfe}, 28)
		must(t, err)
		must(t, f.Close())
		time.Sleep(50 * time.Millisecond)
		i, err := follow("db").look(t.Context(), top)
		if err == nil {
			if i.Size() > 1<<20 {
				t.Errorf("%s: it has %d bytes", mode, i.Size())
			}
			must(t, i.Close())
		}
	}
}

// TestWhatElseLiesBesideADatabase is waited for by nobody, and read by nobody.
func TestWhatElseLiesBesideADatabase(t *testing.T) {
	for _, mode := range []string{"wal", "delete"} {
		for _, suffix := range []string{"-wal", "-shm", "-journal"} {
			for what, put := range map[string]func(path string) error{
				"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
				"link":   func(path string) error { return os.Symlink("/dev/zero", path) },
				"dir":    func(path string) error { return os.Mkdir(path, 0o700) },
				"sparse": func(path string) error { return exec.Command("truncate", "-s", "1T", path).Run() },
			} {
				top, path := somewhere(t)
				run(t, path, "pragma journal_mode="+mode+";"+numbers)
				must(t, put(path+suffix))
				time.Sleep(30 * time.Millisecond)
				began := time.Now()
				i, err := image.New("db").Read(t.Context(), top)
				if err == nil {
					must(t, i.Close())
				}
				_, _ = image.New("db").Glance(top)
				if took := time.Since(began); took > 4*time.Second {
					t.Errorf("%s with a %s at %s: %v after %v", mode, what, suffix, err, took)
				}
			}
		}
	}
}

// TestAWALDatabaseShrinksAndGrows by pages that SQLite does not write, as they are free.
func TestAWALDatabaseShrinksAndGrows(t *testing.T) {
	top, path := somewhere(t)
	run(t, path, "pragma auto_vacuum=incremental; pragma journal_mode=wal;"+numbers+"create table u (b); create table v (b); insert into t values (1, randomblob(2000000)), (2, randomblob(3000000));")
	f := follow("db")
	p := begin(t, path)
	p.do("pragma secure_delete=off; pragma cache_size=-50000; pragma wal_autocheckpoint=0; replace into t values (3, 'x');")
	compare(t, f, top)
	reader := begin(t, path)
	p.do("delete from t where id = 2; pragma incremental_vacuum;")
	reader.do("begin; select count(*) from t;")
	p.do("pragma wal_checkpoint(passive);")
	p.do("begin; insert into u values (randomblob(2900000)); insert into v values (randomblob(100000)); delete from u; commit;")
	compare(t, f, top)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := f.spool(ctx, top, t.TempDir(), manifest.List{}, func(*image.Image) error { return nil })
	must(t, err)
	must(t, s.close())
}

// sparse makes a database of many pages that are holes.
func sparse(t *testing.T, path, mode string, pages int64) {
	t.Helper()
	run(t, path, "pragma journal_mode="+mode+";"+numbers+"insert into t values (1, randomblob(100));")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	var b [100]byte
	_, err = f.ReadAt(b[:], 0)
	must(t, err)
	binary.BigEndian.PutUint32(b[28:], uint32(pages))
	copy(b[92:96], b[24:28])
	_, err = f.WriteAt(b[:], 0)
	must(t, err)
	must(t, f.Truncate(pages*4096))
	must(t, f.Close())
}

// TestALookAtAJournaledDatabaseEnds while it is written to all the time: its writers wait for a moment then.
func TestALookAtAJournaledDatabaseEnds(t *testing.T) {
	top, path := somewhere(t)
	sparse(t, path, "delete", 100_000) // 400 MB
	p := begin(t, path)
	p.do(".timeout 20000\npragma synchronous=off;")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	longest, wrote := time.Duration(0), make(chan int)
	over, stop := context.WithCancel(ctx)
	go func() {
		n := 0
		for ; over.Err() == nil; n++ {
			began := time.Now()
			p.do("replace into t values (1, randomblob(100));")
			longest = max(longest, time.Since(began))
			time.Sleep(20 * time.Millisecond)
		}
		wrote <- n
	}()
	began := time.Now()
	i, err := follow("db").look(ctx, top)
	took := time.Since(began)
	if err == nil {
		err = i.Close()
	}
	stop()
	n := <-wrote
	must(t, err)
	t.Logf("a look took %v; %d transactions meanwhile, the longest %v", took, n, longest)
	if longest > 7*time.Second {
		t.Errorf("a transaction took %v", longest)
	}
}

// TestALogStaysSmallWhileItsDatabaseIsFollowed is that checkpoints have their turn.
func TestALogStaysSmallWhileItsDatabaseIsFollowed(t *testing.T) {
	top, path := somewhere(t)
	run(t, path, "pragma journal_mode=wal;"+numbers)
	p := begin(t, path)
	p.do("pragma synchronous=off;")
	f := follow("db")
	most := int64(0)
	for n := range 200 {
		p.do(fmt.Sprintf("replace into t values (%d, randomblob(130000));", n%8))
		if n%2 == 0 {
			i, err := f.look(t.Context(), top)
			must(t, err)
			must(t, i.Close())
		}
		if s, err := os.Stat(path + "-wal"); err == nil {
			most = max(most, s.Size())
		}
	}
	t.Logf("at most %d KiB", most>>10)
	if most > 16<<20 { // a checkpoint is due at 4 MiB
		t.Errorf("the log has %d MiB", most>>20)
	}
}

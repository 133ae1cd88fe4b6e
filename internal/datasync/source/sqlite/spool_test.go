package sqlite

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/sqlite/image"
	"baton/internal/pinned"
)

// slowSink takes content over a slow line.
type slowSink struct {
	old, got []byte
	perSec   int
	sent     int
}

func (s *slowSink) Data(b []byte) error {
	s.got = append(s.got, b...)
	s.sent += len(b)
	time.Sleep(time.Duration(len(b)) * time.Second / time.Duration(s.perSec))
	return nil
}

func (s *slowSink) Hole(n int64) error { return s.Data(make([]byte, n)) }

func (s *slowSink) Same(from, n int64) error {
	s.got = append(s.got, s.old[from:from+n]...)
	return nil
}

// TestADatabaseIsSentOverASlowLineWhileItIsWrittenTo sends it as a whole, and then what differs, over a line that takes longer than any
// program would wait for its checkpoints.
func TestADatabaseIsSentOverASlowLineWhileItIsWrittenTo(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is not installed: apt-get install sqlite3")
	}
	dir := t.TempDir()
	top, err := pinned.Open(dir, nil)
	must(t, err)
	defer func() { _ = top.Close() }()
	path := filepath.Join(dir, "db")
	run(t, path, "pragma journal_mode=wal; create table t (id integer primary key, b blob); insert into t select value, randomblob(3000) from generate_series(1, 4000);")
	r := rand.New(rand.NewPCG(1, 1))
	stop, stopped := make(chan struct{}), make(chan error, 1)
	largest := int64(0)
	go func() {
		cmd := exec.Command("sqlite3", "-batch", "-bail", path)
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		_, _ = fmt.Fprintln(in, ".output /dev/null\npragma synchronous=off;")
		for err == nil {
			select {
			case <-stop:
				_ = in.Close()
				stopped <- cmd.Wait()
				return
			default:
			}
			_, err = fmt.Fprintf(in, "insert or replace into t values (%d, randomblob(%d));\n", r.IntN(6000), r.IntN(6000))
			if s, err := os.Stat(path + "-wal"); err == nil {
				largest = max(largest, s.Size())
			}
			time.Sleep(2 * time.Millisecond)
		}
		stopped <- err
	}()
	f := follow("db")
	var old manifest.List
	var content []byte
	for n := range 3 {
		began := time.Now()
		s, err := f.spool(t.Context(), top, dir, old, func(*image.Image) error { return nil })
		must(t, err)
		sink := &slowSink{old: content, perSec: 12 << 20}
		must(t, s.sendTo(t.Context(), 0, sink))
		l := manifest.NewLister(f.block)
		_ = l.Data(sink.got)
		if got := (manifest.List{Size: int64(len(sink.got)), Blocks: l.Blocks()}); got.Hash() != s.list.Hash() {
			t.Fatal("what was sent is another content")
		}
		copied := filepath.Join(dir, fmt.Sprint("copy", n))
		must(t, os.WriteFile(copied, sink.got, 0o600))
		out, err := exec.Command("sqlite3", copied, "pragma integrity_check").Output()
		if verdict := strings.TrimSpace(string(out)); err != nil || verdict != "ok" {
			t.Fatalf("%s %v", verdict, err)
		}
		t.Logf("%d of %d bytes in %v", sink.sent, len(sink.got), time.Since(began))
		old, content = s.list, sink.got
		must(t, s.close())
	}
	close(stop)
	must(t, <-stopped)
	t.Logf("the log had %d bytes at most", largest)
	if largest > 32<<20 {
		t.Error("the checkpoints of the program were held back")
	}
}

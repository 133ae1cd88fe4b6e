package sqlite

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/pinned"
)

// TestTheListIsThatOfTheNewestTransaction compares the list that is kept up to date with one of the whole.
func TestTheListIsThatOfTheNewestTransaction(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is not installed: apt-get install sqlite3")
	}
	for _, mode := range []string{"wal", "delete"} {
		dir := t.TempDir()
		top, err := pinned.Open(dir, nil)
		must(t, err)
		defer func() { _ = top.Close() }()
		f := follow("db")
		path := filepath.Join(dir, "db")
		run(t, path, "pragma journal_mode="+mode+"; create table t (id integer primary key, b blob)")
		r := rand.New(rand.NewPCG(1, 1))
		end := time.Now().Add(4 * time.Second)
		for time.Now().Before(end) {
			written := make(chan error, 1)
			var script bytes.Buffer
			fmt.Fprintf(&script, ".timeout 20000\n.output /dev/null\npragma synchronous=off; pragma wal_autocheckpoint=%d;\n", []int{5, 100, 1000}[r.IntN(3)])
			for range 1 + r.IntN(200) {
				fmt.Fprintf(&script, "insert or replace into t values (%d, randomblob(%d));\n", r.IntN(1000), r.IntN(10000))
				if r.IntN(200) == 0 {
					script.WriteString("delete from t where id > 300; vacuum;\n")
				}
			}
			cmd := exec.Command("sqlite3", "-batch", "-bail", path)
			cmd.Stdin = &script
			go func() { written <- cmd.Run() }()
			for range 5 {
				compare(t, f, top)
				time.Sleep(time.Millisecond * time.Duration(r.IntN(20)))
			}
			must(t, <-written)
			compare(t, f, top)
		}
	}
}

func run(t *testing.T, path, statements string) {
	t.Helper()
	if out, err := exec.Command("sqlite3", "-batch", "-bail", path, statements).CombinedOutput(); err != nil {
		t.Fatalf("%s %v", out, err)
	}
}

func compare(t *testing.T, f *follower, top *pinned.Dir) {
	t.Helper()
	for {
		i, err := f.look(t.Context(), top)
		must(t, err)
		content := make([]byte, i.Size())
		_, err = i.ReadAt(content, 0)
		must(t, err)
		err = i.Check()
		must(t, i.Close())
		if err != nil {
			continue
		}
		l := manifest.NewLister(manifest.BlockSize(i.Size()))
		_ = l.Data(content)
		if whole := (manifest.List{Size: i.Size(), Blocks: l.Blocks()}); whole.Hash() != f.list.Hash() {
			for n := range whole.Blocks {
				if whole.Blocks[n] != f.list.Blocks[n] {
					t.Errorf("block %d of %d is another one", n, len(whole.Blocks))
				}
			}
			t.FailNow()
		}
		return
	}
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

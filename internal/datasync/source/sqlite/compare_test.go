package sqlite

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/pinned"
)

// TestABitThatFlipsIsFound has a block of a list be wrong, as after a change that was missed, and a database be compared with it.
func TestABitThatFlipsIsFound(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is not installed: apt-get install sqlite3")
	}
	dir := t.TempDir()
	run(t, filepath.Join(dir, "db"), "pragma journal_mode=wal; create table t (b); insert into t select randomblob(100000) from (values (1), (2), (3), (4), (5), (6), (7), (8), (9))")
	top, err := pinned.Open(dir, nil)
	must(t, err)
	defer func() { _ = top.Close() }()
	f := follow("db")
	look := func() {
		t.Helper()
		i, err := f.look(t.Context(), top)
		must(t, err)
		must(t, f.compare(t.Context(), i))
		must(t, i.Close())
	}
	look()
	right := append([]manifest.Hash(nil), f.list.Blocks...)
	f.list.Blocks[7][0] ^= 1
	if look(); f.comparison.differs || f.list.Blocks[7] == right[7] {
		t.Fatal("it is compared at each look")
	}
	f.comparison.ended = time.Now().Add(-time.Hour)
	if look(); !f.comparison.differs || f.list.Blocks[7] != right[7] {
		t.Errorf("found: %t, put right: %t", f.comparison.differs, f.list.Blocks[7] == right[7])
	}
	f.comparison.ended = time.Now().Add(-time.Hour)
	if look(); f.comparison.differs {
		t.Error("what is right by now is still told")
	}
	_ = os.Remove(filepath.Join(dir, "db"))
}

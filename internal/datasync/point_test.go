package datasync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"baton/internal/datasync/archive"
	"baton/internal/kept"
	"baton/internal/pair"
)

// withPoints has the backup make every snapshot a restore point.
func (p *pairOf) withPoints(tb testing.TB, most int) {
	tb.Helper()
	p.backup.opt.Points = most
	p.backup.reopen(tb)
}

// takeOut takes a whole restore point out, and describes it; what it lacks is returned.
func takeOut(tb testing.TB, from *Engine, number uint64) (described []string, lacks string) {
	tb.Helper()
	var packed bytes.Buffer
	must(tb, from.Points.Pack(tb.Context(), number, nil, &packed))
	whole := packed.Bytes()
	if i := bytes.Index(whole, []byte(archive.LacksName)); i >= 0 {
		lacks = string(bytes.Trim(whole[i+512:], "\x00"))
		whole = append(whole[:i:i], make([]byte, 1024)...)
	}
	dir := tb.TempDir()
	out := newAppliance(tb, filepath.Join(dir, "out"), filepath.Join(dir, "tree"))
	must(tb, os.Mkdir(out.tree, 0o755))
	_, err := out.Restore(tb.Context(), bytes.NewReader(whole), kept.KeepInPlace, atOnce)
	must(tb, err)
	return plainly(describe(tb, out.tree)), lacks
}

// holdsPoint checks that the first snapshot can be taken out, if it is a restore point.
func holdsPoint(tb testing.TB, from *Engine, held []string) {
	tb.Helper()
	for _, point := range from.Points.List().Points {
		if point.Number != 1 {
			continue
		}
		got, lacks := takeOut(tb, from, 1)
		for _, line := range plainly(held) {
			if strings.Contains(line, " mode=") && !slices.Contains(got, line) {
				tb.Errorf("the restore point has no %s, and lacks %q", line, lacks)
			}
		}
	}
}

// plainly leaves the data itself out, and what an archive does not tell: which names are of one file.
func plainly(lines []string) []string {
	var plain []string
	for _, line := range lines {
		if strings.HasPrefix(line, `"." `) {
			continue
		}
		if before, after, is := strings.Cut(line, " same as "); is {
			_, after, _ = strings.Cut(after, " size=")
			line = before + " size=" + after
		}
		plain = append(plain, line)
	}
	return plain
}

// TestARestorePointHoldsWhatASnapshotHeld changes everything that a sync can change, in several syncs.
func TestARestorePointHoldsWhatASnapshotHeld(t *testing.T) {
	p := newPair(t)
	p.withPoints(t, 100)
	root := p.primary.tree
	motley(t, root)
	write(t, root+"/dir/one", "one")
	write(t, root+"/dir/deep/two", "two")
	write(t, root+"/gone/three", "three")
	large := []byte(noise(2 << 20))
	must(t, os.WriteFile(root+"/large", large, 0o600))
	want := map[uint64][]string{}
	sync := func() {
		t.Helper()
		want[p.pull(t).Number] = plainly(describe(t, root))
	}
	sync()
	for i := range 4 { // changed in its place, at places that overlap
		copy(large[i*300_000:], strconv.Itoa(i)+noise(400_000))
		must(t, os.WriteFile(root+"/large", large, 0o600))
		write(t, root+"/index.html", fmt.Sprint("version ", i))
		sync()
	}
	must(t, errors.Join(os.Rename(root+"/dir", root+"/moved"), os.RemoveAll(root+"/gone")))
	sync()
	must(t, os.RemoveAll(root+"/moved"))
	write(t, root+"/moved", "a file now")
	sync()
	must(t, os.WriteFile(root+"/large", large[:700_000], 0o600))
	sync()
	must(t, os.Remove(root+"/large"))
	sync()
	check := func() {
		t.Helper()
		points := p.backup.Points.List().Points
		if len(points) != len(want)-1 {
			t.Fatalf("%d restore points, of %d snapshots", len(points), len(want))
		}
		for _, point := range points {
			got, lacks := takeOut(t, p.backup.Engine, point.Number)
			if diff := difference(want[point.Number], got); diff != "" || lacks != "" {
				t.Errorf("restore point %d lacks %q:\n%s", point.Number, lacks, diff)
			}
		}
	}
	check()
	p.backup.reopen(t)
	check()
	same(t, root, p.backup.tree)
	p.backup.Points.Set(2)
	p.backup.TendPoints(t.Context())
	if list := p.backup.Points.List(); len(list.Points) != 2 {
		t.Errorf("%+v", list)
	}
	for _, point := range p.backup.Points.List().Points {
		if got, lacks := takeOut(t, p.backup.Engine, point.Number); difference(want[point.Number], got) != "" || lacks != "" {
			t.Errorf("restore point %d after others were dropped lacks %q", point.Number, lacks)
		}
	}
	p.backup.Points.Set(0)
	p.backup.TendPoints(t.Context())
	if _, err := os.Lstat(p.backup.tree + "/.baton-points"); err == nil {
		t.Error("what no point needs is kept")
	}
}

// TestSkippedSnapshotsCostNothing has points far apart: what only snapshots between them had is not kept.
func TestSkippedSnapshotsCostNothing(t *testing.T) {
	p := newPair(t)
	root := p.primary.tree
	p.backup.opt.Points, p.backup.opt.PointsApart = 3, 0
	p.backup.reopen(t)
	large := []byte(noise(4 << 20))
	must(t, os.WriteFile(root+"/large", large, 0o600))
	write(t, root+"/small", "0")
	p.pull(t)
	want := plainly(describe(t, root))
	for i := range 6 {
		copy(large[i%2*100_000:], strconv.Itoa(i)+noise(50_000))
		must(t, os.WriteFile(root+"/large", large, 0o600))
		write(t, root+"/small", strings.Repeat("x", i+1))
		p.pull(t)
	}
	points := p.backup.Points.List().Points
	if len(points) != 1 {
		t.Fatalf("%d restore points", len(points))
	}
	got, lacks := takeOut(t, p.backup.Engine, points[0].Number)
	if diff := difference(want, got); diff != "" || lacks != "" {
		t.Fatalf("lacks %q:\n%s", lacks, diff)
	}
	p.backup.Points.Sweep(t.Context())
	if bytes := p.backup.Points.List().Bytes; bytes > 300_000 {
		t.Errorf("%d bytes are kept", bytes)
	}
	if names, err := os.ReadDir(p.backup.tree + "/.baton-points"); err != nil || len(names) != 3 {
		t.Errorf("kept: %v", names)
	}
}

// TestARestorePointTellsWhatItLacks has somebody write on the backup.
func TestARestorePointTellsWhatItLacks(t *testing.T) {
	p := newPair(t)
	p.withPoints(t, 3)
	write(t, p.primary.tree+"/a", "as it was")
	write(t, p.primary.tree+"/b", "as it was, too")
	first := p.pull(t)
	write(t, p.primary.tree+"/c", "new")
	p.pull(t)
	write(t, p.backup.tree+"/a", "not that!")
	got, lacks := takeOut(t, p.backup.Engine, first.Number)
	if lacks != "files/a\n" || len(got) != 1 || !strings.HasPrefix(got[0], `"b"`) {
		t.Errorf("lacks %q, has %q", lacks, got)
	}
}

// TestARestorePointHoldsWhatIsExcludedByNow has a pattern come that hides what lies in its place still.
func TestARestorePointHoldsWhatIsExcludedByNow(t *testing.T) {
	p := newPair(t)
	p.withPoints(t, 3)
	write(t, p.primary.tree+"/cache/a", "cached")
	write(t, p.primary.tree+"/page", "page")
	first := p.pull(t)
	want := plainly(describe(t, p.primary.tree))
	p.exclude(t, "/cache/")
	write(t, p.primary.tree+"/page", "newer page")
	p.mustPull(t)
	got, lacks := takeOut(t, p.backup.Engine, first.Number)
	if diff := difference(want, got); diff != "" || lacks != "" {
		t.Errorf("lacks %q:\n%s", lacks, diff)
	}
	p.backup.TendPoints(t.Context())
	if got, lacks := takeOut(t, p.backup.Engine, first.Number); difference(want, got) != "" || lacks != "" {
		t.Errorf("after it was tended, it lacks %q", lacks)
	}
}

// TestWhatIsKeptByAnotherIsNotUsed has the owner of a protected directory put a directory of his in the place of Baton's.
func TestWhatIsKeptByAnotherIsNotUsed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be somebody else")
	}
	p := newPair(t)
	p.withPoints(t, 3)
	write(t, p.primary.tree+"/a", "as it was")
	write(t, p.primary.tree+"/b", "as it is")
	first := p.pull(t)
	write(t, p.primary.tree+"/a", "new")
	p.pull(t)
	if got, lacks := takeOut(t, p.backup.Engine, first.Number); len(got) != 2 || lacks != "" {
		t.Fatalf("lacks %q, has %q", lacks, got)
	}
	must(t, os.Chown(p.backup.tree+"/.baton-points", 1000, 1000))
	got, lacks := takeOut(t, p.backup.Engine, first.Number)
	if lacks != "files/a\n" || len(got) != 1 || !strings.HasPrefix(got[0], `"b"`) {
		t.Errorf("lacks %q, has %q", lacks, got)
	}
	write(t, p.primary.tree+"/b", "new as well")
	p.pull(t)
	if info, err := os.Lstat(p.backup.tree + "/.baton-points"); err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("it is still of another: %v, %v", info, err)
	}
	if got, lacks = takeOut(t, p.backup.Engine, first.Number); lacks != "files/a\n" || len(got) != 1 {
		t.Errorf("lacks %q, has %q", lacks, got)
	}
}

// TestADirectoryThatIsProtectedNoLongerKeepsNothing has its last restore point dropped.
func TestADirectoryThatIsProtectedNoLongerKeepsNothing(t *testing.T) {
	p := newPair(t)
	p.withPoints(t, 3)
	write(t, p.primary.tree+"/a", "old")
	first := p.pull(t)
	write(t, p.primary.tree+"/a", "new")
	p.pull(t)
	p.primary.opt.Data = func(context.Context) ([]pair.Data, error) { return nil, nil }
	p.primary.reopen(t)
	p.serve()
	p.mustPull(t)
	p.backup.TendPoints(t.Context())
	if got, lacks := takeOut(t, p.backup.Engine, first.Number); len(got) != 1 || lacks != "" {
		t.Fatalf("lacks %q, has %q", lacks, got)
	}
	p.backup.Points.Set(0)
	p.backup.TendPoints(t.Context())
	holds(t, p.backup.tree, map[string]string{"a": "new"})
	if _, err := os.Lstat(p.backup.tree + "/.baton-points"); err == nil {
		t.Error("what no point needs is kept")
	}
}

// TestARestorePointTellsWhatItsSnapshotLeftOut has one without a database, as its server ran.
func TestARestorePointTellsWhatItsSnapshotLeftOut(t *testing.T) {
	for at, lack := range map[string]string{"sites/db": "files/sites/db\n", ".": "files\n"} {
		t.Run(filepath.Base(at), func(t *testing.T) {
			p := newPair(t)
			p.withPoints(t, 100)
			db, s := filepath.Join(p.primary.tree, at), postgres{}
			s.end(t, db)
			s.begin(t, db)
			write(t, p.primary.tree+"/page", "1")
			p.mustPull(t)
			s.end(t, db)
			write(t, p.primary.tree+"/page", "2")
			whole := p.pull(t)
			write(t, p.primary.tree+"/page", "3")
			p.pull(t)
			if _, lacks := takeOut(t, p.backup.Engine, 1); lacks != lack {
				t.Errorf("it lacks %q", lacks)
			}
			if _, lacks := takeOut(t, p.backup.Engine, whole.Number); lacks != "" {
				t.Errorf("a whole one lacks %q", lacks)
			}
		})
	}
}

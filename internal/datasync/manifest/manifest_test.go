package manifest_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"baton/internal/datasync/manifest"
	"baton/internal/pair"
)

func file(path string, content byte) manifest.Entry {
	return manifest.Entry{Path: path, Kind: manifest.File, Mode: 0o644, Size: int64(content), Hash: manifest.Hash{content}}
}

func dir(path string) manifest.Entry {
	return manifest.Entry{Path: path, Kind: manifest.Dir, Mode: 0o755}
}

func link(path, target string) manifest.Entry {
	return manifest.Entry{Path: path, Kind: manifest.Link, Target: target}
}

// manifestOf lists entries; what cannot be listed is nothing, which no check accepts.
func manifestOf(entries ...manifest.Entry) manifest.Manifest {
	listing, err := manifest.ListingOf(entries)
	if err != nil {
		listing = manifest.Listing{}
	}
	return manifest.Manifest{Order: manifest.ByBranch, Sets: []manifest.Set{{Data: pair.Data{Name: "d", Spec: pair.Directory{Path: "/srv/d"}}, Listing: listing}}}
}

// anyKind is a kind of data that is a directory.
func anyKind(s manifest.Set) error {
	if s.IsZero() {
		return manifest.ErrMalformed
	}
	return nil
}

// TestWhatIsKnownIsNotCheckedAgain, and what is not known is: also where what is known leads to.
func TestWhatIsKnownIsNotCheckedAgain(t *testing.T) {
	known := manifestOf(dir("."), dir("a"), link("a/again", "b/file"), dir("b"), file("b/file", 1))
	for name, row := range map[string]struct {
		delta manifest.Delta
		right bool
	}{
		"nothing has changed": {manifest.Delta{}, true},
		"a new file":          {manifest.Delta{Set: []manifest.Change{{Entry: file("b/new", 1)}}}, true},
		"an impossible file":  {manifest.Delta{Set: []manifest.Change{{Entry: manifest.Entry{Path: "b/new", Kind: manifest.File, Mode: 0o100644}}}}, false},
		"a name of no file":   {manifest.Delta{Removed: []string{"b/file"}}, false},
	} {
		next := known
		listing, err := manifest.Patch(known.Sets[0].Listing, row.delta)
		if err != nil {
			t.Fatal(err)
		}
		next.Sets = []manifest.Set{{Data: known.Sets[0].Data, Listing: listing}}
		if err := next.Check(known, anyKind); (err == nil) != row.right {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := manifest.Listing{}
	var changes []manifest.Change
	for i := range 20_000 {
		changes = append(changes, manifest.Change{Entry: file(fmt.Sprintf("f%05d", i), 1)})
	}
	many, err := manifest.Patch(many, manifest.Delta{Set: append([]manifest.Change{{Entry: dir(".")}}, changes...)})
	if err != nil {
		t.Fatal(err)
	}
	m := manifest.Manifest{Sets: []manifest.Set{{Data: known.Sets[0].Data, Listing: many}}}
	if allocs := testing.AllocsPerRun(3, func() { _ = m.Check(m, anyKind) }); allocs > 100 {
		t.Errorf("what is known makes %v allocations", allocs)
	}
}

func TestCheckRefusesWhatNoScanFinds(t *testing.T) {
	at := func(path pair.Path) manifest.Manifest {
		m := manifestOf(dir("."))
		m.Sets[0].Data.Spec = pair.Directory{Path: path}
		return m
	}
	twice := manifestOf(dir("."))
	twice.Sets = append(twice.Sets, twice.Sets[0])
	for name, m := range map[string]manifest.Manifest{
		"dots":         manifestOf(dir("."), file("../a", 1)),
		"dots inside":  manifestOf(dir("."), dir("a"), file("a/../b", 1)),
		"absolute":     manifestOf(dir("."), file("/etc/passwd", 1)),
		"out of order": manifestOf(dir("."), file("b", 1), file("a", 1)),
		"twice":        manifestOf(dir("."), file("a", 1), file("a", 1)),
		"zero byte":    manifestOf(dir("."), file("a\x00b", 1)),
		"long name":    manifestOf(dir("."), file(strings.Repeat("n", 256), 1)),
		"odd mode":     manifestOf(dir("."), manifest.Entry{Path: "a", Kind: manifest.File, Mode: 0o100644}),
		"the root":     at("/"),
		"the system":   at("/usr/bin"),
		"relative":     at("srv"),
		"leaves":       at("/srv/../etc"),
		"all of etc":   at("/etc"),
		"data twice":   twice,
	} {
		if m.Check(manifest.Manifest{}, anyKind) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	no := errors.New("not of this kind")
	if err := manifestOf(dir(".")).Check(manifest.Manifest{}, func(manifest.Set) error { return no }); !errors.Is(err, no) {
		t.Errorf("got %v", err)
	}
	if err := manifestOf(dir("."), file("a", 1), link("b", "a"), dir("c"), file("c/x", 1)).Check(manifest.Manifest{}, anyKind); err != nil {
		t.Error(err)
	}
}

// tree draws a small valid tree.
func tree(t *rapid.T, label string) []manifest.Entry {
	entries := map[string]manifest.Entry{".": dir(".")}
	for range rapid.IntRange(0, 12).Draw(t, label) {
		parents := []string{}
		for path, e := range entries {
			if e.Kind == manifest.Dir {
				parents = append(parents, path)
			}
		}
		slices.Sort(parents)
		path := rapid.SampledFrom(parents).Draw(t, "parent") + "/" + rapid.SampledFrom([]string{"a", "b", "c", "b.c"}).Draw(t, "name")
		path = strings.TrimPrefix(path, "./")
		if _, taken := entries[path]; taken {
			continue
		}
		e := file(path, rapid.Byte().Draw(t, "content"))
		if rapid.Bool().Draw(t, "directory") {
			e = dir(path)
		}
		entries[path] = e
	}
	var sorted []manifest.Entry
	for _, e := range entries {
		sorted = append(sorted, e)
	}
	slices.SortFunc(sorted, func(a, b manifest.Entry) int { return manifest.ComparePaths(a.Path, b.Path) })
	return sorted
}

func TestDifferenceAndPatchAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := tree(t, "from"), tree(t, "to")
		from, to := manifestOf(a...).Sets[0].Listing, manifestOf(b...).Sets[0].Listing
		if got := slices.Collect(to.All()); !reflect.DeepEqual(got, b) {
			t.Fatalf("listed are %v, want %v", got, b)
		}
		delta := manifest.Difference(from, to)
		if got, err := manifest.Patch(from, delta); err != nil || !reflect.DeepEqual(slices.Collect(got.All()), b) || got.Digest() != to.Digest() || got.Sum() != to.Sum() {
			t.Fatalf("got %v, %v, want %v by %+v", slices.Collect(got.All()), err, b, delta)
		}
		walked := map[string]bool{}
		manifest.Walk(from, to, func(e manifest.Entry) { walked[e.Path] = true }, func(e manifest.Entry) { walked[e.Path] = true }, func(have, want manifest.Entry) { walked[want.Path] = true })
		for _, e := range slices.Concat(a, b) {
			was, had := from.Find(e.Path)
			is, has := to.Find(e.Path)
			if (had != has || !was.Same(is.Entry)) && !walked[e.Path] {
				t.Fatalf("a walk does not come by %q, which differs", e.Path)
			}
		}
		m := manifestOf(b...)
		for _, m.Order = range []manifest.Order{manifest.ByBytes, manifest.ByBranch} {
			back, err := manifest.ReadManifest(m.Append(nil), manifest.Manifest{})
			if err != nil || back.Digest() != m.Digest() || back.Order != m.Order {
				t.Fatal(err)
			}
		}
		was := manifestOf(a...)
		written := m.AppendDelta(nil, was, was.Digest())
		if back, err := manifest.ReadManifest(written, was); err != nil || back.Digest() != m.Digest() || manifest.BaseOf(written) != was.Digest() {
			t.Fatalf("as a difference: %v", err)
		}
		if shared := to.Sharing(from); shared.Digest() != to.Digest() || shared.Sum() != to.Sum() || !reflect.DeepEqual(slices.Collect(shared.All()), b) {
			t.Fatal("shared, it is another")
		}
		if cached, err := manifest.ReadCache(to.AppendCache(nil)); err != nil || cached.Digest() != to.Digest() || cached.Sum() != to.Sum() || !reflect.DeepEqual(slices.Collect(cached.All()), b) {
			t.Fatal(err)
		}
		if (manifestOf(a...).Digest() == m.Digest()) != reflect.DeepEqual(a, b) {
			t.Fatal("digests do not tell the trees apart")
		}
	})
}

func TestLosses(t *testing.T) {
	many := func(n int, content byte) manifest.Manifest {
		entries := []manifest.Entry{dir(".")}
		for i := range n {
			entries = append(entries, file(fmt.Sprintf("f%04d", i), content))
		}
		return manifestOf(entries...)
	}
	for _, row := range []struct {
		before, now manifest.Manifest
		losses      int
	}{
		{many(100, 1), many(50, 1), 0},
		{many(100, 1), many(49, 1), 1},
		{many(100, 9), many(100, 1), 1},
		{many(10, 1), many(1, 1), 0},
		{many(11, 1), many(0, 1), 1},
		{many(3, 1), many(0, 1), 1},
		{many(2, 1), many(0, 1), 0},
		{manifest.Manifest{}, many(3, 1), 0},
	} {
		if got := len(manifest.Losses(row.before, row.now, func(pair.Data) manifest.Place { return manifest.SamePlace })); got != row.losses {
			t.Errorf("%d losses, want %d", got, row.losses)
		}
	}
}

// TestOneFileThatIsAnotherIsALoss has one of half the size, as when a program finds no database and makes one. One that is made smaller in its place is none.
func TestOneFileThatIsAnotherIsALoss(t *testing.T) {
	database := func(size int64) manifest.Manifest {
		e := file("a.db", 1)
		e.Size = size
		return manifestOf(dir("."), e)
	}
	for _, row := range []struct {
		before, now int64
		place       manifest.Place
		losses      int
	}{
		{99 << 20, 8 << 10, manifest.OtherPlace, 1},
		{99 << 20, 8 << 10, manifest.UnknownPlace, 1},
		{99 << 20, 8 << 10, manifest.SamePlace, 0},
		{99 << 20, 50 << 20, manifest.OtherPlace, 0},
		{8 << 10, 99 << 20, manifest.OtherPlace, 0},
	} {
		if got := len(manifest.Losses(database(row.before), database(row.now), func(pair.Data) manifest.Place { return row.place })); got != row.losses {
			t.Errorf("%+v: %d losses", row, got)
		}
	}
}

func FuzzReadEntry(f *testing.F) {
	f.Add(manifest.AppendEntry(nil, file("a/b", 7)))
	f.Add(manifest.AppendEntry(nil, manifest.Entry{Path: "l", Kind: manifest.Symlink, Target: "x", XAttrs: []manifest.XAttr{{Name: "user.a", Value: "b"}}}))
	f.Add([]byte{2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, _, err := manifest.ReadEntry(b)
		if err != nil {
			return
		}
		again, rest, err := manifest.ReadEntry(manifest.AppendEntry(nil, e))
		if err != nil || len(rest) != 0 || !reflect.DeepEqual(e, again) {
			t.Fatalf("%+v became %+v: %v", e, again, err)
		}
	})
}

func FuzzReadManifest(f *testing.F) {
	f.Add(manifestOf(dir("."), file("a", 1), link("b", "a")).Append(nil))
	f.Add([]byte{1, 1, 'd', 3, 'd', 'i', 'r', 2, '/', 'x', 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := manifest.ReadManifest(b, manifest.Manifest{})
		if err != nil {
			return
		}
		if again, err := manifest.ReadManifest(m.Append(nil), manifest.Manifest{}); err != nil || again.Digest() != m.Digest() {
			t.Fatal(err)
		}
	})
}

package plan_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"baton/internal/datasync/plan"
	"baton/internal/pair"
)

func file(path string, content byte) plan.Entry {
	return plan.Entry{Path: path, Kind: plan.File, Mode: 0o644, Size: int64(content), Hash: plan.Hash{content}}
}

func dir(path string) plan.Entry { return plan.Entry{Path: path, Kind: plan.Dir, Mode: 0o755} }

func link(path, target string) plan.Entry {
	return plan.Entry{Path: path, Kind: plan.Link, Target: target}
}

func names(w plan.Work) string {
	var b strings.Builder
	for _, list := range []struct {
		name    string
		entries []plan.Entry
	}{{"remove", w.Remove}, {"mkdir", w.Mkdir}, {"put", w.Put}, {"link", w.Link}, {"touch", w.Touch}, {"dirs", w.Dirs}} {
		for _, e := range list.entries {
			fmt.Fprintf(&b, "%s %s; ", list.name, e.Path)
		}
	}
	return strings.TrimSuffix(b.String(), "; ")
}

func TestCompare(t *testing.T) {
	changed := file("a", 1)
	changed.Mode = 0o600
	rights := file("a", 1)
	rights.Mode = 0o4755
	for _, row := range []struct {
		name       string
		have, want []plan.Entry
		work       string
	}{
		{"nothing", []plan.Entry{dir("."), file("a", 1)}, []plan.Entry{dir("."), file("a", 1)}, ""},
		{"new file", []plan.Entry{dir(".")}, []plan.Entry{dir("."), file("a", 1)}, "put a; dirs ."},
		{"other content", []plan.Entry{dir("."), file("a", 1)}, []plan.Entry{dir("."), file("a", 2)}, "put a; dirs ."},
		{"other mode", []plan.Entry{dir("."), file("a", 1)}, []plan.Entry{dir("."), changed}, "touch a"},
		{"rights for whoever runs it", []plan.Entry{dir("."), file("a", 1)}, []plan.Entry{dir("."), rights}, "put a; dirs ."},
		{
			"whole directory gone",
			[]plan.Entry{dir("."), dir("d"), dir("d/e"), file("d/e/f", 1)},
			[]plan.Entry{dir(".")},
			"remove d/e/f; remove d/e; remove d; dirs .",
		},
		{
			"directory for file",
			[]plan.Entry{dir("."), file("a", 1)},
			[]plan.Entry{dir("."), dir("a"), file("a/b", 1)},
			"remove a; mkdir a; put a/b; dirs a; dirs .",
		},
		{
			"further names follow a replaced file",
			[]plan.Entry{dir("."), file("a", 1), link("b", "a")},
			[]plan.Entry{dir("."), file("a", 2), link("b", "a")},
			"put a; link b; dirs .",
		},
		{
			"a further name on its own",
			[]plan.Entry{dir("."), file("a", 1), link("b", "a")},
			[]plan.Entry{dir("."), file("a", 1), file("b", 1)},
			"put b; dirs .",
		},
	} {
		if got := names(plan.Compare(row.have, row.want)); got != row.work {
			t.Errorf("%s: %q, want %q", row.name, got, row.work)
		}
	}
}

func manifestOf(entries ...plan.Entry) plan.Manifest {
	return plan.Manifest{Sets: []plan.Set{{Data: pair.Data{Name: "d", Spec: pair.Directory{Path: "/srv/d"}}, Entries: entries}}}
}

func TestValidateRefusesWhatNoScanFinds(t *testing.T) {
	at := func(path pair.Path) plan.Manifest {
		m := manifestOf(dir("."))
		m.Sets[0].Data.Spec = pair.Directory{Path: path}
		return m
	}
	twice := manifestOf(dir("."))
	twice.Sets = append(twice.Sets, twice.Sets[0])
	for name, m := range map[string]plan.Manifest{
		"no top":            manifestOf(file("a", 1)),
		"dots":              manifestOf(dir("."), file("../a", 1)),
		"dots inside":       manifestOf(dir("."), dir("a"), file("a/../b", 1)),
		"absolute":          manifestOf(dir("."), file("/etc/passwd", 1)),
		"below a symlink":   manifestOf(dir("."), plan.Entry{Path: "a", Kind: plan.Symlink, Target: "/etc"}, file("a/b", 1)),
		"below nothing":     manifestOf(dir("."), file("a/b", 1)),
		"staging":           manifestOf(dir("."), dir(plan.StagingName)),
		"in staging":        manifestOf(dir("."), dir(plan.StagingName), file(plan.StagingName+"/x", 1)),
		"out of order":      manifestOf(dir("."), file("b", 1), file("a", 1)),
		"twice":             manifestOf(dir("."), file("a", 1), file("a", 1)),
		"link to nothing":   manifestOf(dir("."), link("a", "b")),
		"link to a symlink": manifestOf(dir("."), plan.Entry{Path: "a", Kind: plan.Symlink, Target: "/etc/shadow"}, link("b", "a")),
		"zero byte":         manifestOf(dir("."), file("a\x00b", 1)),
		"long name":         manifestOf(dir("."), file(strings.Repeat("n", 256), 1)),
		"odd mode":          manifestOf(dir("."), plan.Entry{Path: "a", Kind: plan.File, Mode: 0o100644}),
		"the root":          at("/"),
		"the system":        at("/usr/bin"),
		"relative":          at("srv"),
		"leaves":            at("/srv/../etc"),
		"all of etc":        at("/etc"),
		"data twice":        twice,
	} {
		if m.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := manifestOf(dir("."), file("a", 1), link("b", "a"), dir("c"), file("c/x", 1)).Validate(); err != nil {
		t.Error(err)
	}
}

// tree draws a small valid tree.
func tree(t *rapid.T, label string) []plan.Entry {
	entries := map[string]plan.Entry{".": dir(".")}
	for range rapid.IntRange(0, 12).Draw(t, label) {
		parents := []string{}
		for path, e := range entries {
			if e.Kind == plan.Dir {
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
	var sorted []plan.Entry
	for _, e := range entries {
		sorted = append(sorted, e)
	}
	slices.SortFunc(sorted, func(a, b plan.Entry) int { return strings.Compare(a.Path, b.Path) })
	return sorted
}

func TestDifferenceAndPatchAreInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := tree(t, "from"), tree(t, "to")
		if got := plan.Patch(a, plan.Difference(a, b)); !reflect.DeepEqual(got, b) {
			t.Fatalf("got %v, want %v", got, b)
		}
		m := manifestOf(b...)
		back, err := plan.ReadManifest(m.Append(nil))
		if err != nil || back.Digest() != m.Digest() {
			t.Fatal(err)
		}
		if (manifestOf(a...).Digest() == m.Digest()) != reflect.DeepEqual(a, b) {
			t.Fatal("digests do not tell the trees apart")
		}
	})
}

func TestLosses(t *testing.T) {
	many := func(n int, content byte) plan.Manifest {
		entries := []plan.Entry{dir(".")}
		for i := range n {
			entries = append(entries, file(fmt.Sprintf("f%04d", i), content))
		}
		return manifestOf(entries...)
	}
	for _, row := range []struct {
		before, now plan.Manifest
		losses      int
	}{
		{many(100, 1), many(50, 1), 0},
		{many(100, 1), many(49, 1), 1},
		{many(100, 9), many(100, 1), 1},
		{many(10, 1), many(1, 1), 0},
		{many(11, 1), many(0, 1), 1},
		{many(3, 1), many(0, 1), 1},
		{many(2, 1), many(0, 1), 0},
		{plan.Manifest{}, many(3, 1), 0},
	} {
		if got := len(plan.Losses(row.before, row.now, func(pair.Data) bool { return false })); got != row.losses {
			t.Errorf("%d losses, want %d", got, row.losses)
		}
	}
}

func FuzzReadEntry(f *testing.F) {
	f.Add(plan.AppendEntry(nil, file("a/b", 7)))
	f.Add(plan.AppendEntry(nil, plan.Entry{Path: "l", Kind: plan.Symlink, Target: "x", XAttrs: []plan.XAttr{{Name: "user.a", Value: "b"}}}))
	f.Add([]byte{2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, _, err := plan.ReadEntry(b)
		if err != nil {
			return
		}
		again, rest, err := plan.ReadEntry(plan.AppendEntry(nil, e))
		if err != nil || len(rest) != 0 || !reflect.DeepEqual(e, again) {
			t.Fatalf("%+v became %+v: %v", e, again, err)
		}
	})
}

func FuzzReadManifest(f *testing.F) {
	f.Add(manifestOf(dir("."), file("a", 1), link("b", "a")).Append(nil))
	f.Add([]byte{1, 1, 'd', 3, 'd', 'i', 'r', 2, '/', 'x', 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := plan.ReadManifest(b)
		if err != nil {
			return
		}
		if again, err := plan.ReadManifest(m.Append(nil)); err != nil || again.Digest() != m.Digest() {
			t.Fatal(err)
		}
	})
}

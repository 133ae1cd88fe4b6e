package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/plan"
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

func listing(t *testing.T, entries []manifest.Entry) manifest.Listing {
	t.Helper()
	l, err := manifest.ListingOf(entries)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func names(w plan.Work) string {
	var b strings.Builder
	for _, list := range []struct {
		name    string
		entries []manifest.Entry
	}{{"remove", w.Remove}, {"mkdir", w.Mkdir}, {"put", w.Put}, {"link", w.Link}, {"touch", w.Touch}, {"dirs", w.Dirs}} {
		for _, e := range list.entries {
			fmt.Fprintf(&b, "%s %s; ", list.name, e.Path)
		}
	}
	for _, m := range w.Move {
		if m.Clear.Kind != 0 {
			fmt.Fprintf(&b, "clear %s; ", m.Clear.Path)
		}
		fmt.Fprintf(&b, "%s/ to %s/; ", m.From, m.To)
	}
	for _, to := range slices.Sorted(maps.Keys(w.Renamed)) {
		fmt.Fprintf(&b, "%s to %s; ", w.Renamed[to], to)
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
		have, want []manifest.Entry
		work       string
	}{
		{"nothing", []manifest.Entry{dir("."), file("a", 1)}, []manifest.Entry{dir("."), file("a", 1)}, ""},
		{"new file", []manifest.Entry{dir(".")}, []manifest.Entry{dir("."), file("a", 1)}, "put a; dirs ."},
		{"other content", []manifest.Entry{dir("."), file("a", 1)}, []manifest.Entry{dir("."), file("a", 2)}, "put a; dirs ."},
		{"other mode", []manifest.Entry{dir("."), file("a", 1)}, []manifest.Entry{dir("."), changed}, "touch a"},
		{"rights for whoever runs it", []manifest.Entry{dir("."), file("a", 1)}, []manifest.Entry{dir("."), rights}, "put a; dirs ."},
		{
			"whole directory gone",
			[]manifest.Entry{dir("."), dir("d"), dir("d/e"), file("d/e/f", 1)},
			[]manifest.Entry{dir(".")},
			"remove d/e/f; remove d/e; remove d; dirs .",
		},
		{
			"directory for file",
			[]manifest.Entry{dir("."), file("a", 1)},
			[]manifest.Entry{dir("."), dir("a"), file("a/b", 1)},
			"remove a; mkdir a; touch a/b; dirs a; dirs .; a to a/b",
		},
		{
			"further names follow a replaced file",
			[]manifest.Entry{dir("."), file("a", 1), link("b", "a")},
			[]manifest.Entry{dir("."), file("a", 2), link("b", "a")},
			"put a; link b; dirs .",
		},
		{
			"a further name on its own",
			[]manifest.Entry{dir("."), file("a", 1), link("b", "a")},
			[]manifest.Entry{dir("."), file("a", 1), file("b", 1)},
			"put b; dirs .",
		},
		{
			"a file is renamed",
			[]manifest.Entry{dir("."), file("a", 1)},
			[]manifest.Entry{dir("."), dir("d"), file("d/b", 1)},
			"remove a; mkdir d; touch d/b; dirs d; dirs .; a to d/b",
		},
		{
			"a directory is renamed",
			[]manifest.Entry{dir("."), dir("d"), file("d/a", 1), file("d/b", 2)},
			[]manifest.Entry{dir("."), dir("e"), file("e/a", 1), file("e/b", 2)},
			"dirs e; dirs .; d/ to e/",
		},
		{
			"a directory is renamed, and a part of it changes",
			[]manifest.Entry{dir("."), dir("d"), file("d/a", 1), file("d/b", 2), file("d/c", 3), file("d/d", 4)},
			[]manifest.Entry{dir("."), dir("e"), file("e/a", 1), file("e/b", 2), file("e/c", 3), file("e/n", 5)},
			"remove e/d; put e/n; dirs e; dirs .; d/ to e/",
		},
		{
			"two directories exchange their names",
			[]manifest.Entry{dir("."), dir("d"), file("d/a", 1), dir("e"), file("e/b", 2)},
			[]manifest.Entry{dir("."), dir("d"), file("d/b", 2), dir("e"), file("e/a", 1)},
			"dirs e; dirs d; dirs .; e/ to d/; d/ to e/",
		},
		{
			"a directory goes into a new one of its old name",
			[]manifest.Entry{dir("."), dir("d"), file("d/a", 1)},
			[]manifest.Entry{dir("."), dir("d"), dir("d/d"), file("d/d/a", 1)},
			"dirs d/d; dirs d; dirs .; / to d/; d/ to d/d/",
		},
		{
			"a directory takes the place of a file",
			[]manifest.Entry{dir("."), file("a", 9), dir("d"), file("d/b", 1)},
			[]manifest.Entry{dir("."), dir("a"), file("a/b", 1)},
			"dirs a; dirs .; clear a; d/ to a/",
		},
	} {
		if got := names(plan.Compare(listing(t, row.have), listing(t, row.want))); got != row.work {
			t.Errorf("%s: %q, want %q", row.name, got, row.work)
		}
	}
}

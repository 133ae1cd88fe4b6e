package plan_test

import (
	"fmt"
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
			"remove a; mkdir a; put a/b; dirs a; dirs .",
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
	} {
		if got := names(plan.Compare(row.have, row.want)); got != row.work {
			t.Errorf("%s: %q, want %q", row.name, got, row.work)
		}
	}
}

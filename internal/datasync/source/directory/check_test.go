package directory

import (
	"testing"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source/directory/tree"
	"baton/internal/pair"
)

func TestCheckRefusesWhatNoScanFinds(t *testing.T) {
	file := func(path string, content byte) manifest.Entry {
		return manifest.Entry{Path: path, Kind: manifest.File, Mode: 0o644, Size: int64(content), Hash: manifest.Hash{content}}
	}
	dir := func(path string) manifest.Entry { return manifest.Entry{Path: path, Kind: manifest.Dir, Mode: 0o755} }
	link := func(path, target string) manifest.Entry {
		return manifest.Entry{Path: path, Kind: manifest.Link, Target: target}
	}
	var kind *Kind
	check := func(entries []manifest.Entry) error { // as what comes from the peer is
		listing, err := manifest.ListingOf(entries)
		if err != nil {
			return err
		}
		data := pair.Data{Name: "d", Spec: pair.Directory{Path: "/srv/d"}}
		return manifest.Manifest{Sets: []manifest.Set{{Data: data, Listing: listing}}}.Check(manifest.Manifest{}, kind.Check)
	}
	for name, entries := range map[string][]manifest.Entry{
		"no top":            {file("a", 1)},
		"below a symlink":   {dir("."), manifest.Entry{Path: "a", Kind: manifest.Symlink, Target: "/etc"}, file("a/b", 1)},
		"below nothing":     {dir("."), file("a/b", 1)},
		"staging":           {dir("."), dir(tree.StagingName)},
		"in staging":        {dir("."), dir(tree.StagingName), file(tree.StagingName+"/x", 1)},
		"link to nothing":   {dir("."), link("a", "b")},
		"link to a symlink": {dir("."), manifest.Entry{Path: "a", Kind: manifest.Symlink, Target: "/etc/shadow"}, link("b", "a")},
		"nothing":           {},
		"a blob":            {{Path: ".", Kind: manifest.Blob}},
		"a blob in it":      {dir("."), {Path: "b", Kind: manifest.Blob}},
		"link to staging":   {dir("."), link("a", tree.StagingName+"/x")},
	} {
		if check(entries) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := check([]manifest.Entry{dir("."), file("a", 1), link("b", "a"), dir("c"), file("c/x", 1)}); err != nil {
		t.Error(err)
	}
}

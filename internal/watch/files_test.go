package watch

import (
	"os"
	"path/filepath"
	"testing"

	"baton/internal/pair"
)

func TestFilesThatAreMissingAreTold(t *testing.T) {
	wanted := true
	f := &Files{
		Root: filepath.Join(t.TempDir(), "www"), Listen: []string{":80"}, Name: "alpha",
		Wanted: func() bool { return wanted }, Fresh: func() *pair.PeerReport { return nil },
	}
	told := func() bool { f.look(); return len(f.Conditions()) == 1 && !f.Shown() }
	if !told() {
		t.Error("a missing directory is not told")
	}
	if wanted = false; told() {
		t.Error("told where nobody could serve it")
	}
	wanted = true
	if err := os.Mkdir(f.Root, 0o700); err != nil || told() {
		t.Error("told although it is there", err)
	}
	if err := os.Remove(f.Root); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Root, nil, 0o600); err != nil || !told() {
		t.Error("a file in its place is not told", err)
	}
	if none := (&Files{Fresh: f.Fresh, Wanted: f.Wanted}); len(none.Conditions()) > 0 || none.Shown() {
		t.Error("told although Baton serves no files")
	}
}

func TestAPeerThatServesElsewhereIsTold(t *testing.T) {
	for name, row := range map[string]struct {
		here  []string
		there *pair.ServedFiles
		want  int
	}{
		"the same":           {[]string{":80", ":8080"}, &pair.ServedFiles{Listen: []string{":8080", ":80"}}, 0},
		"another port":       {[]string{":80"}, &pair.ServedFiles{Listen: []string{":81"}}, 1},
		"none there":         {[]string{":80"}, &pair.ServedFiles{}, 1},
		"none here":          {nil, &pair.ServedFiles{Listen: []string{":80"}}, 1},
		"none at all":        {nil, &pair.ServedFiles{}, 0},
		"an earlier version": {[]string{":80"}, nil, 0},
	} {
		f := &Files{Listen: row.here, Wanted: func() bool { return true }, Fresh: func() *pair.PeerReport {
			return &pair.PeerReport{Report: pair.Report{Files: row.there}}
		}}
		if got := f.Conditions(); len(got) != row.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

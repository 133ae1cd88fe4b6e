package datasync

import (
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/refusal"
	"baton/internal/datasync/source"
	"baton/internal/datasync/wire"
	"baton/internal/pair"
)

// exclude changes what is excluded of the data, on both sides, as the site database does.
func (p *pairOf) exclude(t *testing.T, patterns ...string) {
	t.Helper()
	spec, err := pair.Directory{Path: "/srv/files"}.Excluding(patterns)
	must(t, err)
	p.primary.data.Spec, p.backup.data.Spec = spec, spec
}

// files are the paths of files below a directory, with their content; Baton's own are left out.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	must(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if e != nil && e.Name() == ".baton-points" {
			return filepath.SkipDir
		}
		if err == nil && e.Type().IsRegular() {
			b, readErr := os.ReadFile(path)
			name, _ := filepath.Rel(dir, path)
			found[name], err = string(b), readErr
		}
		return err
	}))
	return found
}

func (p *pairOf) mustPull(t *testing.T) {
	t.Helper()
	_, err := p.tryPull(t, Request{})
	must(t, err)
}

func holds(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	if got := files(t, dir); !maps.Equal(got, want) {
		t.Fatalf("%s holds %v, want %v", dir, got, want)
	}
}

func TestWhatIsExcludedIsNeitherSentNorTouched(t *testing.T) {
	p := newPair(t)
	p.exclude(t, "*.tmp", "/cache/")
	write(t, p.primary.tree+"/page", "page")
	write(t, p.primary.tree+"/page.tmp", "primary's")
	write(t, p.primary.tree+"/cache/a", "primary's")
	write(t, p.primary.tree+"/sub/letter", "letter")
	write(t, p.primary.tree+"/old/sub/letter", "letter")
	write(t, p.backup.tree+"/cache/b", "backup's")
	write(t, p.backup.tree+"/old/sub/b.tmp", "backup's")
	p.mustPull(t)
	want := map[string]string{"page": "page", "sub/letter": "letter", "old/sub/letter": "letter", "cache/b": "backup's", "old/sub/b.tmp": "backup's"}
	holds(t, p.backup.tree, want)
	if _, measures, err := p.backup.Measured(); err != nil || measures[0].Files != 3 {
		t.Errorf("measured %+v, %v", measures, err)
	}

	must(t, os.RemoveAll(p.primary.tree+"/old"))
	must(t, os.Rename(p.primary.tree+"/sub", p.primary.tree+"/renamed"))
	write(t, p.backup.tree+"/sub/c.tmp", "backup's")
	p.mustPull(t)
	want = map[string]string{"page": "page", "renamed/letter": "letter", "cache/b": "backup's", "old/sub/b.tmp": "backup's", "sub/c.tmp": "backup's"}
	holds(t, p.backup.tree, want)

	before := describe(t, p.backup.tree)
	p.backup.opt.Hook = func(step string) {
		if step == "write-record" {
			t.Error("something is changed for directories that stay")
		}
	}
	p.backup.reopen(t)
	p.mustPull(t)
	if diff := difference(before, describe(t, p.backup.tree)); diff != "" {
		t.Errorf("a sync without a change has changed:\n%s", diff)
	}
	if copies, err := p.backup.Diverged.All(); err != nil || len(copies) > 0 {
		t.Errorf("copies %v, %v", copies, err)
	}
}

// TestAFileInThePlaceOfADirectoryThatHoldsWhatIsExcluded has nowhere to go but in the place of what stays.
func TestAFileInThePlaceOfADirectoryThatHoldsWhatIsExcluded(t *testing.T) {
	p := newPair(t)
	p.exclude(t, "*.tmp")
	write(t, p.primary.tree+"/a/b/page", "page")
	p.mustPull(t)
	write(t, p.backup.tree+"/a/b/c.tmp", "backup's")
	must(t, os.RemoveAll(p.primary.tree+"/a"))
	write(t, p.primary.tree+"/a", "a file")
	p.refused(t, Request{}, source.ErrBlocked)
	if told := p.backup.Progress().Error; !strings.Contains(told, "/a/b holds what is excluded") {
		t.Errorf("told: %s", told)
	}
	holds(t, p.backup.tree, map[string]string{"a/b/page": "page", "a/b/c.tmp": "backup's"})
	must(t, os.Remove(p.backup.tree+"/a/b/c.tmp"))
	p.pull(t)
}

// TestWhatIsExcludedChanges goes from one list of patterns to another; nobody loses a file by that.
func TestWhatIsExcludedChanges(t *testing.T) {
	p := newPair(t)
	for i := range 30 {
		write(t, p.primary.tree+fmt.Sprintf("/cache/f%02d", i), "cached")
	}
	write(t, p.primary.tree+"/page", "page")
	p.pull(t)

	p.exclude(t, "/cache/") // most of it, which is no loss
	must(t, os.Remove(p.primary.tree+"/cache/f00"))
	write(t, p.primary.tree+"/cache/f01", "newer")
	p.mustPull(t)
	if got := files(t, p.backup.tree); len(got) != 31 || got["cache/f00"] != "cached" || got["cache/f01"] != "cached" {
		t.Fatalf("what is excluded from now on has changed: %v", got)
	}
	if files, _, err := p.primary.Unsynced(t.Context()); err != nil || files != 0 {
		t.Errorf("%d files are not synced, %v", files, err)
	}

	p.exclude(t)
	write(t, p.primary.tree+"/page", "newer page")
	p.pull(t)
	copies, err := p.backup.Diverged.All()
	must(t, err)
	if len(copies) != 1 || !strings.HasPrefix(copies[0].ID, "found-") || len(copies[0].Files) != 2 {
		t.Fatalf("copies %+v", copies)
	}
	out := t.TempDir()
	must(t, p.backup.export(copies[0].ID, out))
	holds(t, out+"/files/files", map[string]string{"cache/f00": "cached", "cache/f01": "cached"})
	p.pull(t)
	if copies, _ = p.backup.Diverged.All(); len(copies) != 1 {
		t.Errorf("copies %v", copies)
	}
}

// TestALossBesideWhatIsExcludedIsSeen has a disk go at the moment at which most files are excluded.
func TestALossBesideWhatIsExcludedIsSeen(t *testing.T) {
	p := newPair(t)
	for i := range 30 {
		write(t, p.primary.tree+fmt.Sprintf("/cache/f%02d", i), "cached")
		write(t, p.primary.tree+fmt.Sprintf("/page%02d", i), "page")
	}
	p.exclude(t, "/cache")
	p.mustPull(t)
	for i := range 30 {
		must(t, os.Remove(p.primary.tree+fmt.Sprintf("/page%02d", i)))
	}
	p.exclude(t) // as many files are listed as before
	p.refused(t, Request{}, refusal.ErrShrink)
}

// TestAFormerPrimaryKeepsWhatItExcluded has the new primary know nothing of the newest patterns.
func TestAFormerPrimaryKeepsWhatItExcluded(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "page")
	write(t, p.primary.tree+"/notes", "notes")
	p.pull(t)
	p.primary.data.Spec = pair.Directory{Path: "/srv/files", Exclude: "notes"}
	write(t, p.primary.tree+"/notes", "written before it failed")
	write(t, p.primary.tree+"/page", "this as well")
	former, next := p.primary, p.backup
	former.Withdraw()
	made, err := former.SetAside(t.Context(), pair.Epoch{Counter: 2, Holder: "b"}, pair.AnySnapshot)
	must(t, err)
	if len(made.Files) != 1 || made.Files[0].Path != "page" {
		t.Fatalf("set aside %+v", made)
	}
	next.Offer(pair.Epoch{Counter: 2, Holder: "b"})
	server := httptest.NewServer(next.Handler())
	defer server.Close()
	_, err = former.Pull(t.Context(), server.Client(), server.URL, Request{Epoch: pair.Epoch{Counter: 2, Holder: "b"}})
	must(t, err)
	copies, err := former.Diverged.All()
	must(t, err)
	var kept []string
	for _, one := range copies {
		for _, file := range one.Files {
			kept = append(kept, file.Path)
		}
	}
	slices.Sort(kept)
	if !slices.Equal(kept, []string{"notes", "page"}) {
		t.Errorf("kept are %v of %+v", kept, copies)
	}
}

func TestABackupThatKnowsNoPatternsIsToldToUpdate(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "page")
	before := wire.Question{Epoch: p.epoch, Scheme: manifest.Newest, Version: 2}
	_, err := asked(t, p.primary.Engine, before)
	must(t, err)
	p.exclude(t, "*.tmp")
	if _, err := asked(t, p.primary.Engine, before); !errors.Is(err, refusal.ErrRefused) || !strings.Contains(err.Error(), "update Baton there") {
		t.Errorf("told: %v", err)
	}
}

// TestExcludedNamesWakeNobody follows a tree in which excluded files come and go.
func TestExcludedNamesWakeNobody(t *testing.T) {
	p := newPair(t)
	p.exclude(t, "*.tmp")
	write(t, p.primary.tree+"/sub/page", "page")
	p.mustPull(t)
	p.mustPull(t) // the first one hashes
	write(t, p.primary.tree+"/sub/a.tmp", "x")
	if told := p.await(t, 300*time.Millisecond); !told.Follows || !told.Same {
		t.Errorf("told %+v", told)
	}
	write(t, p.primary.tree+"/sub/other", "x")
	if told := p.await(t, 5*time.Second); told.Same {
		t.Errorf("told %+v", told)
	}
}

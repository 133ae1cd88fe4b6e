package datasync

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/datasync/archive"
	"baton/internal/datasync/source"
	"baton/internal/datasync/source/directory"
	"baton/internal/kept"
	"baton/internal/pair"
)

// pack packs what is chosen of a diverged copy.
func (a *appliance) pack(tb testing.TB, id string, chosen ...string) *bytes.Buffer {
	tb.Helper()
	path, err := a.Diverged.Path(id)
	must(tb, err)
	var packed bytes.Buffer
	w := archive.NewWriter(&packed)
	must(tb, directory.Pack(tb.Context(), path, chosen, w))
	must(tb, w.Close())
	return &packed
}

func atOnce(change func() error) error { return change() }

// switchRoles has the backup take over, and the former primary set aside and follow.
func (p *pairOf) switchRoles(tb testing.TB) {
	tb.Helper()
	must(tb, p.backup.Settle(tb.Context()))
	p.primary.Withdraw()
	p.primary, p.backup = p.backup, p.primary
	p.epoch = p.epoch.Next("b")
	p.primary.Offer(p.epoch)
	p.server.Config.Handler = p.primary.Handler()
}

// TestADivergedCopyTellsWhatChangedOnWhichSide has every pair of changes.
func TestADivergedCopyTellsWhatChangedOnWhichSide(t *testing.T) {
	p := newPair(t)
	for _, name := range []string{"changed-here", "changed-both", "removed-here", "removed-both", "removed-there", "changed-there", "same"} {
		write(t, p.primary.tree+"/"+name, "common "+name)
	}
	p.pull(t)
	for name, text := range map[string]string{"changed-here": "1", "changed-both": "2", "removed-there": "3", "made-here": "4", "made-both": "5", "same": "6"} {
		write(t, p.primary.tree+"/"+name, text)
	}
	must(t, errors.Join(os.Remove(p.primary.tree+"/removed-here"), os.Remove(p.primary.tree+"/removed-both"), os.Remove(p.primary.tree+"/changed-there")))
	made, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	losing := p.primary
	if early, err := losing.Report(made.ID); err != nil || early.Files[0].There != kept.Unknown || !early.With.IsZero() {
		t.Fatal(early, err)
	}
	p.switchRoles(t)
	for name, text := range map[string]string{"changed-both": "there", "made-both": "there", "changed-there": "there", "same": "6"} {
		write(t, p.primary.tree+"/"+name, text)
	}
	must(t, errors.Join(os.Remove(p.primary.tree+"/removed-both"), os.Remove(p.primary.tree+"/removed-there")))
	newest := p.pull(t)
	report, err := losing.Report(made.ID)
	must(t, err)
	if report.With != newest || report.Since.Number != 1 {
		t.Errorf("compared %d with %d", report.Since.Number, report.With.Number)
	}
	want := map[string][2]kept.Change{
		"changed-here": {kept.Changed, kept.Unchanged}, "changed-both": {kept.Changed, kept.Changed},
		"removed-here": {kept.Removed, kept.Unchanged}, "removed-both": {kept.Removed, kept.Removed},
		"removed-there": {kept.Changed, kept.Removed}, "changed-there": {kept.Removed, kept.Changed},
		"made-here": {kept.Made, kept.Unchanged}, "made-both": {kept.Made, kept.Made}, "same": {kept.Changed, kept.Changed},
	}
	for _, f := range report.Files {
		if f.Data == "files" && want[f.Path] != [2]kept.Change{f.Here, f.There} {
			t.Errorf("%s: here %s, there %s", f.Path, f.Here, f.There)
		}
		if f.Same != (f.Path == "same") {
			t.Errorf("%s: same %v", f.Path, f.Same)
		}
		delete(want, f.Path)
	}
	if len(want) > 0 {
		t.Errorf("not told of: %v", want)
	}
}

// TestSingleFilesOfADivergedCopyGoBack restores a file, what is in the way, and a whole directory with all its metadata.
func TestSingleFilesOfADivergedCopyGoBack(t *testing.T) {
	p := newPair(t)
	motley(t, p.primary.tree)
	made, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	holder, there := p.primary, p.backup
	must(t, os.MkdirAll(there.tree, 0o755))
	write(t, there.tree+"/index.html", "what the site has now")
	_, err = there.Restore(t.Context(), holder.pack(t, made.ID, "files/index.html"), kept.KeepInPlace, atOnce)
	if !errors.Is(err, ErrOccupied) || !strings.Contains(err.Error(), "files/index.html") {
		t.Fatalf("got %v", err)
	}
	if b, _ := os.ReadFile(there.tree + "/index.html"); string(b) != "what the site has now" {
		t.Fatalf("overwritten by %q", b)
	}
	restored, err := there.Restore(t.Context(), holder.pack(t, made.ID, "files/index.html"), kept.KeepBeside, atOnce)
	must(t, err)
	if restored.Files != 1 || len(restored.Kept) != 1 {
		t.Fatalf("got %+v", restored)
	}
	aside := filepath.Join(there.tree, strings.TrimPrefix(restored.Kept[0], "files/"))
	if b, _ := os.ReadFile(aside); string(b) != "what the site has now" {
		t.Fatalf("%s is %q", aside, b)
	}
	must(t, os.Remove(aside))
	if again, err := there.Restore(t.Context(), holder.pack(t, made.ID, "files/index.html"), kept.KeepBeside, atOnce); err != nil || len(again.Kept) > 0 {
		t.Fatalf("what was there already: %+v, %v", again, err)
	}
	_, err = there.Restore(t.Context(), holder.pack(t, made.ID), kept.KeepInPlace, atOnce)
	must(t, err)
	a, b := describe(t, holder.tree), describe(t, there.tree)
	for i := range a { // a further name of a file is a file of its own
		a[i], _, _ = strings.Cut(strings.ReplaceAll(a[i], " same as ", "\x00"), "\x00")
	}
	for _, line := range a {
		name, _, _ := strings.Cut(line, " mode")
		found := false
		for _, other := range b {
			found = found || strings.HasPrefix(other, line)
		}
		if !found && name != `"."` {
			t.Errorf("not as it was: %s", line)
		}
	}
	if _, err := os.Lstat(there.tree + "/.baton-staging"); err == nil {
		t.Error("the staging was left")
	}
}

// TestWhatCannotBeRestoredChangesNothing has archives that no copy gives.
func TestWhatCannotBeRestoredChangesNothing(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/file", "1")
	write(t, p.primary.tree+"/dir/file", "2")
	made, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	whole := p.primary.pack(t, made.ID).Bytes()
	there := p.backup
	must(t, os.MkdirAll(there.tree, 0o755))
	if _, err := there.Restore(t.Context(), bytes.NewReader(whole[:len(whole)*2/3]), kept.KeepBeside, atOnce); err == nil {
		t.Error("took a part for the whole")
	}
	for was, odd := range map[string]string{"files/file": "files/../ab", "files/dir/file": "other/dir/file"} {
		spoiled := bytes.ReplaceAll(whole, []byte(was), []byte(odd))
		if _, err := there.Restore(t.Context(), bytes.NewReader(spoiled), kept.KeepBeside, atOnce); err == nil {
			t.Errorf("took %s", odd)
		}
	}
	if names, _ := os.ReadDir(there.tree); len(names) > 0 {
		t.Errorf("left %v", names)
	}
	write(t, there.tree+"/dir", "a file")
	if _, err := there.Restore(t.Context(), bytes.NewReader(whole), kept.KeepBeside, atOnce); !errors.Is(err, source.ErrBlocked) {
		t.Errorf("got %v", err)
	}
}

// TestFilesGoBackToWhatIsExcludedByNow has a pattern come after the files were set aside: they go back to the primary, and no
// further.
func TestFilesGoBackToWhatIsExcludedByNow(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/cache/a", "common")
	write(t, p.primary.tree+"/page", "page")
	p.pull(t)
	write(t, p.primary.tree+"/cache/a", "written alone")
	made, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	losing := p.primary
	p.switchRoles(t)
	p.pull(t)
	p.exclude(t, "/cache/")
	p.mustPull(t)
	packed := losing.pack(t, made.ID, "files/cache/a")
	if _, err := p.primary.Restore(t.Context(), bytes.NewReader(packed.Bytes()), kept.KeepInPlace, atOnce); err == nil || !strings.Contains(err.Error(), "in the way: files/cache/a") {
		t.Errorf("over what is there: %v", err)
	}
	restored, err := p.primary.Restore(t.Context(), packed, kept.KeepBeside, atOnce)
	must(t, err)
	if restored.Files != 1 || len(restored.Kept) != 1 {
		t.Errorf("restored %+v", restored)
	}
	if got := files(t, p.primary.tree); len(got) != 3 || got["cache/a"] != "written alone" {
		t.Errorf("the primary has %v", got)
	}
	p.mustPull(t)
	holds(t, p.backup.tree, map[string]string{"cache/a": "common", "page": "page"})
}

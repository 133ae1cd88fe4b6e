package datasync

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"baton/internal/datasync/diverged"
	"baton/internal/kept"
	"baton/internal/pair"
)

func TestSetAsideKeepsWhatOnlyThisApplianceWrote(t *testing.T) {
	p := newPair(t)
	root := p.primary.tree
	motley(t, root)
	p.pull(t)
	write(t, root+"/new/file", "written while alone")
	write(t, root+"/index.html", "changed")
	must(t, os.Remove(root+"/big"))
	must(t, os.Chmod(root+"/program", 0o700))
	before := describe(t, root)
	made, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	got := map[string]kept.DivergedFile{}
	for _, f := range made.Files {
		got[f.Path] = f
	}
	if f := got["new/file"]; f.Size != 19 || f.SHA256 != fmt.Sprintf("%x", digestOf([]byte("written while alone"))) {
		t.Fatalf("new file is listed as %+v", f)
	}
	if !got["big"].Deleted || got["index.html"].Deleted || got["program"].Path == "" || got["sparse"].Path != "" {
		t.Fatalf("listed: %+v", made.Files)
	}
	if diff := difference(before, describe(t, root)); diff != "" {
		t.Fatal("the data changed:\n" + diff)
	}
	again, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	if again.ID != made.ID || !again.Time.Equal(made.Time) {
		t.Fatal("set aside twice for one epoch")
	}
	out := filepath.Join(t.TempDir(), "export")
	must(t, p.primary.export(made.ID, out))
	if b, _ := os.ReadFile(out + "/files/files/new/file"); string(b) != "written while alone" {
		t.Fatalf("exported %q", b)
	}
	if b, _ := os.ReadFile(out + "/site.db"); string(b) != siteOf(t, p.primary) {
		t.Fatalf("exported site database %q", b)
	}
	if err := p.primary.export(made.ID, out); err == nil {
		t.Fatal("exported over an export")
	}
	must(t, p.primary.Diverged.Delete(made.ID))
	list, err := p.primary.Diverged.All()
	if err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	for _, id := range []string{"../sync", ".", "", made.ID} {
		if err := p.primary.Diverged.Delete(id); !errors.Is(err, diverged.ErrNotFound) {
			t.Fatalf("%q: %v", id, err)
		}
	}
}

func TestSetAsideWithoutCommonSnapshotKeepsEverything(t *testing.T) {
	p := newPair(t)
	motley(t, p.primary.tree)
	made, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	same(t, p.primary.tree, filepath.Join(p.primary.opt.Dir, "diverged", made.ID, "files", "files"))
}

func TestOldPrimaryComesBackAsBackup(t *testing.T) {
	p := newPair(t)
	motley(t, p.primary.tree)
	p.pull(t)
	write(t, p.primary.tree+"/only-here", "lost by the takeover")
	// The backup takes over; the old primary sets its own aside and follows.
	must(t, p.backup.Settle(t.Context()))
	write(t, p.backup.tree+"/after", "written after the takeover")
	_, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	p.primary.Withdraw()
	p.primary, p.backup = p.backup, p.primary
	p.epoch = p.epoch.Next("b")
	p.primary.Offer(p.epoch)
	p.server.Config.Handler = p.primary.Handler()
	if s := p.pull(t); s.Number != 2 || s.Epoch != p.epoch {
		t.Fatal(s)
	}
}

// TestSetAsideSurvivesPowerCut stops in the middle of a copy.
func TestSetAsideSurvivesPowerCut(t *testing.T) {
	p := newPair(t)
	motley(t, p.primary.tree)
	p.primary.opt.Hook = func(step string) {
		if step == "rename-copy" {
			panic("power cut")
		}
	}
	p.primary.reopen(t)
	func() {
		defer func() { _ = recover() }()
		_, _ = p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	}()
	p.primary.opt.Hook = nil
	p.primary.reopen(t)
	if list, err := p.primary.Diverged.All(); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	made, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	if len(made.Files) == 0 || time.Since(made.Time) > time.Minute {
		t.Fatal(made)
	}
}

func TestSetAsideMakesNoCopyWhereNothingWasWritten(t *testing.T) {
	p := newPair(t)
	motley(t, p.primary.tree)
	p.pull(t)
	for range 2 { // the primary has confirmed it; the backup has received it
		made, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
		must(t, err)
		if list, _ := p.primary.Diverged.All(); made.ID != "" || len(list) != 0 {
			t.Fatalf("made %+v of nothing", made)
		}
		p.primary, p.backup = p.backup, p.primary
	}
}

func TestSetAsideKeepsAChangeOfTheSiteDatabaseAlone(t *testing.T) {
	p := newPair(t)
	motley(t, p.primary.tree)
	p.pull(t)
	must(t, os.WriteFile(p.primary.site.path, []byte("another title"), 0o600))
	made, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
	must(t, err)
	if made.ID == "" || len(made.Files) != 0 {
		t.Fatalf("made %+v", made)
	}
	if ids := p.primary.Diverged.IDs(); len(ids.Aside) != 0 || len(ids.Inline) != 1 {
		t.Fatalf("counts as one with files: %+v", ids)
	}
}

func TestUnsyncedCountsWhatWouldBeLost(t *testing.T) {
	p := newPair(t)
	root := p.primary.tree
	motley(t, root)
	p.pull(t)
	if files, bytes, err := p.primary.Unsynced(t.Context()); files != 0 || bytes != 0 || err != nil {
		t.Fatalf("right after a data sync: %d files, %d bytes, %v", files, bytes, err)
	}
	write(t, root+"/new/file", "written since")
	write(t, root+"/index.html", "changed")
	must(t, os.Remove(root+"/big"))
	if files, bytes, err := p.primary.Unsynced(t.Context()); files != 3 || bytes != 20 || err != nil {
		t.Fatalf("%d files, %d bytes, %v", files, bytes, err)
	}
}

// TestADatabaseThatIsLeftOutIsNotToldAsRemoved asks what the new primary did with it, of which the former one has no snapshot.
func TestADatabaseThatIsLeftOutIsNotToldAsRemoved(t *testing.T) {
	for _, at := range []string{"db", "."} {
		t.Run(filepath.Base(at), func(t *testing.T) {
			p := newPair(t)
			db, s := func(a *appliance) string { return filepath.Join(a.tree, at) }, postgres{}
			s.end(t, db(p.primary))
			write(t, db(p.primary)+"/base/5/table", "at rest")
			p.pull(t)
			s.begin(t, db(p.primary))
			write(t, db(p.primary)+"/base/5/table", "former")
			p.takenOver(t)
			s.begin(t, db(p.primary))
			write(t, db(p.primary)+"/base/5/table", "new")
			p.mustPull(t)
			copies, err := p.backup.Diverged.All()
			must(t, err)
			report, err := p.backup.Report(copies[0].ID)
			must(t, err)
			for _, f := range report.Files {
				if f.There != kept.Unknown || f.Now != nil {
					t.Errorf("%s: there it is %s", f.Path, f.There)
				}
			}
			if len(report.Files) == 0 || report.With.IsZero() {
				t.Errorf("%+v", report)
			}
		})
	}
}

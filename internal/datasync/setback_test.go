package datasync

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/datasync/diverged"
	"baton/internal/datasync/ledger"
	"baton/internal/datasync/refusal"
	"baton/internal/durable"
	"baton/internal/pair"
)

// image copies an appliance as it is now, and returns what puts it back.
func image(t *testing.T, a *appliance) (restore func()) {
	t.Helper()
	kept := filepath.Join(t.TempDir(), "image")
	clone(t, a.dir, kept)
	return func() {
		t.Helper()
		must(t, os.RemoveAll(a.dir))
		clone(t, kept, a.dir)
		a.reopen(t)
	}
}

func (p *pairOf) serve() {
	p.primary.Offer(p.epoch)
	p.server.Config.Handler = p.primary.Handler()
}

// swap has the two change roles in a new epoch of a holder.
func (p *pairOf) swap(holder pair.ApplianceID) {
	p.primary.Withdraw()
	p.primary, p.backup = p.backup, p.primary
	p.epoch = p.epoch.Next(holder)
	p.serve()
}

func TestAPrimaryThatWasSetBackOverwritesNothing(t *testing.T) {
	for _, lost := range []string{"", "state.json"} {
		t.Run("without "+lost, func(t *testing.T) {
			p := newPair(t)
			write(t, p.primary.tree+"/page", "1")
			p.pull(t)
			restore := image(t, p.primary)
			write(t, p.primary.tree+"/page", "2")
			write(t, p.primary.tree+"/order", "paid")
			p.pull(t)
			restore()
			if lost != "" {
				path := filepath.Join(p.primary.opt.Dir, lost)
				must(t, errors.Join(os.Remove(path), os.Remove(path+".mark")))
				p.primary.reopen(t)
			}
			p.serve()
			write(t, p.primary.tree+"/page", "3, in another time")
			for range 3 {
				p.refused(t, Request{AcceptShrink: true}, refusal.ErrSetBack)
			}
			if told := p.backup.Progress().Error; !strings.Contains(told, "become primary") {
				t.Errorf("told: %s", told)
			}
		})
	}
}

// A primary that does not see that it was set back is refused by the backup as well.
func TestABackupTakesNoOlderNumberOfAnEpoch(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "1")
	p.pull(t)
	p.pull(t)
	restore := image(t, p.backup)
	p.pull(t)
	restore()
	st := p.backup.ledger.State()
	st.Snapshot.Number += 100
	must(t, p.backup.ledger.Save(func(s *ledger.State) { *s = st }))
	must(t, p.primary.ledger.Save(func(s *ledger.State) { s.Offered = st.Snapshot; s.Offered.Number-- }))
	write(t, p.primary.tree+"/page", "2")
	p.refused(t, Request{}, refusal.ErrSetBack)
}

func TestTheNumberOfASnapshotIsDurableBeforeItIsOffered(t *testing.T) {
	p := newPair(t)
	offered := uint64(0)
	p.primary.opt.Offering = func(_ context.Context, s pair.Snapshot) error {
		var st ledger.State
		_, err := durable.ReadJSON(filepath.Join(p.primary.opt.Dir, "state.json"), "snapshot", &st)
		if err != nil || st.Offered != s {
			t.Errorf("stored %+v, offered %+v, %v", st.Offered, s, err)
		}
		offered = s.Number
		return nil
	}
	p.primary.reopen(t)
	p.serve()
	for want := range uint64(3) {
		if s := p.pull(t); s.Number != want+1 || offered != s.Number {
			t.Fatalf("snapshot %d, offered %d, want %d", s.Number, offered, want+1)
		}
	}
}

func TestARestoredBackupCatchesUp(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "1")
	p.pull(t)
	restore := image(t, p.backup)
	write(t, p.primary.tree+"/page", "2")
	p.pull(t)
	restore()
	if s := p.pull(t); s.Number != 3 {
		t.Fatal(s)
	}
}

// Settings and users that the site loses by that are kept as well.
func TestOldPrimaryKeepsTheSettingsThatARestoredBackupLacks(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "1")
	p.pull(t)
	began := p.backup.Snapshot().Number
	restore := image(t, p.backup)
	must(t, os.WriteFile(p.primary.site.path, []byte("a user more"), 0o600))
	p.pull(t)
	restore()
	must(t, p.backup.Settle(t.Context()))
	_, err := p.primary.SetAside(t.Context(), p.epoch, began)
	must(t, err)
	p.swap("b")
	p.pull(t)
	copies, err := p.backup.Diverged.All()
	must(t, err)
	if len(copies) != 1 {
		t.Fatalf("%d copies", len(copies))
	}
	if b, _ := os.ReadFile(filepath.Join(p.backup.opt.Dir, "diverged", copies[0].ID, "site.db")); string(b) != "a user more" {
		t.Errorf("the site database is kept as %q", b)
	}
}

// If it takes over first, the old primary keeps what the site loses by that.
func TestOldPrimaryKeepsWhatARestoredBackupLacks(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "1")
	write(t, p.primary.tree+"/same", "same")
	p.pull(t)
	began := p.backup.Snapshot().Number
	restore := image(t, p.backup)
	write(t, p.primary.tree+"/page", "2")
	write(t, p.primary.tree+"/order", "paid")
	p.pull(t)
	restore()
	must(t, p.backup.Settle(t.Context()))
	_, err := p.primary.SetAside(t.Context(), p.epoch, began)
	must(t, err)
	p.swap("b")
	p.backup.reopen(t) // the old primary, also after a restart
	p.pull(t)
	expectKept(t, p.backup, map[string]string{"page": "2", "order": "paid"})
	p.pull(t)
	expectKept(t, p.backup, map[string]string{"page": "2", "order": "paid"})
}

// expectKept wants the files of all diverged copies together.
func expectKept(t *testing.T, a *appliance, want map[string]string) {
	t.Helper()
	copies, err := a.Diverged.All()
	must(t, err)
	got := map[string]string{}
	for _, c := range copies {
		for _, f := range c.Files {
			b, _ := os.ReadFile(filepath.Join(a.opt.Dir, "diverged", c.ID, "files", f.Data, f.Path))
			if got[f.Path] = string(b); f.Deleted {
				got[f.Path] = "deleted"
			}
		}
	}
	for path, content := range want {
		if got[path] != content {
			t.Errorf("%s is kept as %q, want %q", path, got[path], content)
		}
		delete(got, path)
	}
	if len(got) > 0 {
		t.Errorf("kept besides: %v", got)
	}
}

// Whatever is written once the role is given away is kept before the first data
// sync replaces it, each time.
func TestWhatIsWrittenAfterAHandoverIsKept(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/log", "1\n")
	write(t, p.primary.tree+"/gone", "x")
	write(t, p.primary.tree+"/same", "same")
	p.pull(t)
	late, want := []string{"2 came late\n", "4 came late\n"}, map[string]string{}
	holder := []pair.ApplianceID{"b", "a", "b", "a"}
	for round, text := range late {
		_, err := p.tryPull(t, Request{Final: true})
		must(t, err)
		must(t, p.backup.Settle(t.Context()))
		name := []string{"log", "other"}[round]
		write(t, p.primary.tree+"/"+name, text) // by a server that Baton does not run
		if round == 0 {
			must(t, os.Remove(p.primary.tree+"/gone"))
			want["gone"] = "deleted"
		}
		want[name] = text
		p.swap(holder[2*round])
		write(t, p.primary.tree+"/new", "of the new primary")
		p.pull(t)
		expectKept(t, p.backup, want)
		write(t, p.backup.tree+"/scribble", "on a backup") // it is a mirror
		p.pull(t)
		expectKept(t, p.backup, want)
		// and back, with nothing written late
		_, err = p.tryPull(t, Request{Final: true})
		must(t, err)
		must(t, p.backup.Settle(t.Context()))
		p.swap(holder[2*round+1])
		p.pull(t)
		copies, err := p.backup.Diverged.All()
		must(t, err)
		if len(copies) != 0 {
			t.Fatalf("kept on the side that wrote nothing: %+v", copies)
		}
	}
	copies, err := p.primary.Diverged.All()
	must(t, err)
	if ids := p.primary.Diverged.IDs(); len(copies) != 2 || len(ids.Late) != 2 || len(ids.Aside) != 0 {
		t.Fatalf("%d copies: %+v", len(copies), ids)
	}
	p.primary.reopen(t)
	must(t, p.primary.Diverged.Delete(copies[0].ID))
	if ids := p.primary.Diverged.IDs(); len(ids.Late) != 1 || ids.Late[0] != copies[1].ID {
		t.Errorf("after one was deleted: %+v", ids)
	}
	for _, c := range copies {
		if !strings.HasPrefix(c.ID, diverged.LatePrefix) {
			t.Errorf("copy %s", c.ID)
		}
	}
}

// What was common with another peer, in a relationship that is over, is not common
// with the new one.
func TestAFormerRelationshipIsNoCommonGround(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/invoice", "paid")
	p.pull(t)
	former := p.primary
	_, err := former.SetAside(t.Context(), pair.Epoch{Counter: 1, Holder: "a"}, pair.Lineage{}.After(p.epoch))
	must(t, err)
	other := newAppliance(t, filepath.Join(t.TempDir(), "other"), filepath.Join(t.TempDir(), "tree"))
	write(t, other.tree+"/page", "of another site")
	p.primary, p.backup, p.epoch = other, former, pair.Epoch{Counter: 2, Holder: "c"}
	former.Withdraw()
	p.serve()
	p.pull(t)
	expectKept(t, p.backup, map[string]string{"invoice": "paid"})
}

// What was set aside already is not kept again; what came after that is.
func TestWhatIsSetAsideIsNotKeptTwice(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/log", "1\n")
	p.pull(t)
	must(t, p.backup.Settle(t.Context()))
	write(t, p.primary.tree+"/alone", "written alone")
	_, err := p.primary.SetAside(t.Context(), p.epoch, p.backup.Snapshot().Number)
	must(t, err)
	write(t, p.primary.tree+"/later", "by a server that was still stopping")
	p.swap("b")
	p.pull(t)
	copies, err := p.backup.Diverged.All()
	must(t, err)
	if len(copies) != 2 || len(copies[0].Files) != 1 || len(copies[1].Files) != 1 {
		t.Fatalf("%+v", copies)
	}
	expectKept(t, p.backup, map[string]string{"alone": "written alone", "later": "by a server that was still stopping"})
}

// Nor is it if there was no common snapshot, so that everything was set aside.
func TestWhatIsSetAsideAsAWholeIsNotKeptTwice(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/page", "old")
	write(t, p.backup.tree+"/page", "new")
	_, err := p.primary.SetAside(t.Context(), p.epoch, 1)
	must(t, err)
	p.swap("b")
	p.pull(t)
	copies, err := p.backup.Diverged.All()
	must(t, err)
	if len(copies) != 1 {
		t.Fatalf("%+v", copies)
	}
}

// One epoch can diverge more than once: neither hides the other.
func TestTwoCopiesOfOneEpoch(t *testing.T) {
	p := newPair(t)
	write(t, p.primary.tree+"/log", "1\n")
	p.pull(t)
	for _, text := range []string{"one", "two"} {
		write(t, p.primary.tree+"/log", text)
		for range 2 {
			_, err := p.primary.SetAside(t.Context(), p.epoch, pair.AnySnapshot)
			must(t, err)
		}
	}
	copies, err := p.primary.Diverged.All()
	must(t, err)
	if len(copies) != 2 {
		t.Fatalf("%d copies", len(copies))
	}
	if _, err := p.primary.Diverged.One("nonsense"); !errors.Is(err, diverged.ErrNotFound) {
		t.Fatal(err)
	}
}

//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// A snapshot that cannot be put into place on the backup is told with the file and
// the next step, a planned switch says so too, and the takeover goes on with the
// snapshot before.
func TestTakeoverWithTheLastWholeSnapshot(t *testing.T) {
	w := steadyPair(t, plan{timeout: byDefault})
	w.alpha.write(site("page"), "1")
	w.alpha.baton("sync --wait")
	locked := w.beta.Path(site("page"))
	if out, err := exec.Command("chattr", "+i", locked).CombinedOutput(); err != nil {
		t.Skipf("this file system has no immutable files: %v: %s", err, out)
	}
	unlock := func() { _ = exec.Command("chattr", "-i", locked).Run() }
	t.Cleanup(unlock)
	w.alpha.write(site("another"), "2")
	w.alpha.write(site("page"), "2")
	w.alpha.refused(3, "chattr -i", "sync --wait")
	w.beta.refused(3, "chattr -i", "become primary --final-sync --wait")
	w.beta.refused(3, site("page"), "become primary --final-sync --wait")
	eventually(t, "beta tells of the failed sync", 5*time.Second, func() bool { return w.beta.condition("sync-failed") })
	tried := w.beta.status().Sync.Number
	eventually(t, "beta tries again", 20*time.Second, func() bool { return w.beta.status().Sync.Number > tried+1 })
	for _, event := range w.beta.events(pair.KindConditionCleared) {
		if event.Detail["condition"] == "sync-failed" {
			t.Errorf("the condition was cleared while no data sync had succeeded: %s", event.Text)
		}
	}
	if w.beta.condition("data-torn") || !w.beta.has(site("page"), "1") || w.beta.has(site("another"), "2") {
		t.Error("the snapshot before is not whole on beta")
	}
	at := w.fault(w.lab.PowerCut(w.alpha.Host))
	w.tookOver(w.alpha, w.beta, at, 20*time.Second)
	if !w.beta.has(site("page"), "1") || w.beta.has(site("another"), "2") {
		t.Error("beta serves a mixture")
	}
	unlock()
	w.returns(w.alpha, w.beta)
	w.diverged(w.alpha, "page", "2")
}

// image copies what is on an appliance's disk as it is, and returns what puts it back.
func (a *appliance) image() (restore func()) {
	a.t.Helper()
	kept := a.t.TempDir()
	copied := func(from, to string) {
		a.t.Helper()
		if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
			a.t.Fatalf("copy: %v: %s", err, out)
		}
	}
	for _, name := range []string{"data", daemon.SiteDir} {
		copied(a.Path(name), kept+"/"+strings.ReplaceAll(name, "/", "-"))
	}
	return func() {
		a.t.Helper()
		for _, name := range []string{"data", daemon.SiteDir} {
			if err := os.RemoveAll(a.Path(name)); err != nil {
				a.t.Fatal(err)
			}
			copied(kept+"/"+strings.ReplaceAll(name, "/", "-"), a.Path(name))
		}
	}
}

// setBack has alpha run from an older image of its disk, while beta holds what
// came after that.
func setBack(t *testing.T) *world {
	t.Helper()
	w := steadyPair(t, plan{timeout: moderate, settings: "automatic_failover=false"})
	w.alpha.write(site("order"), "1")
	w.alpha.baton("sync --wait")
	w.killed(w.alpha)
	restore := w.alpha.image()
	w.alpha.serve()
	w.settled(w.alpha, w.beta)
	w.alpha.write(site("order"), "2, paid")
	w.alpha.baton("sync --wait")
	w.killed(w.alpha)
	restore()
	w.alpha.serve()
	eventually(t, "both tell that alpha was set back", 20*time.Second, func() bool {
		return w.alpha.condition("primary-set-back") && w.beta.condition("peer-set-back")
	})
	w.alpha.refused(3, "set back", "sync --wait")
	if !w.beta.has(site("order"), "2, paid") {
		t.Fatal("beta's newer data is overwritten")
	}
	return w
}

func TestPrimarySetBackWaitsAndTheBackupsDataStays(t *testing.T) {
	w := setBack(t)
	throughout(t, "alpha does not open while its peer answers", 2*moderate, func() bool { return !w.alpha.is(pair.Primary) })
	w.beta.refused(3, "set back", "become primary --final-sync --wait")
	w.beta.baton("become primary --wait")
	w.settled(w.beta, w.alpha)
	w.beta.baton("sync --wait")
	if !w.alpha.has(site("order"), "2, paid") || !w.beta.has(site("order"), "2, paid") {
		t.Error("the backup's data did not stay")
	}
}

func TestPrimarySetBackGoesOnAtAnAdministratorsWord(t *testing.T) {
	w := setBack(t)
	w.alpha.baton("become primary --force")
	w.settled(w.alpha, w.beta)
	w.alpha.baton("sync --wait")
	if !w.beta.has(site("order"), "1") {
		t.Error("beta does not follow")
	}
	w.diverged(w.beta, "order", "2, paid")
}

// A server that Baton does not run goes on writing after the site was handed over.
func TestWhatIsWrittenLateIsKept(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate})
	w.alpha.write(site("log"), "1\n")
	w.beta.baton("settings set backup_operations=false")
	w.beta.baton("become primary --final-sync --wait")
	w.alpha.write(site("log"), "1\nlate\n")
	w.beta.baton("settings set backup_operations=true")
	eventually(t, "both tell of the late write", 20*time.Second, func() bool {
		return w.alpha.condition("late-writes") && w.beta.condition("peer-late-writes")
	})
	w.diverged(w.alpha, "log", "1\nlate\n")
	if !w.alpha.has(site("log"), "1\n") {
		t.Error("alpha does not follow")
	}
	eventually(t, "the history of beta tells of it", 10*time.Second, func() bool { return len(w.beta.events(pair.KindDiverged)) == 1 })
}

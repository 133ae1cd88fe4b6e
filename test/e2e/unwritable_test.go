//go:build e2e

package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

// immutable has the directory in which an appliance keeps its state take no writes, or take
// them again.
func (a *appliance) immutable(on bool) {
	a.t.Helper()
	flag := map[bool]string{true: "+i", false: "-i"}[on]
	dir := a.Path(filepath.Join("data", "local"))
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		a.t.Fatal(err)
	}
	if out, err := exec.CommandContext(a.t.Context(), "chattr", append([]string{flag, dir}, files...)...).CombinedOutput(); err != nil {
		a.t.Fatalf("chattr %s %s: %v\n%s", flag, dir, err, out)
	}
}

// A planned switch to a backup that cannot store that it takes over is refused, and the site
// is served all along.
func TestASwitchToABackupThatCannotStore(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate, disk: 96 << 20})
	w.beta.immutable(true)
	at := time.Now()
	for _, line := range []string{"become primary --wait", "become primary --final-sync --wait"} {
		w.beta.refused(3, "could not be written to disk", line)
	}
	w.undisturbed(w.alpha, at, time.Second)
	w.beta.immutable(false)
	eventually(t, "beta can store again", 15*time.Second, func() bool { return !w.beta.condition("state-not-saved") })
	w.beta.baton("become primary --final-sync --wait")
	w.settled(w.beta, w.alpha)
	if w.alpha.status().Role != pair.Backup {
		t.Error("alpha is no backup")
	}
}

// A backup that cannot store its state is not ready, by whatever says how ready it is; it does not take
// over, tells the reason, and takes over once it can store.
func TestABackupThatCannotStoreSaysSo(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate, disk: 96 << 20, settings: "sync_schedule=daily"})
	w.alpha.baton("sync --wait")
	w.beta.immutable(true)
	for _, a := range w.both() {
		eventually(t, a.Name()+" says that beta is not ready", 10*time.Second, func() bool {
			status := a.status()
			return status.Readiness != nil && !status.Readiness.Ready && strings.Contains(status.Readiness.Text, "could not be written to disk")
		})
		if got := a.run("", "doctor"); got.Code == 0 || !strings.Contains(got.Out, "data_dir") {
			t.Errorf("baton doctor on %s ends with %d and says %s", a.Name(), got.Code, got.Out)
		}
	}
	for a, line := range map[*appliance]string{w.beta: "become primary --check", w.alpha: "become backup --check"} {
		if got := a.run("", strings.Fields(line)...); got.Code == 0 || !strings.Contains(got.Out+got.Errs, "data_dir") {
			t.Errorf("baton %s on %s ends with %d and says %s%s", line, a.Name(), got.Code, got.Out, got.Errs)
		}
	}
	w.fault(w.lab.PowerCut(w.alpha.Host))
	eventually(t, "beta says why it does not take over", 10*time.Second, func() bool {
		readiness := w.beta.status().Readiness
		return readiness != nil && strings.Contains(readiness.Text, "would not take over: The state of this appliance could not be written")
	})
	w.beta.immutable(false)
	eventually(t, "beta takes over", 15*time.Second, func() bool { return w.beta.status().Role == pair.Primary })
}

// A primary that cannot store its state says so, and no switch begins that would be rolled back.
func TestAPrimaryThatCannotStoreSaysSo(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate, disk: 96 << 20, settings: "sync_schedule=daily"})
	w.alpha.immutable(true)
	eventually(t, "alpha says that it cannot store", 10*time.Second, func() bool { return w.alpha.condition("state-not-saved") })
	rest(time.Second)
	at := time.Now()
	for a, line := range map[*appliance]string{w.beta: "become primary --check", w.alpha: "become backup --check"} {
		if got := a.run("", strings.Fields(line)...); got.Code == 0 || !strings.Contains(got.Out+got.Errs, "data_dir") {
			t.Errorf("baton %s on %s ends with %d and says %s%s", line, a.Name(), got.Code, got.Out, got.Errs)
		}
	}
	w.beta.refused(3, "cannot write its state to disk", "become primary --final-sync --wait")
	w.undisturbed(w.alpha, at, time.Second)
	w.alpha.immutable(false)
	eventually(t, "alpha can store again", 15*time.Second, func() bool { return !w.alpha.condition("state-not-saved") })
}

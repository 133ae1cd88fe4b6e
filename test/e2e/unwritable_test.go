//go:build e2e

package e2e

import (
	"os/exec"
	"path/filepath"
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

//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// previousCommit is the newest one of the previous version: a pair whose appliances
// run that version and this one works.
const previousCommit = "0c38c17"

// previousDir is the environment variable that names the directory in which the
// program of the previous version is built.
const previousDir = "BATON_PREVIOUS_DIR"

// previous returns the program of the previous version, built from the repository's
// history once in a run. It skips the test where the history does not reach so far.
func previous(t *testing.T) string {
	t.Helper()
	dir, top := os.Getenv(previousDir), filepath.Join("..", "..")
	path := filepath.Join(dir, "baton")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if err := exec.CommandContext(t.Context(), "git", "-C", top, "cat-file", "-e", previousCommit+"^{commit}").Run(); err != nil {
		t.Skipf("skipped: commit %s of the previous version is not in the history of this repository (%v)", previousCommit, err)
	}
	build := fmt.Sprintf("git -C %q archive %s | tar -x -C %q && cd %[3]q && CGO_ENABLED=0 go build -o baton ./cmd/baton", top, previousCommit, dir)
	if text, err := exec.CommandContext(t.Context(), "sh", "-c", build).CombinedOutput(); err != nil {
		t.Fatalf("build the previous version: %v\n%s", err, text)
	}
	return path
}

// Each of the two versions takes the site from the other, as backup and as primary.
func TestAPairOfTwoVersions(t *testing.T) {
	full(t)
	for name, programs := range map[string][2]string{
		"the primary is older": {previous(t), ""},
		"the backup is older":  {"", previous(t)},
	} {
		t.Run(name, func(t *testing.T) {
			w := steadyPair(t, plan{timeout: moderate, programs: programs})
			at := time.Now()
			w.beta.baton("become primary --final-sync --wait")
			w.tookOver(w.alpha, w.beta, at, 20*time.Second)
			w.settled(w.beta, w.alpha)
			at = time.Now()
			w.beta.baton("become backup --final-sync --wait")
			w.tookOver(w.beta, w.alpha, at, 20*time.Second)
			w.settled(w.alpha, w.beta)
			at = w.fault(w.lab.PowerCut(w.alpha.Host))
			w.tookOver(w.alpha, w.beta, at, 20*time.Second)
			w.returns(w.alpha, w.beta)
			at = w.fault(w.lab.PowerCut(w.beta.Host))
			w.tookOver(w.beta, w.alpha, at, 20*time.Second)
			w.returns(w.beta, w.alpha)
		})
	}
}

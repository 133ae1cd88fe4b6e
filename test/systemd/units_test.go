//go:build e2e

package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The tests of internal/systemd start and stop units of a real systemd: here they have one.
func TestMachinesStartAndStopUnits(t *testing.T) {
	full(t)
	_, alpha, _ := boot(t, debian(t, "python3"))
	program := filepath.Join(t.TempDir(), "units")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, "baton/internal/systemd")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	alpha.copy(program, "/root/units")
	out, err := alpha.try("env", "BATON_TRY_SYSTEMD=1", "/root/units", "-test.v")
	t.Log(out)
	if passed := strings.Count(out, "--- PASS: "); err != nil || passed < 20 || strings.Contains(out, "make e2e-systemd") {
		t.Errorf("%d tests passed: %v", passed, err)
	}
}

package daemon

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// ProgramName is the environment variable that names the daemon under test.
const ProgramName = "BATON_BINARY"

// Build makes the daemon of this module for a run of tests, and has ProgramName
// name it, unless it names one already. The caller must call remove at the end.
func Build(ctx context.Context) (remove func(), err error) {
	if os.Getenv(ProgramName) != "" {
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "baton-test-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the daemon: %w", err)
	}
	path := filepath.Join(dir, "baton")
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "baton/cmd/baton") //nolint:gosec // its own directory
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the daemon: %w\n%s", err, text)
	}
	return func() { _ = os.RemoveAll(dir) }, os.Setenv(ProgramName, path)
}

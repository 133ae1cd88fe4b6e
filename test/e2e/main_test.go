//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"baton/internal/lab"
)

// binaryName is the environment variable that names the daemon under test.
const binaryName = "BATON_BINARY"

func TestMain(m *testing.M) {
	code, again, err := lab.Enter()
	switch {
	case err != nil:
		fmt.Println("skipped: the lab needs network namespaces:", err)
		return
	case again:
		os.Exit(code)
	}
	remove, err := build()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code = m.Run()
	remove()
	os.Exit(code)
}

// build makes the daemon, unless the environment names one.
func build() (remove func(), err error) {
	if given := os.Getenv(binaryName); given != "" {
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "baton-e2e-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for the daemon: %w", err)
	}
	path := filepath.Join(dir, "baton")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "baton/cmd/baton")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the daemon: %w\n%s", err, text)
	}
	return func() { _ = os.RemoveAll(dir) }, os.Setenv(binaryName, path)
}

// full skips what go test -short leaves out.
func full(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not part of the short run")
	}
}

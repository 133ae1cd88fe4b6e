//go:build e2e

package systemd

import (
	"fmt"
	"os"
	"testing"
	"time"

	"baton/internal/lab"
)

// scratchDir is the environment variable that names the directory of what is made once in a run.
const scratchDir = "BATON_SCRATCH_DIR"

func TestMain(m *testing.M) {
	code, again, err := lab.Enter()
	switch {
	case err != nil:
		fmt.Println("skipped: the lab needs network namespaces:", err)
		return
	case again:
		os.Exit(code)
	}
	scratch, err := os.MkdirTemp("", "baton-machines-")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_ = os.Setenv(scratchDir, scratch) // a name that is never wrong
	code = m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// full skips what go test -short leaves out.
func full(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not part of the short run")
	}
}

func rest(d time.Duration) { time.Sleep(d) }

// eventually waits until something holds.
func eventually(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(within); !holds(); rest(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

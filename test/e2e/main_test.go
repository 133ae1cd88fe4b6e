//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"testing"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
)

func TestMain(m *testing.M) {
	code, again, err := lab.Enter()
	switch {
	case err != nil:
		fmt.Println("skipped: the lab needs network namespaces:", err)
		return
	case again:
		os.Exit(code)
	}
	remove, err := daemon.Build(context.Background())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	scratch, err := os.MkdirTemp("", "baton-previous-")
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_ = os.Setenv(previousDir, scratch) // a name that is never wrong
	code = m.Run()
	remove()
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

//go:build e2e

package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	if _, err := findChromium(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	remove, err := daemon.Build(context.Background())
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	code = m.Run()
	remove()
	if err := writeIndex(os.Getenv(galleryName)); err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// findChromium looks for the browser.
func findChromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("chromium is missing: install it as root (apt-get install chromium), then run this again")
}

// full skips what go test -short leaves out.
func full(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not part of the short run")
	}
}

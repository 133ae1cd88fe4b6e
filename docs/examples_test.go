package docs_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The unit of examples/own-service runs while the machine has the address, and only then.
func TestMyOwnServiceFollowsTheAddress(t *testing.T) {
	dir := t.TempDir()
	asked, address := filepath.Join(dir, "asked"), filepath.Join(dir, "address")
	program := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program("ip", "cat "+address+" 2>/dev/null") // what ip address show would write
	program("systemctl", `echo "$@" >>`+asked)
	ctx, stop := context.WithCancel(t.Context())
	script := exec.CommandContext(ctx, filepath.Join(root, "examples/own-service/while-shared-ip"), "198.51.100.10", "worker.service")
	script.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	if err := script.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stop()
		_ = script.Wait() // it was killed
	}()
	waitFor := func(want string) {
		t.Helper()
		for range 600 {
			if text, _ := os.ReadFile(asked); string(text) == want {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		text, _ := os.ReadFile(asked)
		t.Fatalf("systemctl was told %q, want %q", text, want)
	}
	said := []string{"--no-block stop worker.service\n"}
	waitFor(strings.Join(said, ""))
	for range 2 {
		if err := os.WriteFile(address, []byte("2: eth0 inet 198.51.100.10/24\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		said = append(said, "--no-block start worker.service\n")
		waitFor(strings.Join(said, ""))
		if err := os.Remove(address); err != nil {
			t.Fatal(err)
		}
		said = append(said, "--no-block stop worker.service\n")
		waitFor(strings.Join(said, ""))
	}
}

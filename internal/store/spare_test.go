package store

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/pair"

	"golang.org/x/sys/unix"
)

// A role must be able to change on a disk that has no room left, as often as it takes.
func TestStateIsSavedOnAFullDisk(t *testing.T) {
	for _, disk := range []string{"blocks", "inodes"} {
		t.Run(disk, func(t *testing.T) {
			dir := ext4(t)
			l, err := OpenLocal(filepath.Join(dir, "local"), alpha, quiet())
			if err != nil {
				t.Fatal(err)
			}
			fillWith(t, dir, disk)
			for counter := range uint64(20) {
				want := pair.Epoch{Counter: counter + 1, Holder: alpha}
				err := l.Save(t.Context(), func(s *State) {
					s.Record.Epoch, s.Record.Lineage = want, s.Record.Lineage.Begin(want, counter)
				})
				if err != nil {
					t.Fatalf("save %d: %v", counter, err)
				}
				var stored State
				if err := readJSON(l.file("state.json"), &stored); err != nil || stored.Record.Epoch != want {
					t.Fatalf("stored %v, %v", stored.Record.Epoch, err)
				}
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			again, err := OpenLocal(filepath.Join(dir, "local"), alpha, quiet())
			if err != nil {
				t.Fatal(err)
			}
			if got := again.State().Record.Epoch.Counter; got != 20 {
				t.Errorf("after a restart: epoch %d", got)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// ext4 returns an empty file system of its own: others allocate as they like.
func ext4(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	image, at := filepath.Join(dir, "image"), filepath.Join(dir, "disk")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 8<<20), os.Mkdir(at, 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"mkfs.ext4 -q -m 0 -N 64 " + image, "mount -o loop " + image + " " + at} {
		if err := run(strings.Fields(line)...); err != nil {
			t.Skipf("no ext4 on a loop device can be had here: %s: %v", line, err)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, 0); err != nil {
			t.Error(err)
		}
	})
	return at
}

// fillWith takes all blocks, or all inodes, of a file system.
func fillWith(t *testing.T, dir, what string) {
	t.Helper()
	for i := range 1000 {
		size := 0
		if what == "blocks" {
			size = 16 << 20
		}
		file, err := os.OpenFile(filepath.Join(dir, fmt.Sprint("fill", i)), os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, err = file.Write(make([]byte, size))
			err = errors.Join(err, file.Sync(), file.Close())
		}
		if full(err) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the disk does not become full")
}

func run(args ...string) error {
	output, err := exec.Command(args[0], args[1:]...).CombinedOutput() //nolint:noctx // a test's own words
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

package durable

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A role must be able to change on a disk that has no room left, as often as it takes.
func TestAKeptFileIsReplacedOnAFullDisk(t *testing.T) {
	for _, disk := range []string{"blocks", "inodes"} {
		t.Run(disk, func(t *testing.T) {
			dir := ext4(t)
			path, other := filepath.Join(dir, "state.json"), filepath.Join(dir, "other.json")
			if err := errors.Join(Replace(path, []byte("first")), Reserve(path), Replace(other, []byte("other"))); err != nil {
				t.Fatal(err)
			}
			fillWith(t, dir, disk)
			for size := 1000; size <= 3000; size += 100 {
				content := bytes.Repeat([]byte{byte(size / 100)}, size)
				if err := Replace(path, content); err != nil {
					t.Fatalf("%d bytes: %v", size, err)
				}
				if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
					t.Fatalf("%d bytes: read %d, %v", size, len(got), err)
				}
			}
			if err := Replace(other, bytes.Repeat([]byte("x"), 1<<20)); !full(err) {
				t.Errorf("a file without a spare: %v", err)
			}
			if got, err := os.ReadFile(other); err != nil || string(got) != "other" {
				t.Errorf("a file that could not be replaced is %d bytes, %v", len(got), err)
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
	output, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

// A sign of life tells whether the kept file beside it can be replaced: yes on a full disk, for
// which room is reserved, and no where the directory takes no changes.
func TestTouchTellsWhetherFilesCanBeReplaced(t *testing.T) {
	dir := ext4(t)
	kept, sign := filepath.Join(dir, "state.json"), filepath.Join(dir, "alive")
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	if err := errors.Join(Replace(kept, []byte("first")), Reserve(kept), Touch(sign, kept, now)); err != nil {
		t.Fatal(err)
	}
	fillWith(t, dir, "inodes")
	now = now.Add(time.Second)
	if err := Touch(sign, kept, now); err != nil {
		t.Errorf("on a full disk: %v", err)
	}
	if info, err := os.Stat(sign); err != nil || !info.ModTime().Equal(now) {
		t.Errorf("the sign of life is of %v, %v", info.ModTime(), err)
	}
	if err := os.Remove(spareOf(kept)); err != nil {
		t.Fatal(err)
	}
	fillWith(t, dir, "inodes")
	if err := Touch(sign, kept, now); !full(err) {
		t.Errorf("on a full disk without reserved room: %v", err)
	}
	if err := run("chattr", "+i", dir); err != nil {
		t.Skipf("no directory can be made immutable here: %v", err)
	}
	if err := Touch(sign, kept, now); !errors.Is(err, unix.EPERM) {
		t.Errorf("in a directory that takes no changes: %v", err)
	}
	if err := run("chattr", "-i", dir); err != nil {
		t.Fatal(err)
	}
}

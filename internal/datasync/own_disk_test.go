package datasync

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// ownDisk mounts a new ext4 file system, or skips the test with the reason. What
// is tested here cannot be seen in memory.
func ownDisk(tb testing.TB, options ...string) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "disk")
	must(tb, os.MkdirAll(dir, 0o755))
	image := dir + ".img"
	must(tb, os.WriteFile(image, nil, 0o600))
	must(tb, os.Truncate(image, 48<<20))
	run := func(name string, args ...string) {
		tb.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			tb.Skipf("no file system of its own can be had here: %s: %v: %s", name, err, out)
		}
	}
	run("mkfs.ext4", append(append([]string{"-q", "-F", "-m", "0"}, options...), image)...)
	run("mount", "-o", "loop", image, dir)
	tb.Cleanup(func() {
		if out, err := exec.Command("umount", "-R", "-l", dir).CombinedOutput(); err != nil {
			tb.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// pairOnDisk is a pair whose backup keeps its tree on a disk of its own.
func pairOnDisk(tb testing.TB, options ...string) *pairOf {
	tb.Helper()
	disk := ownDisk(tb, options...)
	p := newPair(tb)
	p.backup = newAppliance(tb, p.backup.dir, filepath.Join(disk, "tree"))
	return p
}

func command(tb testing.TB, name string, args ...string) {
	tb.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		tb.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// flagged sets or clears a flag of a file, as with chattr +i.
func flagged(tb testing.TB, flag, path string) {
	tb.Helper()
	command(tb, "chattr", flag, path)
	if flag[0] == '+' {
		tb.Cleanup(func() { _ = exec.Command("chattr", "-ia", path).Run() })
	}
}

func bind(tb testing.TB, from, onto string) {
	tb.Helper()
	command(tb, "mount", "--bind", from, onto)
	tb.Cleanup(func() { _ = exec.Command("umount", "-l", onto).Run() })
}

// fill leaves a file system without inodes, or without room.
func fill(tb testing.TB, dir string, inodes bool) {
	tb.Helper()
	must(tb, os.MkdirAll(dir, 0o755))
	if !inodes {
		f, err := os.Create(filepath.Join(dir, "ballast"))
		must(tb, err)
		for _, size := range []int{1 << 20, 4096, 1} {
			for _, err = f.Write(make([]byte, size)); err == nil; _, err = f.Write(make([]byte, size)) {
				continue
			}
		}
		must(tb, f.Close())
		return
	}
	for i := 0; ; i++ {
		if os.WriteFile(fmt.Sprintf("%s/%06d", dir, i), nil, 0o600) != nil {
			return
		}
	}
}

package datasync

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"baton/internal/durable"
)

// cloningDisk mounts a new file system whose files can share blocks, or skips the test with the reason.
func cloningDisk(tb testing.TB, kind string) string {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "disk")
	must(tb, os.MkdirAll(dir, 0o755))
	image := dir + ".img"
	must(tb, os.WriteFile(image, nil, 0o600))
	must(tb, os.Truncate(image, 320<<20))
	for _, command := range [][]string{{"mkfs." + kind, "-q", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			tb.Skipf("skipped: no %s can be had here: %s: %v: %s", kind, command[0], err, out)
		}
	}
	tb.Cleanup(func() {
		if out, err := exec.Command("umount", "-R", "-l", dir).CombinedOutput(); err != nil {
			tb.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// TestALargeFileIsClonedWhereFilesCanShareBlocks has a backup on btrfs and on XFS take what differs alone.
func TestALargeFileIsClonedWhereFilesCanShareBlocks(t *testing.T) {
	for _, kind := range []string{"btrfs", "xfs"} {
		t.Run(kind, func(t *testing.T) {
			disk := cloningDisk(t, kind)
			p := newPair(t)
			p.backup = newAppliance(t, p.backup.dir, filepath.Join(disk, "tree"))
			for name, change := range largeChanges() {
				t.Run(name, func(t *testing.T) {
					must(t, os.RemoveAll(p.primary.tree))
					path := p.primary.tree + "/d/large"
					write(t, path, noise(largeSize))
					_, err := p.tryPull(t, Request{AcceptShrink: true})
					must(t, err)
					change(t, path)
					free := freeBytes(t, disk)
					p.pull(t)
					must(t, durable.SyncFS(disk))
					if took := free - freeBytes(t, disk); took > 4<<20 && strings.HasPrefix(name, "some") {
						t.Errorf("it took %d bytes", took)
					}
				})
			}
		})
	}
}

func freeBytes(tb testing.TB, dir string) int64 {
	tb.Helper()
	must(tb, durable.SyncFS(dir))
	var s unix.Statfs_t
	must(tb, unix.Statfs(dir, &s))
	return int64(s.Bfree) * s.Bsize
}

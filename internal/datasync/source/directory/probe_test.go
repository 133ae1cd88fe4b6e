package directory

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/pair"
)

// disks calls f with a place for file systems of its own, which none but the test sees.
func disks(t *testing.T, f func(dir string)) {
	t.Helper()
	dir := t.TempDir()
	ended := make(chan string)
	go func() {
		runtime.LockOSThread() // the thread ends with this function, and its mounts with it
		why := ""
		defer func() { ended <- why }()
		if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS|unix.CLONE_FS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err != nil {
			why = err.Error()
			return
		}
		f(dir)
	}()
	if why := <-ended; why != "" {
		t.Skipf("no file system of its own can be had here: %s", why)
	}
}

func TestProbe(t *testing.T) {
	disks(t, func(dir string) {
		kind, err := New(Options{Index: filepath.Join(dir, "index")})
		if err != nil {
			t.Error(err)
			return
		}
		disk := func(name, options string) string {
			at := filepath.Join(dir, name)
			if err := errors.Join(os.Mkdir(at, 0o755), unix.Mount("none", at, "tmpfs", 0, options)); err != nil {
				t.Error(err)
			}
			return at
		}
		probe := func(at string, tried map[uint64]bool) (Disk, bool) {
			return kind.Probe(pair.Data{Name: "site", Spec: pair.Directory{Path: pair.Path(at)}}, tried)
		}

		// A disk that takes writes: nobody sees what is written.
		well := disk("well", "size=1m")
		before := stat(t, well)
		time.Sleep(10 * time.Millisecond)
		if found, is := probe(well, map[uint64]bool{}); !is || found.Failed != nil || found.Full || found.ReadOnly || found.Place != well || found.Room.Bavail == 0 {
			t.Errorf("%+v, %v", found, is)
		}
		if names, err := os.ReadDir(well); err != nil || len(names) != 0 || stat(t, well) != before {
			t.Errorf("%v, %v; the directory was changed", names, err)
		}

		// Each disk is tried once, and what is not there is not.
		tried := map[uint64]bool{}
		if err := os.Mkdir(filepath.Join(well, "below"), 0o755); err != nil {
			t.Error(err)
		}
		if _, is := probe(well, tried); !is {
			t.Error("not tried")
		}
		if _, is := probe(filepath.Join(well, "below"), tried); is {
			t.Error("a disk is tried twice")
		}
		if _, is := probe(filepath.Join(well, "none"), map[uint64]bool{}); is {
			t.Error("a directory that is not there is tried")
		}

		// Where nothing may be made, the disk is not to blame.
		fixed := filepath.Join(well, "below")
		if out, err := exec.CommandContext(t.Context(), "chattr", "+i", fixed).CombinedOutput(); err != nil {
			t.Logf("an immutable directory is not tried: %s", out)
		}
		if found, is := probe(fixed, map[uint64]bool{}); !is || found.Failed != nil || found.Full {
			t.Errorf("immutable: %+v, %v", found, is)
		}
		_ = exec.CommandContext(t.Context(), "chattr", "-i", fixed).Run()

		full := disk("full", "size=64k")
		if err := os.WriteFile(filepath.Join(full, "all"), make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Error(err)
		}
		if found, is := probe(full, map[uint64]bool{}); !is || !found.Full {
			t.Errorf("full: %+v, %v", found, is)
		}
		crowded := disk("crowded", "size=1m,nr_inodes=2")
		if err := os.WriteFile(filepath.Join(crowded, "one"), nil, 0o600); err != nil {
			t.Error(err)
		}
		if found, is := probe(crowded, map[uint64]bool{}); !is || !found.Full {
			t.Errorf("without inodes: %+v, %v", found, is)
		}
		readOnly := disk("fixed", "size=1m")
		if err := unix.Mount("none", readOnly, "", unix.MS_REMOUNT|unix.MS_RDONLY, "size=1m"); err != nil {
			t.Error(err)
		}
		if found, is := probe(readOnly, map[uint64]bool{}); !is || !found.ReadOnly || found.Full || found.Failed != nil {
			t.Errorf("read-only: %+v, %v", found, is)
		}
	})
}

func stat(t *testing.T, path string) unix.Stat_t {
	t.Helper()
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil {
		t.Error(err)
	}
	s.Atim = unix.Timespec{}
	return s
}

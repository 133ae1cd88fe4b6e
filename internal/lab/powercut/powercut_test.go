package powercut_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"baton/internal/lab/powercut"
)

// alone runs a test in a mount namespace of its own, and reports whether it is there already.
func alone(t *testing.T) bool {
	t.Helper()
	if err := powercut.Unavailable(); err != nil {
		t.Skip(err)
	}
	if os.Getenv("BATON_POWERCUT") != "" {
		return true
	}
	out, err := powercut.Alone(t.Name(), "BATON_POWERCUT=yes").CombinedOutput()
	if strings.Contains(string(out), "--- SKIP") {
		t.Skipf("%s", out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path, text string, durable bool) {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	_, err = f.WriteString(text)
	must(t, err)
	if durable {
		must(t, f.Sync())
	}
	must(t, f.Close())
}

func syncDir(t *testing.T, dir string) {
	t.Helper()
	d, err := os.Open(dir)
	must(t, err)
	must(t, d.Sync())
	must(t, d.Close())
}

// TestACutLosesWhatWasNotMadeDurable shows that the disk is honest: what a program made durable survives each cut, and
// what it did not is lost, or half lost, in some.
func TestACutLosesWhatWasNotMadeDurable(t *testing.T) {
	if !alone(t) {
		return
	}
	empty, err := powercut.Format(32 << 20)
	must(t, err)
	lost, empties := 0, 0
	for seed := range uint64(20) {
		d, err := powercut.New(t.TempDir(), slices.Clone(empty), seed)
		must(t, err)
		must(t, d.Mount("noauto_da_alloc,data=writeback"))
		was := d.Flushes()
		put(t, filepath.Join(d.Dir, "kept.new"), "kept", true)
		if d.Flushes() == was {
			t.Fatal("fsync of a file does not reach the disk")
		}
		must(t, os.Rename(filepath.Join(d.Dir, "kept.new"), filepath.Join(d.Dir, "kept")))
		syncDir(t, d.Dir)
		put(t, filepath.Join(d.Dir, "lost.new"), "lost", false)
		must(t, os.Rename(filepath.Join(d.Dir, "lost.new"), filepath.Join(d.Dir, "lost")))
		put(t, filepath.Join(d.Dir, "other"), "other", seed%2 == 0) // its fsync commits the names of others
		d.Cut()
		if _, err := os.ReadFile(filepath.Join(d.Dir, "nothing")); err == nil || os.WriteFile(filepath.Join(d.Dir, "more"), []byte("x"), 0o600) == nil && fsync(filepath.Join(d.Dir, "more")) == nil {
			t.Fatal("a disk without power takes what is written")
		}
		must(t, d.Off())
		must(t, d.Mount(""))
		text, err := os.ReadFile(filepath.Join(d.Dir, "kept"))
		if err != nil || string(text) != "kept" {
			t.Fatalf("seed %d: what was made durable is %q, %v", seed, text, err)
		}
		switch text, err = os.ReadFile(filepath.Join(d.Dir, "lost")); {
		case errors.Is(err, fs.ErrNotExist):
			lost++
		case err == nil && string(text) != "lost":
			empties++
		case err != nil:
			t.Fatal(err)
		}
		must(t, d.Off())
		must(t, d.Check())
		must(t, d.Close())
	}
	t.Logf("of 20 cuts %d lost a file that was not made durable, and %d its content", lost, empties)
	if lost == 0 || empties == 0 {
		t.Error("nothing is ever lost")
	}
}

func fsync(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

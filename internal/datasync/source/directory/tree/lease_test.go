package tree

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
)

// lease has its owner hold a file of the tree by a lease: who opens it waits, or is
// told to try again, for as long as fs.lease-break-time says.
func lease(tb testing.TB, path string) {
	tb.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		tb.Skipf("no leases here: %v", err)
	}
}

// TestAFileThatIsHeldIsNotWaitedFor has the owner of a file hold it.
func TestAFileThatIsHeldIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	held := filepath.Join(dir, "held")
	if err := os.WriteFile(held, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	tree, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tree.Close() }()
	lease(t, held)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	began := time.Now()
	if _, _, _, err := tree.Hash(ctx, "held", time.Now, time.Time{}); !errors.Is(err, source.ErrChanging) || !strings.Contains(err.Error(), "lease") {
		t.Errorf("the read ended with %v after %s", err, time.Since(began))
	}
	over, stop := context.WithCancel(t.Context())
	stop()
	if _, _, _, err := tree.Hash(over, "held", time.Now, time.Time{}); !errors.Is(err, context.Canceled) {
		t.Errorf("the read that was stopped ended with %v", err)
	}
}

// TestMetadataIsSetOfAFileThatIsHeld has the owner hold a file, and a directory with a
// locked one, while they get their metadata.
func TestMetadataIsSetOfAFileThatIsHeld(t *testing.T) {
	dir := t.TempDir()
	held := filepath.Join(dir, "held")
	if err := errors.Join(os.WriteFile(held, []byte("x"), 0o644), unix.Setxattr(held, "user.old", []byte("1"), 0)); err != nil {
		t.Fatal(err)
	}
	tree, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tree.Close() }()
	lease(t, held)
	want := manifest.Entry{
		Path: "held", Kind: manifest.File, Mode: 0o600, UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), ModTime: 4711,
		XAttrs: []manifest.XAttr{{Name: "user.new", Value: "2"}},
	}
	for _, mode := range []uint32{0o600, 0o000, 0o640} {
		want.Mode = mode
		if err := tree.setMetaAt(want); err != nil {
			t.Fatal(err)
		}
		stamp, err := tree.Stat("held")
		if err != nil || stamp.Mode&0o7777 != mode || stamp.ModTime != 4711 {
			t.Errorf("got %+v, %v", stamp, err)
		}
	}
	names := make([]byte, 100)
	if n, err := unix.Listxattr(held, names); err != nil || string(names[:n]) != "user.new\x00" {
		t.Errorf("attributes %q, %v", names[:max(n, 0)], err)
	}
}

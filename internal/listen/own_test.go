package listen

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A first start that is cut short, or meets a full disk, must not leave half a
// certificate with which no later start works.
func TestConsoleCertificateIsWholeOrAbsent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "console.pem")
	if err := os.WriteFile(path+".new", []byte("half"), 0o600); err != nil { // cut short
		t.Fatal(err)
	}
	first, err := ConsoleCertificate(dir, "alpha")
	if err != nil {
		t.Fatal(err)
	}
	again, err := ConsoleCertificate(dir, "alpha")
	if err != nil || !bytes.Equal(first.Leaf.Raw, again.Leaf.Raw) {
		t.Fatalf("another certificate at the second start, or %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
}

func TestFullDiskLeavesNoHalfCertificate(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=4096,nr_inodes=8"); err != nil {
		t.Skip("no file system of its own can be mounted here: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ConsoleCertificate(dir, "alpha"); err == nil {
		t.Fatal("written to a full disk")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if _, err := ConsoleCertificate(dir, "alpha"); err != nil {
		t.Fatalf("with room again: %v", err)
	}
}

package datasync

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"baton/internal/pair"
)

// deep makes directories below one another until their path has so many bytes, or opens those that are there, and does something in the last.
func deep(tb testing.TB, root string, bytes int, do func(dir int)) {
	tb.Helper()
	at, err := unix.Open(root, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(tb, err)
	name := strings.Repeat("d", 200)
	for length := 0; length < bytes; length += len(name) + 1 {
		if err := unix.Mkdirat(at, name, 0o755); err != nil && !errors.Is(err, unix.EEXIST) {
			tb.Fatal(err)
		}
		below, err := unix.Openat(at, name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(tb, err)
		must(tb, unix.Close(at))
		at = below
	}
	do(at)
	must(tb, unix.Close(at))
}

// TestAPathThatIsLongerThanTheSystemTakesAtOnce has a file so deep that no system call takes its whole path, and one that is deeper than may be protected.
func TestAPathThatIsLongerThanTheSystemTakesAtOnce(t *testing.T) {
	p := newPair(t)
	must(t, os.MkdirAll(p.primary.tree, 0o755))
	for _, text := range []string{"first", "second, and longer"} {
		deep(t, p.primary.tree, 3*unix.PathMax, func(dir int) {
			f, err := unix.Openat(dir, "f", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
			must(t, err)
			_, err = unix.Write(f, []byte(text))
			must(t, errors.Join(err, unix.Close(f)))
		})
		_, err := p.tryPull(t, Request{})
		must(t, err)
		deep(t, p.backup.tree, 3*unix.PathMax, func(dir int) {
			f, err := unix.Openat(dir, "f", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			must(t, err)
			b := make([]byte, 100)
			n, err := unix.Read(f, b)
			must(t, errors.Join(err, unix.Close(f)))
			if string(b[:n]) != text {
				t.Errorf("it has %q, want %q", b[:n], text)
			}
		})
	}
	deep(t, p.primary.tree, pair.MaxPath+1, func(int) {})
	_, err := p.tryPull(t, Request{})
	if err == nil || !strings.Contains(err.Error(), "A path in "+p.primary.tree+" is longer than") || len(err.Error()) > 1000 {
		t.Errorf("told: %v", err)
	}
	must(t, p.backup.Settle(t.Context()))
	must(t, os.RemoveAll(filepath.Join(p.primary.tree, strings.Repeat("d", 200))))
	write(t, p.primary.tree+"/after", "that")
	_, err = p.tryPull(t, Request{AcceptShrink: true})
	must(t, err)
	same(t, p.primary.tree, p.backup.tree)
}

// TestManyFilesInOneDirectory has 100,000 files right in one directory, some of which change.
func TestManyFilesInOneDirectory(t *testing.T) {
	if os.Getenv("BATON_SEEDS") == "" {
		t.Skip("takes half a minute: set BATON_SEEDS")
	}
	p := newPair(t)
	for n := range 100_000 {
		write(t, fmt.Sprintf("%s/many/%06d", p.primary.tree, n), "x")
	}
	_, err := p.tryPull(t, Request{}) // p.pull compares each with each
	must(t, err)
	for n := range 100 {
		must(t, os.Remove(fmt.Sprintf("%s/many/%06d", p.primary.tree, n*1000)))
		write(t, fmt.Sprintf("%s/many/%06d", p.primary.tree, n*1000+1), "another")
	}
	if _, err := p.tryPull(t, Request{}); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(p.backup.tree + "/many")
	if err != nil || len(names) != 99_900 || content(p.backup.tree+"/many/001001") != "another" {
		t.Errorf("%d names, %v", len(names), err)
	}
}

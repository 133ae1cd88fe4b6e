package directory

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"baton/internal/datasync/manifest"
	"baton/internal/datasync/source"
	"baton/internal/pair"
)

// TestAfterAStartOfTheMachineEveryFileIsRead: the index holds over starts of the daemon, and not over one of the machine, before
// which its power may have failed.
func TestAfterAStartOfTheMachineEveryFileIsRead(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(50 * time.Millisecond) // what was written just now is read again in any case
	indexes := t.TempDir()
	for _, start := range []struct {
		boot string
		read int
	}{{"first", 2}, {"first", 0}, {"second", 2}, {"second", 0}, {"", 2}, {"", 0}} {
		kind, err := New(Options{Index: indexes, Boot: start.boot, Log: slog.New(slog.DiscardHandler), Place: func(pair.Data) string { return dir }})
		if err != nil {
			t.Fatal(err)
		}
		files, err := kind.open(pair.Data{Name: "files", Spec: pair.Directory{Path: "/srv/files"}}, source.Serve)
		if err != nil {
			t.Fatal(err)
		}
		files.Scheme = manifest.Newest
		scan, err := kind.scan(t.Context(), files, source.Serve)
		if err != nil || scan.Hashed != start.read {
			t.Errorf("start %q: %d files are read, and should %d: %v", start.boot, scan.Hashed, start.read, err)
		}
		if err := files.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

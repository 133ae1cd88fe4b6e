package pinned

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A path in which there is no link is resolved in one call of the kernel: that says what going through it says.
func TestAPathIsResolvedAsByGoingThroughIt(t *testing.T) {
	t.Parallel()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(names ...string) string { return filepath.Join(append([]string{top}, names...)...) }
	if err := errors.Join(
		os.MkdirAll(at("dir", "deep"), 0o755), os.WriteFile(at("dir", "file"), nil, 0o600),
		os.Symlink("dir", at("link")), os.Symlink(at("nowhere"), at("dangling")), os.Symlink("file", at("dir", "to-file")),
		os.Symlink("loop", at("loop")),
	); err != nil {
		t.Fatal(err)
	}
	for path, direct := range map[string]bool{
		"/": true, "/dir": true, "/dir/": true, "//dir//deep/.": true, "/dir/deep/..": true, "/missing": true, "/dir/missing/deep": true,
		"/missing/../dir": true, "/missing/../link": true, "/dir/file": true, "/dir/file/deeper": false,
		"/link": false, "/link/deep": false, "/link/missing": false, "/link/../dir": false, "/dangling": false, "/dir/to-file": false, "/loop": false,
	} {
		if plain(top+path) != direct {
			t.Errorf("%s: in one call %v, want %v", path, !direct, direct)
		}
		var want string
		dir, rest, wantErr := Nearest(top + path)
		if wantErr == nil {
			want = filepath.Join(dir.Real(), rest)
			_ = dir.Close()
		}
		if got, err := Resolve(top + path); got != want || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: resolved as %q (%v), want %q (%v)", path, got, err, want, wantErr)
		}
	}
	if _, err := Resolve("dir"); err == nil {
		t.Error("a relative path was resolved")
	}
}

func BenchmarkResolve(b *testing.B) {
	for b.Loop() {
		if _, err := Resolve("/var/lib"); err != nil {
			b.Fatal(err)
		}
	}
}

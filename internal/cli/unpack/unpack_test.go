package unpack

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// archive makes a tar of the given entries.
func archive(tb testing.TB, entries ...tar.Header) []byte {
	tb.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, header := range entries {
		if header.Typeflag == tar.TypeReg {
			header.Size = 4
		}
		if err := w.WriteHeader(&header); err != nil {
			tb.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte("text")); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

func TestUnpackKeepsModeTimeAndLinks(t *testing.T) {
	dir := t.TempDir()
	then := time.Date(2029, 1, 2, 3, 4, 5, 0, time.UTC)
	files, err := Archive(bytes.NewReader(archive(
		t, tar.Header{Name: "site/", Typeflag: tar.TypeDir, Mode: 0o755},
		tar.Header{Name: "site/a", Typeflag: tar.TypeReg, Mode: 0o640, ModTime: then},
		tar.Header{Name: "site/b", Typeflag: tar.TypeSymlink, Linkname: "a"},
		tar.Header{Name: "site/c", Typeflag: tar.TypeLink, Linkname: "site/a"},
	)), dir)
	if err != nil || files != 3 {
		t.Fatalf("%d files, %v", files, err)
	}
	info, err := os.Stat(filepath.Join(dir, "site/b"))
	if err != nil || info.Mode() != 0o640 || !info.ModTime().Equal(then) {
		t.Errorf("%v, %v", info, err)
	}
}

func TestUnpackNeverLeavesItsDirectory(t *testing.T) {
	for name, entries := range map[string][]tar.Header{
		"up":              {{Name: "../escaped", Typeflag: tar.TypeReg, Mode: 0o600}},
		"through symlink": {{Name: "out", Typeflag: tar.TypeSymlink, Linkname: ".."}, {Name: "out/escaped", Typeflag: tar.TypeReg, Mode: 0o600}},
		"absolute":        {{Name: "/escaped", Typeflag: tar.TypeReg, Mode: 0o600}},
		"device":          {{Name: "escaped", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}},
		"hard link":       {{Name: "escaped", Typeflag: tar.TypeLink, Linkname: "../outside"}},
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "dir")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(parent, "outside"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Archive(bytes.NewReader(archive(t, entries...)), dir); err == nil {
				t.Error("was taken")
			}
			if _, err := os.Lstat(filepath.Join(parent, "escaped")); err == nil {
				t.Error("a file outside the directory")
			}
		})
	}
}

// FuzzUnpack: nothing that an archive says reaches beyond its directory.
func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, tar.Header{Name: "a/b", Typeflag: tar.TypeReg, Mode: 0o600}))
	f.Add(archive(f, tar.Header{Name: "../b", Typeflag: tar.TypeReg, Mode: 0o600}))
	f.Add(archive(f, tar.Header{Name: "l", Typeflag: tar.TypeSymlink, Linkname: ".."}, tar.Header{Name: "l/b", Typeflag: tar.TypeReg}))
	f.Fuzz(func(t *testing.T, data []byte) {
		parent := t.TempDir()
		dir := filepath.Join(parent, "dir")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		_, _ = Archive(bytes.NewReader(data), dir)
		if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
			t.Errorf("beside the directory: %v, %v", entries, err)
		}
	})
}

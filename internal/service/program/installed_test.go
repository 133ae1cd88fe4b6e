package program

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestACommandNeedsItsDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"":           "",
		".":          "",
		"file":       "file is not a directory: name the one that it runs in",
		"none":       "none, the directory that it runs in, is not on this machine: make it",
		"/tmp/none":  "",
		"file/below": "",
	} {
		if lacks := directory(path); lacks != want {
			t.Errorf("%q: %q, want %q", path, lacks, want)
		}
	}
}

func TestTheSumOfAProgram(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "server")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path+".new", mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	var s Sums
	if _, lacks := s.program(path); !strings.HasSuffix(lacks, "server is not on this machine: install it") {
		t.Error(lacks)
	}
	if _, lacks := s.program(dir); !strings.HasSuffix(lacks, "is a directory: name the program") {
		t.Error(lacks)
	}
	write("one", 0o600)
	if _, lacks := s.program(path); !strings.Contains(lacks, "cannot be executed: chmod +x "+path) {
		t.Error(lacks)
	}
	write("one", 0o700)
	first, lacks := s.program(path)
	if first == "" || lacks != "" {
		t.Fatal(first, lacks)
	}
	if again, _ := s.program(path); again != first {
		t.Error("it is another without a change")
	}
	write("two", 0o700)
	if another, _ := s.program(path); another == first || another == "" {
		t.Error("a new version is the same")
	}
	if text, why := s.of("/dev/zero"); text != "" || why == "" {
		t.Error("a device is read")
	}
	if s.Files([]string{path, ""}) == s.Files([]string{path, dir}) {
		t.Error("what is dropped into a unit does not count")
	}
}

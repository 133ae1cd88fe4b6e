package program

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"baton/internal/pair"
	"baton/internal/service"
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

// systemd takes a user by its number, also one that has no name.
func TestAUserMayBeANumber(t *testing.T) {
	t.Parallel()
	var sums Sums
	for name, want := range map[string]pair.InstalledService{
		"4711":  {User: "4711", UserID: "4711"},
		"nadie": {User: "nadie", Lacks: "there is no user nadie on this machine: make it with useradd, with the number that it has on the primary"},
	} {
		if got := sums.Complete(pair.InstalledService{User: name}, service.Definition{Name: "worker"}); got.UserID != want.UserID || got.Lacks != want.Lacks {
			t.Errorf("%s: %+v", name, got)
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
	if _, lacks, _ := s.program(path); !strings.HasSuffix(lacks, "server is not on this machine: install it") {
		t.Error(lacks)
	}
	if _, lacks, _ := s.program(dir); !strings.HasSuffix(lacks, "is a directory: name the program") {
		t.Error(lacks)
	}
	write("one", 0o600)
	if _, lacks, _ := s.program(path); !strings.Contains(lacks, "cannot be executed: chmod +x "+path) {
		t.Error(lacks)
	}
	write("one", 0o700)
	first, lacks, err := s.program(path)
	if first == "" || lacks != "" || err != nil {
		t.Fatal(first, lacks, err)
	}
	if again, _, _ := s.program(path); again != first {
		t.Error("it is another without a change")
	}
	write("two", 0o700)
	if another, _, _ := s.program(path); another == first || another == "" {
		t.Error("a new version is the same")
	}
	if text, _, err := s.program("/dev/zero/x"); text != "" || err == nil || !strings.HasPrefix(err.Error(), "/dev/zero/x (") {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := s.of("/dev/zero"); text != "" || err == nil || err.Error() != "/dev/zero (it is no regular file)" {
		t.Errorf("a device is read: %q, %v", text, err)
	}
	one, unread := s.Files([]string{path, ""})
	if two, also := s.Files([]string{path, dir}); two == one || len(unread) != 0 || !slices.Equal(also, []string{dir + " (it is no regular file)"}) {
		t.Errorf("what is dropped into a unit does not count: %v, %v", unread, also)
	}
}

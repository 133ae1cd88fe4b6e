package disks

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/pair"
	"baton/internal/peer/wire"
)

func TestProtectedDirectoriesAreLookedAt(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	var all []pair.Spec
	for _, path := range []string{dir, filepath.Join(dir, "absent"), file, file + "/below"} {
		all = append(all, pair.Directory{Path: pair.Path(path)})
	}
	found := New().At(t.Context(), all...)
	for i, want := range []string{"can be read", "is not there", "is not a directory", "is not a directory"} {
		if !strings.Contains(found[i].Text, want) || found[i].OK != (i == 0) || found[i].OK == (found[i].NextStep != "") {
			t.Errorf("%d: %+v, want %q", i, found[i], want)
		}
	}
	if got := Measure(t.Context(), dir); got.Text != "It holds 1 file, 5 B." {
		t.Errorf("measured %q", got.Text)
	}
}

// A look that does not end, as at a network disk that hangs, holds up nothing else.
func TestALookThatHangsHoldsUpNothing(t *testing.T) {
	l := New()
	hangs := pair.Directory{Path: "/hangs"}
	l.under[hangs] = &readTest{done: make(chan struct{})}
	found := l.At(t.Context(), hangs, pair.Directory{Path: pair.Path(t.TempDir())})
	if found[0].OK || !strings.Contains(found[0].Text, "/hangs does not answer") || !found[1].OK {
		t.Errorf("%+v", found)
	}
	if len(l.under) != 1 {
		t.Errorf("%d Disks are under way: each look at a hanging disk adds one", len(l.under))
	}
}

func TestRoomIsThatOfTheDiskAPathWouldBeOn(t *testing.T) {
	dir := t.TempDir()
	var want unix.Statfs_t
	if err := unix.Statfs(dir, &want); err != nil {
		t.Fatal(err)
	}
	got, err := Asked(t.Context(), wire.Room{Path: filepath.Join(dir, "to", "be", "made")})
	if err != nil || got.Whole != int64(want.Blocks)*want.Bsize || got.Free > got.Whole {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Asked(t.Context(), wire.Room{Path: "relative"}); err == nil {
		t.Error("a relative path was taken")
	}
}

// TestALockedDatabaseIsNoDiskThatHangs has another process keep a database for itself.
func TestALockedDatabaseIsNoDiskThatHangs(t *testing.T) {
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("sqlite3 is not installed: apt-get install sqlite3")
	}
	path := filepath.Join(t.TempDir(), "app.db")
	program := exec.CommandContext(t.Context(), "sqlite3", "-batch", path)
	in, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = in.Close(), program.Wait() }()
	if _, err := io.WriteString(in, "create table t (a); begin exclusive;\n.shell touch "+path+".locked\n"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if _, err := os.Stat(path + ".locked"); err == nil {
			break
		}
	}
	if found := New().At(t.Context(), pair.SQLite{Path: pair.Path(path)})[0]; found.OK || !strings.Contains(found.Text, "its program keeps it locked") {
		t.Errorf("%+v", found)
	}
}

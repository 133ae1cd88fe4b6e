package disks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"baton/internal/peer/wire"
)

func TestProtectedDirectoriesAreLookedAt(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	found := New().At(t.Context(), dir, filepath.Join(dir, "absent"), file, file+"/below")
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
	l.under["/hangs"] = &readTest{done: make(chan struct{})}
	dir := t.TempDir()
	found := l.At(t.Context(), "/hangs", dir)
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

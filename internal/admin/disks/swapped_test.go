package disks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/peer/wire"
)

// TestLooksAreNotLedElsewhere has a symlink that its owner can change where protected
// data is said to be.
func TestLooksAreNotLedElsewhere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives a directory to another user")
	}
	const alice = 4711
	home, secret := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(secret, "shadow"), []byte("of root"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(home, "site")
	if err := os.Symlink(secret, link); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(home, alice, alice); err != nil {
		t.Fatal(err)
	}
	if found := readableDirectory(link); found.OK || !strings.Contains(found.Text, "others than root") || found.NextStep == "" {
		t.Errorf("looked at: %+v", found)
	}
	if found := Measure(t.Context(), link); strings.Contains(found.Text, "1 file") {
		t.Errorf("measured: %+v", found)
	}
	if room, err := Asked(t.Context(), wire.Room{Path: link}); err == nil {
		t.Errorf("room told: %+v", room)
	}
}

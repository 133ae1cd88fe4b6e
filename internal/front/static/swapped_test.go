package static

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTheSiteIsNotLedElsewhere has the owner of the directory above the site put a
// symlink in its place, and root do the same.
func TestTheSiteIsNotLedElsewhere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives a directory to another user")
	}
	const alice = 4711
	dir := t.TempDir()
	for _, sub := range []string{"secret", "home"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "secret", "shadow"), []byte("of root"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "home", "site")
	if err := os.Symlink(filepath.Join(dir, "secret"), link); err != nil {
		t.Fatal(err)
	}
	file, err := openFile(link, "/shadow")
	if err != nil {
		t.Fatalf("a link that is root's alone is not followed: %v", err)
	}
	_ = file.Close()
	if err := os.Chown(filepath.Join(dir, "home"), alice, alice); err != nil {
		t.Fatal(err)
	}
	if file, err := openFile(link, "/shadow"); err == nil {
		_ = file.Close()
		t.Error("a file of root's was served by the word of another user")
	}
}

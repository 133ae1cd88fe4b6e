package peer

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestIdentityIsMadeOnceAndReadAfterwards(t *testing.T) {
	dir := t.TempDir()
	var made [4]Identity
	var starts sync.WaitGroup
	for i := range made { // at once: one wins, all read its file
		starts.Go(func() {
			identity, err := LoadIdentity(dir)
			if err != nil {
				t.Error(err)
			}
			made[i] = identity
		})
	}
	starts.Wait()
	for _, identity := range made {
		if identity.Pin() != made[0].Pin() {
			t.Error("two identities")
		}
	}
	if id := made[0].ID(); len(id) != 32 || !strings.HasPrefix(made[0].Pin(), string(id)) {
		t.Errorf("id %s of pin %s", id, made[0].Pin())
	}
	info, err := os.Stat(filepath.Join(dir, identityFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestDamagedIdentityIsNeverReplaced(t *testing.T) {
	dir := t.TempDir()
	if _, err := LoadIdentity(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, identityFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"empty": nil, "cut": whole[:len(whole)/2], "garbage": []byte("garbage")} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadIdentity(dir)
		if err == nil || !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		if after, _ := os.ReadFile(path); string(after) != string(content) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

package telling

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWhatMayNotBeProtectedIsNotFollowed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "baton.toml")
	text := "name = \"alpha\"\ndata_dir = \"" + t.TempDir() + "\"\nlisten = [\"127.0.0.1:7443\"]\nprotect = [\"/srv\"]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, allowed := range map[string]bool{"/srv/www": true, "/var/www": false, "/etc/cron.d": false} {
		if why := refuses(file, path); (why == "") != allowed {
			t.Errorf("%s: %q", path, why)
		}
	}
	if why := refuses(file+"-none", "/srv/www"); why == "" {
		t.Error("without a configuration it is followed")
	}
}

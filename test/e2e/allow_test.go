//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baton/internal/lab/daemon"
)

// Each machine says what may be protected on it: what root of the one protects, and the
// other leaves out, is told with the command to run there, and nothing is made there.
func TestEachMachineSaysWhatMayBeProtected(t *testing.T) {
	const keys = "srv/git/.ssh"
	w := twoDaemons(t, plan{})
	w.alpha.write(filepath.Join(keys, "authorized_keys"), "of alpha")
	for _, a := range w.both() {
		a.typed(key, "key set")
	}
	w.alpha.baton("data add dir site " + w.alpha.OnHost(daemon.SiteDir))
	w.alpha.baton("data add dir keys " + w.alpha.OnHost(keys))
	if list := w.alpha.baton("data allow"); !strings.Contains(list, w.alpha.OnHost(keys)) {
		t.Errorf("alpha allows %q", list)
	}
	w.alpha.baton("pair " + peerOf(w.beta))
	w.beta.refused(3, "baton data allow "+w.beta.OnHost(keys), "sync --wait")
	if _, err := os.Lstat(w.beta.Path(keys)); err == nil {
		t.Error("the directory was made")
	}
	eventually(t, "the status names the command", 20*time.Second, func() bool {
		return strings.Contains(w.beta.status().Sync.Error, "baton data allow "+w.beta.OnHost(keys))
	})
	w.beta.baton("data allow " + w.beta.OnHost(keys))
	w.beta.baton("sync --wait")
	if !w.beta.has(filepath.Join(keys, "authorized_keys"), "of alpha") {
		t.Error("it was not synced once it was allowed")
	}
}

//go:build e2e

package systemd

import (
	"testing"
	"time"
)

// The examples of this repository: their pages are typed on two machines, from the installation to a
// planned switch and a power cut.

func TestExampleNginx(t *testing.T) {
	full(t)
	e := newExample(t, "nginx", "http://198.51.100.10", "/")
	e.after = func(what string, without time.Duration) {
		e.runs("nginx", "nginx:")
		if what == "a planned switch" && without > time.Second {
			t.Errorf("%s took %s", what, without)
		}
	}
	e.run()

	// Its master process is killed, and leaves its workers behind; then the site moves.
	e.primary.protected()
	e.primary.run("sh", "-c", "kill -9 $(cat /run/nginx.pid)")
	e.types(e.other(e.primary), "baton become primary --final-sync --wait")
}

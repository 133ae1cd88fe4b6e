//go:build e2e

package systemd

import (
	"strings"
	"testing"
	"time"
)

// The services of a primary whose daemon hangs, or is killed again and again, do not run beside
// those of the backup that takes over.
func TestMachinesStopTheServicesOfADaemonThatHangs(t *testing.T) {
	full(t)
	_, alpha, beta, client := served(t)
	for _, c := range []struct {
		what  string
		fault func(at time.Time)
	}{
		{"it hangs", func(time.Time) { alpha.run("sh", "-c", "kill -STOP $(pgrep -o -x baton)") }},
		{"it is killed for longer than the timeout", func(at time.Time) {
			for time.Since(at) < 4*time.Second {
				_, _ = alpha.try("systemctl", "kill", "-s", "KILL", "--kill-who=main", "baton")
				rest(50 * time.Millisecond)
			}
		}},
	} {
		beta.ready()
		alpha.protected()
		at := time.Now()
		go c.fault(at)
		t.Logf("%s: no answer for %s", c.what, moved(t, client, beta, at).Round(time.Millisecond))
		eventually(t, "alpha's services have stopped", 20*time.Second, func() bool {
			what, _, _ := alpha.noted(at)
			return strings.Count(strings.Join(what, " "), "stop") >= 3
		})
		_, _, stopped := alpha.noted(at)
		_, started, _ := beta.noted(at)
		t.Logf("%s: alpha's services had stopped %s after that, beta's started after %s: both ran for %s", c.what, stopped.Sub(at).Round(time.Millisecond), started.Sub(at).Round(time.Millisecond), stopped.Sub(started).Round(time.Millisecond))
		if both := stopped.Sub(started); both > time.Second {
			t.Errorf("%s: wanted at most 1 s", c.what)
		}
		alpha.ready()
		alpha.baton("become primary --final-sync --wait")
	}
}

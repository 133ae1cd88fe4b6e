//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

// Two appliances on which different shared IPs are enabled say so, with the commands; neither a takeover nor
// a switch takes the site's address away, and all is well once they are the same.
func TestOtherSharedIPs(t *testing.T) {
	full(t)
	const one, other = "198.51.100.10", "198.51.100.11"
	w := steadyPair(t, plan{timeout: moderate, shared: []string{one + "/24", other + "/24"}})
	w.alpha.baton("shared-ip disable " + other)
	w.beta.baton("shared-ip disable " + one)
	for _, a := range w.both() {
		eventually(t, a.Name()+" says that the shared IPs differ", 5*time.Second, func() bool { return a.condition("shared-ip-differs") })
		eventually(t, "doctor on "+a.Name()+" names the commands", 5*time.Second, func() bool {
			got := a.run("", "doctor")
			return got.Code != 0 && strings.Contains(got.Out, "baton shared-ip enable "+one) && strings.Contains(got.Out, "baton shared-ip enable "+other)
		})
		eventually(t, a.Name()+" says that nothing takes over", 5*time.Second, func() bool {
			readiness := a.status().Readiness
			return readiness != nil && !readiness.Ready && strings.Contains(readiness.Text, "not the same")
		})
	}
	at := time.Now()
	w.beta.refused(3, "not the same", "become primary --final-sync --wait")
	w.alpha.refused(3, "not the same", "become backup --wait")
	w.undisturbed(w.alpha, at, quietly)
	w.fault(w.lab.PowerCut(w.alpha.Host))
	w.noTakeover(w.beta, 4*moderate)
	w.fault(w.lab.PowerOn(w.alpha.Host))
	w.alpha.serve()
	w.settled(w.alpha, w.beta)
	w.beta.baton("shared-ip enable " + one)
	w.beta.baton("shared-ip disable " + other)
	eventually(t, "they are the same", 5*time.Second, func() bool { return !w.alpha.condition("shared-ip-differs") && !w.beta.condition("shared-ip-differs") })
	w.beta.baton("become primary --final-sync --wait")
	w.settled(w.beta, w.alpha)
	if w.alpha.status().Role != pair.Backup {
		t.Error("alpha is no backup")
	}
}

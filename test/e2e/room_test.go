//go:build e2e

package e2e

import (
	"testing"
	"time"

	"baton/internal/pair"
)

// Roles change on disks that are full, on either side, and both say so beforehand.
func TestRolesChangeOnFullDisks(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast, disk: 96 << 20})
	for _, a := range w.both() {
		w.fault(w.lab.Fill(a.Host))
		eventually(t, a.Name()+" says that its disk is nearly full", 10*time.Second, func() bool { return a.condition("data-dir-full") })
	}
	at := w.fault(w.lab.CutCable(w.alpha.Host))
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	w.fault(w.lab.PlugCable(w.alpha.Host))
	eventually(t, "alpha follows beta", 10*time.Second, func() bool { return w.alpha.status().Role == pair.Backup })
	if w.alpha.condition("state-not-saved") || w.beta.condition("state-not-saved") {
		t.Error("a role could not be stored")
	}
	for _, a := range w.both() {
		w.fault(w.lab.Drain(a.Host))
	}
	w.settled(w.beta, w.alpha)
	for _, a := range w.both() {
		eventually(t, a.Name()+" has room again", 10*time.Second, func() bool { return !a.condition("data-dir-full") })
	}
}

// A primary whose disk is full can be switched away from.
func TestSwitchAwayFromAFullDisk(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate, disk: 96 << 20})
	w.fault(w.lab.Fill(w.alpha.Host))
	at := time.Now()
	w.beta.baton("become primary --final-sync --wait")
	w.reached(w.beta, at, 10*time.Second)
	w.fault(w.lab.Drain(w.alpha.Host))
	w.settled(w.beta, w.alpha)
}

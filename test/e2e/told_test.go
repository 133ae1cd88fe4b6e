//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

// What pairing would replace is told beforehand, and nothing is changed by asking.
func TestPairingIsLookedAtFirst(t *testing.T) {
	full(t)
	w := twoDaemons(t, plan{})
	for _, a := range w.both() {
		a.typed(key, "key set")
	}
	told := w.alpha.baton("pair " + peerOf(w.beta) + " --check")
	if !strings.Contains(told, "All site data on beta will be replaced by that of alpha.") {
		t.Errorf("told: %s", told)
	}
	for _, a := range w.both() {
		if status := a.status(); status.Role != pair.Standalone || status.Peer != nil {
			t.Errorf("%s is %s", a.Name(), status.Role)
		}
	}
}

// Both appliances tell the same of a takeover, of each other and of the data sync
// that runs, which either of them cancels.
func TestBothTellTheSame(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{settings: "sync_schedule=daily bandwidth_limit=1MB"})
	eventually(t, "both are ready", 10*time.Second, func() bool {
		a, b := w.alpha.status(), w.beta.status()
		return a.Readiness != nil && b.Readiness != nil && a.Readiness.Ready && b.Readiness.Ready &&
			a.Readiness.TakeoverMS == b.Readiness.TakeoverMS && a.Peer.Report != nil && b.Peer.Report != nil && a.Sync.NextRun != nil
	})
	w.alpha.write(site("big.bin"), w.alpha.random(8_000_000))
	w.alpha.baton("sync")
	for _, a := range w.both() {
		eventually(t, a.Name()+" shows the progress", 10*time.Second, func() bool {
			sync := a.status().Sync
			return sync.State == pair.SyncRunning && sync.BytesTotal == 8_000_000 && sync.Speed > 0 && sync.LeftMS > 0
		})
	}
	w.alpha.baton("sync cancel")
	for _, a := range w.both() {
		eventually(t, a.Name()+" shows that it has ended", 5*time.Second, func() bool { return a.status().Sync.State == pair.SyncFailed })
	}
	w.alpha.refused(3, "no data sync", "sync cancel")
}

// A new primary does not know how old the data of its backup is until that tells.
func TestNewPrimaryDoesNotGuessTheDataAge(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate})
	at := w.fault(w.lab.PowerCut(w.alpha.Host))
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	if status := w.beta.status(); status.Sync.DataAgeMS != -1 || status.Readiness.Ready {
		t.Errorf("data age %d ms, readiness %+v, and no backup has told", status.Sync.DataAgeMS, status.Readiness)
	}
}

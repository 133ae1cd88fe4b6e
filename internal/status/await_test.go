package status

import (
	"testing"
	"time"

	"baton/internal/act/acttest"
	"baton/internal/peer"
)

// TestDoctorWaitsForThePeerRightAfterAStart looks at a peer that does not answer: it waits as
// long as the daemon is new, and no longer.
func TestDoctorWaitsForThePeerRightAfterAStart(t *testing.T) {
	t.Parallel()
	const left = 100 * time.Millisecond
	for name, row := range map[string]struct {
		link    *acttest.Link
		started time.Time
		waits   bool
	}{
		"a new daemon":   {&acttest.Link{Peer: &peer.Pinned{Name: "beta"}}, time.Now().Add(left - settling), true},
		"an older one":   {&acttest.Link{Peer: &peer.Pinned{Name: "beta"}}, time.Now().Add(-settling), false},
		"without a peer": {&acttest.Link{}, time.Now(), false},
	} {
		checks := &Checks{Overview: &Overview{Link: row.link, Agent: acttest.NewAgent()}, Started: row.started}
		begun := time.Now()
		checks.awaitPeer(t.Context())
		early := row.waits && time.Now().Before(row.started.Add(settling))
		if late := !row.waits && time.Since(begun) > settling/2; early || late {
			t.Errorf("%s: waited %v", name, time.Since(begun))
		}
	}
}

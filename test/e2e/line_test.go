//go:build e2e

package e2e

import (
	"testing"
	"time"

	"baton/internal/pair"
)

// A data sync that fills a slow line costs no poll: nobody suspects the primary meanwhile. The router
// before the line holds a second, more than the timeout.
func TestADataSyncThatFillsTheLineDelaysNoPoll(t *testing.T) {
	const perSecond = 10_000_000 / 8
	w := steadyPair(t, plan{timeout: 2 * time.Second})
	if _, err := w.lab.Slow(w.lab.Host("beta"), perSecond); err != nil {
		t.Fatal(err)
	}
	text := w.alpha.random(8 * perSecond)
	w.alpha.write(site("big.bin"), text)
	began := time.Now()
	eventually(t, "the data sync runs", 3*time.Second, func() bool { return w.beta.status().Sync.State == pair.SyncRunning })
	eventually(t, "the data sync is done", time.Minute, func() bool { return w.beta.has(site("big.bin"), text) })
	took := time.Since(began)
	t.Logf("80 Mbit over 10 Mbit/s took %s", took.Round(time.Millisecond))
	for _, change := range w.beta.events(pair.KindRoleChanged) {
		if change.Time.After(began) {
			t.Error(change.Time.Format("05.000"), change.Text)
		}
	}
}

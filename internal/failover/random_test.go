package failover_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"baton/internal/failover/failovertest"
)

func TestRandomRuns(t *testing.T) {
	for seed := range uint64(8) {
		randomRun(t, seed, 5*time.Minute)
	}
}

// randomRun plays one run; its seed replays it.
func randomRun(t *testing.T, seed uint64, span time.Duration) {
	t.Helper()
	found := failovertest.RandomRun(rand.New(rand.NewPCG(seed, 0)), span)
	t.Logf("seed %d: %d faults, %d kinds of transition", seed, found.Worlds, len(found.Transitions))
	if found.Bug != "" {
		t.Fatalf("seed %d: %s", seed, found)
	}
}

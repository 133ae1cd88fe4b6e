//go:build explore

package failover_test

import (
	"flag"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"baton/internal/failover/failovertest"
)

var (
	seedFlag  = flag.Int64("seed", -1, "replay the random run of this seed alone")
	runsFlag  = flag.Int("runs", 2000, "how many random runs")
	faultFlag = flag.Int("faults", 3, "how many faults in one history")
	stepFlag  = flag.Int("steps", 7, "within how many steps they happen")
)

// TestExploreManyFaults takes hours and some gigabytes at large bounds.
func TestExploreManyFaults(t *testing.T) {
	if *seedFlag >= 0 {
		t.Skip("a random run is replayed")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(200))
	bounds := failovertest.Bounds{Faults: *faultFlag, Steps: *stepFlag, Step: 200 * time.Millisecond}
	for _, start := range failovertest.Starts(failovertest.Quick()) {
		t.Run(start.Name, func(t *testing.T) { explore(t, start, bounds) })
	}
}

// TestExploreAtRandom makes long random runs; a failing one prints its seed.
func TestExploreAtRandom(t *testing.T) {
	const span = 6 * time.Hour
	if *seedFlag >= 0 {
		randomRun(t, uint64(*seedFlag), span)
		return
	}
	first := rand.Uint64() >> 16
	t.Logf("%d runs of %v from seed %d", *runsFlag, span, first)
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for run := next.Add(1); run <= uint64(*runsFlag) && !t.Failed(); run = next.Add(1) {
				found := failovertest.RandomRun(rand.New(rand.NewPCG(first+run, 0)), span)
				if found.Bug != "" {
					t.Errorf("seed %d: %s", first+run, tail(found))
				}
			}
		})
	}
	wg.Wait()
}

// tail keeps of a long history what led to the bug.
func tail(found failovertest.Found) failovertest.Found {
	const shown = 40
	found.History = found.History[max(0, len(found.History)-shown):]
	return found
}

package signin

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// TestAFloodOfSignInsLeavesTheProcessorToTheRest measures, on one processor, how late
// something gets its turn that wants it every 10 ms, as the agent's loop does, and how
// many passwords of strangers are looked at meanwhile.
func TestAFloodOfSignInsLeavesTheProcessorToTheRest(t *testing.T) {
	b := withUsers(t)
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var flood sync.WaitGroup
	var hashed atomic.Int32
	for i := range 40 {
		flood.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				from := api.WithCaller(ctx, api.Caller{From: fmt.Sprintf("203.0.%d.%d", n%250, i+1)})
				if pair.CodeOf(b.try(from, fmt.Sprintf("name%d-%d", i, n), "wrong")) == pair.Unauthorized {
					hashed.Add(1)
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	const wanted = 10 * time.Millisecond
	var worst time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		time.Sleep(wanted)
		worst = max(worst, time.Since(began)-wanted)
	}
	flood.Wait()
	t.Logf("at worst %s late, %d passwords looked at in 3 s", worst, hashed.Load())
	if worst > 500*time.Millisecond { // a busy machine adds to it
		t.Errorf("%s late", worst)
	}
}

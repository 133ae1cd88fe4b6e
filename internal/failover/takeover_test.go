package failover_test

import (
	"testing"
	"time"

	"baton/internal/failover"
	"baton/internal/failover/failovertest"
	"baton/internal/pair"
)

// The evidence that lets a backup take over entitles the primary that it becomes:
// one that would close again at once serves nobody, and waits for another timeout.
func TestWhoTakesOverMayServe(t *testing.T) {
	const step = 5 * time.Millisecond
	c := failovertest.Default()
	c.Timeout, c.Poll = 200*time.Millisecond, 20*time.Millisecond
	takeovers := 0
	for answered := time.Duration(0); answered < 250*time.Millisecond; answered += step {
		w := failovertest.NewPair(c, nil)
		w.PowerOff(failovertest.Alpha)
		w.Run(answered, nil) // from then on the round of pings under way is slow
		beta := w.Sides[failovertest.Beta]
		state, now := beta.State, w.Now
		for end := now.Add(400 * time.Millisecond); now < end && state.Record.Role == pair.Backup; now = now.Add(step) {
			state, _ = beta.Config.Next(state, now, failover.AddressProbed{Result: failover.ProbeSilent})
			state, _ = beta.Config.Next(state, now, failover.Tick{})
		}
		if state.Record.Role == pair.Backup {
			continue
		}
		takeovers++
		if state, _ = beta.Config.Next(state, now.Add(step), failover.Tick{}); state.Phase == pair.Isolated {
			t.Errorf("pings answered for %s: took over, and is %s", answered, state.Place())
		}
	}
	if takeovers == 0 {
		t.Error("it never took over")
	}
}

package failover_test

import (
	"testing"
	"time"

	"baton/internal/failover"
	"baton/internal/failover/failovertest"
	"baton/internal/pair"
)

// The evidence that lets a backup take over entitles the primary that it becomes,
// also if its disk takes a while to store that: one that would close again at once
// serves nobody, and waits for another timeout.
func TestWhoTakesOverMayServe(t *testing.T) {
	const step, saving = 5 * time.Millisecond, 70 * time.Millisecond
	c := failovertest.Default()
	c.Timeout, c.Poll = 200*time.Millisecond, 20*time.Millisecond
	takeovers := 0
	for answered := time.Duration(0); answered < c.Timeout; answered += step {
		w := failovertest.NewPair(c, nil)
		w.PowerOff(failovertest.Alpha)
		w.Run(answered, nil) // from then on the round of pings under way is slow
		beta := w.Sides[failovertest.Beta]
		state, now := beta.State, w.Now
		for end := now.Add(400 * time.Millisecond); now < end && state.Record.Role == pair.Backup; now = now.Add(step) {
			state, _ = beta.Config.Next(state, now, failover.AddressProbed{Result: failover.ProbeSilent})
			state, _ = beta.Config.Next(state, now, failover.Tick{})
		}
		if state.Record.Role == pair.Backup || beta.State.Record.Role == pair.Primary {
			continue // the pings ended before they told enough, or after the takeover
		}
		takeovers++
		for _, ev := range []failover.Event{
			failover.DataOpened{OK: true}, failover.ServicesSet{Duty: pair.Lead, OK: true}, failover.Claimed{OK: true}, failover.Tick{},
		} {
			state, _ = beta.Config.Next(state, now.Add(saving-step), ev)
		}
		if !state.Serving() {
			t.Errorf("pings answered for %s: took over, and is %s", answered, state.Place())
		}
	}
	if takeovers == 0 {
		t.Error("it never took over")
	}
}

// An answer to a ping that was under way when the site was about to be opened takes
// nothing from what that moment entitles to.
func TestALateAnswerTakesNothingFromAnEntitlement(t *testing.T) {
	const step, answers, saving = 5 * time.Millisecond, 25 * time.Millisecond, 70 * time.Millisecond
	c := failovertest.Default()
	c.Timeout, c.Poll = 200*time.Millisecond, 20*time.Millisecond
	w := failovertest.NewPair(c, nil)
	w.PowerOff(failovertest.Alpha)
	beta := w.Sides[failovertest.Beta]
	state, now := beta.State, w.Now
	for end := now.Add(time.Second); now < end && state.Record.Role == pair.Backup; now = now.Add(step) {
		state, _ = beta.Config.Next(state, now, failover.AddressProbed{Result: failover.ProbeSilent})
		if state.Evidence.Testing && now.Sub(state.Evidence.TestBegan) >= answers {
			state, _ = beta.Config.Next(state, now, failover.TestIPsAnswered{Reached: 1})
		}
		state, _ = beta.Config.Next(state, now, failover.Tick{})
	}
	if state.Record.Role != pair.Primary || !state.Evidence.Testing {
		t.Fatalf("%s, a ping under way: %t", state.Place(), state.Evidence.Testing)
	}
	for _, ev := range []failover.Event{
		failover.TestIPsAnswered{Reached: 1}, failover.DataOpened{OK: true}, failover.ServicesSet{Duty: pair.Lead, OK: true}, failover.Claimed{OK: true}, failover.Tick{},
	} {
		state, _ = beta.Config.Next(state, now.Add(saving-step), ev)
	}
	if !state.Serving() {
		t.Errorf("took over, and is %s", state.Place())
	}
}

package failover_test

import (
	"testing"
	"time"

	"baton/internal/failover"
	"baton/internal/failover/failovertest"
)

// until plays a world and returns, for every renewal of alpha, how long traffic may
// pass by it.
func until(w *failovertest.World, span time.Duration) (left []time.Duration) {
	w.Run(span, func(side int, action failover.Action) {
		if renew, ok := action.(failover.Renew); ok && side == failovertest.Alpha {
			left = append(left, renew.Until.Sub(w.Now))
		}
	})
	return left
}

// A renewal never lasts longer than what the primary has proved: contact entitles it
// for 0.6 of the timeout, a ping for 0.4 of it.
func TestTrafficLastsNoLongerThanTheEntitlement(t *testing.T) {
	c := failovertest.Quick()
	c.TrafficLease = true
	w := failovertest.NewPair(c, nil)
	for _, left := range until(&w, 3*time.Second) {
		if left > 600*time.Millisecond || left < 400*time.Millisecond {
			t.Errorf("in contact, a renewal lasts %s", left)
		}
	}
	w.Link = [2]bool{}
	w.PowerOff(failovertest.Beta)
	until(&w, 650*time.Millisecond)
	for _, left := range until(&w, 3*time.Second) {
		if left > 400*time.Millisecond || left < 200*time.Millisecond {
			t.Errorf("alone, a renewal lasts %s", left)
		}
	}
	w.Gateway = [2]bool{}
	last := 400 * time.Millisecond
	renewals := until(&w, 3*time.Second)
	for _, left := range renewals {
		if left > last {
			t.Errorf("cut off, what is left rises from %s to %s", last, left)
		}
		last = left
	}
	if len(renewals) == 0 || w.Sides[failovertest.Alpha].State.Serving() {
		t.Error("it was not cut off")
	}
}

// Where nobody could take over, traffic passes without end, as long as it is renewed.
func TestTrafficHasNoEndWithoutARival(t *testing.T) {
	c := failovertest.Quick()
	c.TrafficLease, c.AutomaticFailover = true, false
	w := failovertest.NewPair(c, nil)
	w.PowerOff(failovertest.Beta)
	w.Run(5*time.Second, nil)
	renewals := until(&w, time.Second)
	for _, left := range renewals {
		if left < time.Hour {
			t.Errorf("a renewal lasts %s", left)
		}
	}
	if len(renewals) == 0 {
		t.Error("nothing was renewed")
	}
}

package failover_test

import (
	"testing"
	"time"

	"baton/internal/failover"
	"baton/internal/failover/failovertest"
)

func quick() failover.Config {
	return failover.Config{
		PairID: "pair", Version: "1", Timeout: time.Second, Poll: 100 * time.Millisecond, TestIPs: 1,
		SharedIP: true, BackupOperations: true, AutomaticFailover: true,
	}
}

func TestEveryWorldOfTwoFaults(t *testing.T) {
	start := failovertest.NewPair(quick(), nil)
	if bug := start.Settled(); bug != "" {
		t.Fatal(bug)
	}
	found := failovertest.Explore(start, failovertest.Faults(), failovertest.Bounds{
		Faults: 2, Steps: 6, Step: 200 * time.Millisecond, Settle: 10 * time.Second,
	})
	t.Log(found)
	if found.Bug != "" {
		t.Fatal("invariant broken")
	}
}

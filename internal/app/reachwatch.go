package app

import (
	"context"
	"sync/atomic"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/probe"
)

// A backup that reaches too few test IPs does not take over. It tries them while all is
// well, so that this is known before the primary fails.
const (
	reachEvery = 10 * time.Second
	reachWait  = 2 * time.Second
	reachLost  = 2 // tries in a row without enough answers, until it is told
)

// reachWatch is what these tries have found.
type reachWatch struct{ failed atomic.Int32 } // tries in a row

// lost reports whether too few test IPs answer.
func (w *reachWatch) lost() bool { return w.failed.Load() >= reachLost }

// take counts a try that reached so many where so many were needed.
func (w *reachWatch) take(reached, need int) {
	if reached >= need {
		w.failed.Store(0)
		return
	}
	w.failed.Add(1)
}

// watchReach tries the test IPs as long as this appliance is a backup that would take
// over by itself.
func (a *Appliance) watchReach(ctx context.Context) error {
	ticker := time.NewTicker(reachEvery)
	defer ticker.Stop()
	for {
		a.tryReach(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (a *Appliance) tryReach(ctx context.Context) {
	seen := a.agent.Look()
	need, wanted := seen.Config.TriesTestIPs(seen.State)
	if !wanted {
		a.reached.take(need, need)
		return
	}
	ips := a.outside(a.settings.Get().TestIPs)
	if found := probe.Reached(ctx, ips, reachWait, need); ctx.Err() == nil {
		a.reached.take(found, need)
	}
}

// reachConditions tells of test IPs that do not answer this backup.
func (a *Appliance) reachConditions() []pair.Condition {
	if !a.reached.lost() || a.local.State().Record.Role != pair.Backup {
		return nil
	}
	return []pair.Condition{{
		ID: "test-ips-unreachable", Severity: pair.Warning, Text: "This backup does not reach enough Network Connectivity Test IPs, so it would not take over.",
		NextStep: reachStep,
	}}
}

// reachStep is the next step while too few test IPs answer.
const reachStep = "Look at the network of this appliance, and at the test IPs: baton test-ips."

// unreached is the readiness of a backup that would take over but for that.
func unreached() *pair.Readiness { return notReady(failover.NetworkLost, reachStep) }

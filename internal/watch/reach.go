package watch

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"

	"baton/internal/agent"
	"baton/internal/pair"
	"baton/internal/probe"
	"baton/internal/tick"
)

// A backup that reaches too few test IPs, or too late, does not take over. It tries them
// while all is well, so that this is known before the primary fails.
const (
	reachEvery = 10 * time.Second
	reachLost  = 2 // tries in a row without enough answers, until it is told
)

// Reach tries the test IPs on a backup. Its methods are safe for use by several goroutines.
type Reach struct {
	Agent interface{ Decision() agent.Decision }
	IPs   func() []netip.Addr // the test IPs that do not belong to the pair

	failed atomic.Int32 // tries in a row
}

// Lost reports whether too few test IPs answer.
func (r *Reach) Lost() bool { return r.failed.Load() >= reachLost }

// take counts a try that reached so many where so many were needed.
func (r *Reach) take(reached, need int) {
	if reached >= need {
		r.failed.Store(0)
		return
	}
	r.failed.Add(1)
}

// Run tries the test IPs as long as this appliance is a backup that would take
// over by itself.
func (r *Reach) Run(ctx context.Context) error {
	ticker := tick.Every(reachEvery)
	defer ticker.Stop()
	for {
		r.try(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

func (r *Reach) try(ctx context.Context) {
	decision := r.Agent.Decision()
	need, within, wanted := decision.Config.TriesTestIPs(decision.State)
	if !wanted {
		r.take(need, need)
		return
	}
	if found := probe.Reached(ctx, r.IPs(), within, need); ctx.Err() == nil {
		r.take(found, need)
	}
}

// Conditions tells of test IPs that do not answer this backup.
func (r *Reach) Conditions() []pair.Condition {
	if !r.Lost() {
		return nil
	}
	decision := r.Agent.Decision()
	if decision.State.Record.Role != pair.Backup {
		return nil
	}
	_, within, _ := decision.Config.TriesTestIPs(decision.State)
	return []pair.Condition{{
		ID: "test-ips-unreachable", Severity: pair.Warning,
		Text:     fmt.Sprintf("This backup does not reach enough Network Connectivity Test IPs within %s, so it would not take over.", pair.DurationText(within)),
		NextStep: ReachStep,
	}}
}

// ReachStep is the next step while too few test IPs answer.
const ReachStep = "Look at the network of this appliance, and at the test IPs: baton test-ips. One that answers later than a fifth of the timeout cannot be used."

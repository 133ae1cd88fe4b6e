package watch

import (
	"errors"
	"fmt"
	"time"

	"baton/internal/agent"
	"baton/internal/lease"
	"baton/internal/pair"
)

// trafficShown is how long something that happened to the traffic lease stays a
// condition.
const trafficShown = time.Minute

// Traffic watches the traffic lease.
type Traffic struct {
	Lease   *lease.Lease
	Missing error // why this machine has no traffic lease; nil: it has one
}

// Conditions tells what has just happened to the traffic lease.
func (t *Traffic) Conditions() (found []pair.Condition) {
	count, lapsed := t.Lease.Lapses()
	if happened(lapsed) {
		found = append(found, pair.Condition{
			ID: "traffic-lease-lapsed", Severity: pair.Warning,
			Text:     "The traffic lease ran out although this appliance was entitled to serve: the daemon got no processor in time, or another program changed the table baton. Requests were lost for a moment; the lease was begun anew at once.",
			NextStep: fmt.Sprintf("Look at this machine's load (%d times since the daemon started), or set a longer Primary Site Instance Timeout.", count),
		})
	}
	if errors.Is(t.Missing, lease.ErrLeft) {
		found = append(found, pair.Condition{
			ID: "traffic-blocked", Severity: pair.Critical,
			Text:     "Nftables rules that an earlier run of the daemon left stop the traffic of the shared IP on this machine, and the daemon cannot remove them.",
			NextStep: "Stop the daemon, run nft delete table inet baton and nft delete table netdev baton, and start it again.",
		})
	}
	if happened(t.Lease.Mended()) {
		found = append(found, pair.Condition{
			ID: "ruleset-flushed", Severity: pair.Warning,
			Text:     "Another program took nftables rules of table baton away, as by nft flush ruleset; they were put back. In between, nothing would have closed the site of a hung daemon.",
			NextStep: "Let that program leave table baton alone: have it flush its own tables only.",
		})
	}
	return found
}

// happened reports whether something happened lately, at an instant of the boot-time clock.
func happened(at time.Duration) bool {
	return at != 0 && time.Duration(agent.BootClock())-at < trafficShown
}

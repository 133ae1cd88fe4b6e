package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/lease"
	"baton/internal/pair"
)

// trafficShown is how long something that happened to the traffic lease stays a
// condition.
const trafficShown = time.Minute

// trafficConditions tells what has just happened to the traffic lease.
func (a *Appliance) trafficConditions() (found []pair.Condition) {
	count, lapsed := a.traffic.Lapses()
	if happened(lapsed) {
		found = append(found, pair.Condition{
			ID: "traffic-lease-lapsed", Severity: pair.Warning,
			Text:     "The traffic lease ran out although this appliance was entitled to serve: the daemon got no processor in time, or another program changed the table baton. Requests were lost for a moment; the lease was begun anew at once.",
			NextStep: fmt.Sprintf("Look at this machine's load (%d times since the daemon started), or set a longer Primary Site Instance Timeout.", count),
		})
	}
	if errors.Is(a.noTraffic, lease.ErrLeft) {
		found = append(found, pair.Condition{
			ID: "traffic-blocked", Severity: pair.Critical,
			Text:     "Nftables rules that an earlier run of the daemon left stop the traffic of the shared IP on this machine, and the daemon cannot remove them.",
			NextStep: "Stop the daemon, run nft delete table inet baton and nft delete table netdev baton, and start it again.",
		})
	}
	if happened(a.traffic.Mended()) {
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

// endTraffic takes the traffic lease's rules away, unless an address that could not
// be taken off is still to be kept silent.
func (a *Appliance) endTraffic() error {
	held, err := a.host.Held(context.Background())
	if err != nil || len(held) > 0 {
		return errors.Join(err, a.traffic.Leave())
	}
	return a.traffic.Remove()
}

// checkTraffic tells whether the kernel ends the site of a hung daemon in time.
func (b *backend) checkTraffic() api.Check {
	if b.traffic.InForce() {
		return fine("traffic-lease", "The traffic lease is in force: if the daemon hangs, the kernel closes the site within 0.4 of the timeout.")
	}
	why := "its rules could not be put back"
	if b.noTraffic != nil {
		why = cause.Of(b.noTraffic)
	}
	check := amiss("traffic-lease", "There is no traffic lease here ("+why+"): if the daemon hangs, the kernel closes the site only when it drops the address, up to 3 s later.",
		"Remove that cause (it needs nf_tables, Linux 5.16 or newer and CAP_NET_ADMIN) and restart the daemon, or keep the Primary Site Instance Timeout at 4 s or more.")
	check.Severity = pair.Warning
	return check
}

// checkBypasses lists what goes past the traffic lease on this machine.
func (b *backend) checkBypasses() (found []api.Check) {
	for _, bypass := range lease.Bypasses(b.config.SharedIPs) {
		check := amiss("traffic-bypass", bypass.Text, bypass.NextStep)
		check.Severity = pair.Warning
		found = append(found, check)
	}
	return found
}

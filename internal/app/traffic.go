package app

import (
	"context"
	"errors"

	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/lease"
	"baton/internal/pair"
)

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
	if b.kernel.Missing != nil {
		why = cause.Of(b.kernel.Missing)
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

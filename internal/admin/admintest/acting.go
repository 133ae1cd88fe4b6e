package admintest

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"baton/internal/admin"
	"baton/internal/api"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/sharedip"
)

// needPeer refuses without a pair, and without a reachable peer unless alone.
func (a *Appliance) needPeer(alone bool) error {
	switch {
	case a.status.Peer == nil:
		return pair.Refuse(pair.Refused, "this appliance is not paired: run baton pair HOST first")
	case !a.status.Peer.Reachable && !alone:
		return pair.Refuse(pair.Unreachable, "beta does not answer: bring it back, or add --force")
	}
	return nil
}

// Preflight implements api.Roles.
func (a *Appliance) Preflight(_ context.Context, change api.RoleChange) ([]api.Check, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	checks := a.checks()
	for i := range checks {
		if change.Force && checks[i].ID == "peer" && !checks[i].OK {
			checks[i].Severity = pair.Warning
		}
	}
	return checks, nil
}

func (a *Appliance) checks() []api.Check {
	if a.status.Peer == nil {
		return []api.Check{{ID: "paired", Severity: pair.Critical, Text: "This appliance is not paired.", NextStep: "Run baton pair HOST on the one that holds the data."}}
	}
	checks := []api.Check{{ID: "paired", OK: true, Severity: pair.Info, Text: "This appliance is paired with beta."}}
	if !a.status.Peer.Reachable {
		return append(checks, api.Check{ID: "peer", Severity: pair.Critical, Text: "beta does not answer.", NextStep: "Look at its power and network."})
	}
	return append(checks, api.Check{ID: "peer", OK: true, Severity: pair.Info, Text: "beta answers."})
}

// Doctor implements api.Upkeep.
func (a *Appliance) Doctor(context.Context) ([]api.Check, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.checks(), nil
}

// composeAddresses makes the acts about addresses.
func (a *Appliance) composeAddresses(shared []pair.SharedIP) {
	a.addresses = &admin.Addresses{
		SharedIPs: shared, Agent: a.agent, Link: a.link, Audit: a.lead.Audit, Local: a.data.Local, Settings: a.inForce,
		Host: network{}, Outside: network{}, KeepOut: func() {}, Enforce: func(*failover.Config) {
			ticked := a.data.Local.State().SharedIPs
			a.Change(func(s *pair.Status) {
				s.SharedIPs = slices.Clone(s.SharedIPs)
				for i, ip := range s.SharedIPs {
					s.SharedIPs[i].Shared = slices.Contains(ticked, netip.MustParsePrefix(ip.Address).Addr().String())
				}
			})
		},
	}
}

// network is one on which nobody has a shared IP, and 198.51.100.0/24 answers pings.
type network struct{}

// Permitted implements admin.Interfaces.
func (network) Permitted(string) error { return nil }

// Probe implements admin.Interfaces.
func (network) Probe(context.Context, []pair.SharedIP, time.Duration) ([]sharedip.Owner, error) {
	return nil, nil
}

// Ping answers as machines do that are asked for an echo.
func (network) Ping(_ context.Context, addresses []netip.Addr) []pair.Reach {
	near := netip.MustParsePrefix("198.51.100.0/24")
	results := make([]pair.Reach, len(addresses))
	for i, address := range addresses {
		results[i] = pair.Reach{IP: address.String(), Reason: "no answer within 2s"}
		if near.Contains(address) {
			results[i] = pair.Reach{IP: address.String(), Reachable: true, RTTMS: 0.42}
		}
	}
	return results
}

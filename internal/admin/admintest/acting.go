package admintest

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"baton/internal/api"
	"baton/internal/pair"
)

// Unpair implements api.Relationship.
func (a *Appliance) Unpair(ctx context.Context, request api.UnpairRequest) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.needPeer(request.Force); err != nil {
		return err
	}
	a.status.Role, a.status.Peer, a.status.ProtectionLevel = pair.Standalone, nil, 0
	a.status.Readiness, a.status.ProtectionNextStep = nil, ""
	a.record(ctx, pair.KindUnpaired, "The relationship was broken.", nil)
	a.wake()
	return nil
}

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

// EnableSharedIP implements api.Addresses.
func (a *Appliance) EnableSharedIP(_ context.Context, address netip.Addr) error {
	return a.tick(address, func(ip *pair.SharedIPStatus) { ip.Shared = true })
}

// DisableSharedIP implements api.Addresses.
func (a *Appliance) DisableSharedIP(_ context.Context, address netip.Addr) error {
	return a.tick(address, func(ip *pair.SharedIPStatus) { ip.Shared = false })
}

func (a *Appliance) tick(address netip.Addr, set func(*pair.SharedIPStatus)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	ips := slices.Clone(a.status.SharedIPs)
	for i := range ips {
		if strings.HasPrefix(ips[i].Address, address.String()+"/") {
			set(&ips[i])
			a.status.SharedIPs = ips
			a.wake()
			return nil
		}
	}
	return pair.Refuse(pair.NotFound, "the configuration file names no shared IP %s: add it there, then try again", address)
}

// TestIPs implements api.Addresses: 198.51.100.0/24 answers, all else is silent.
func (a *Appliance) TestIPs(_ context.Context, addresses []netip.Addr) ([]pair.Reach, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(addresses) == 0 {
		addresses = a.inForce.Get().TestIPs
	}
	if len(addresses) == 0 {
		return nil, pair.Refuse(pair.Refused, "no test IPs are saved: name some, or run baton settings set test_ips=ADDRESS")
	}
	near := netip.MustParsePrefix("198.51.100.0/24")
	results := make([]pair.Reach, len(addresses))
	for i, address := range addresses {
		results[i] = pair.Reach{IP: address.String(), Reason: "no answer within 1s"}
		if near.Contains(address) {
			results[i] = pair.Reach{IP: address.String(), Reachable: true, RTTMS: 0.42}
		}
	}
	return results, nil
}

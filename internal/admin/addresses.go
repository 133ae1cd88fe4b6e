package admin

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"baton/internal/act"
	"baton/internal/cause"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/sharedip"
	"baton/internal/store/local"
)

// Interfaces are those of this machine; *sharedip.Host has them.
type Interfaces interface {
	Permitted(name string) error
	Probe(ctx context.Context, ips []pair.SharedIP, wait time.Duration) ([]sharedip.Owner, error)
}

// Addresses implements api.Addresses.
type Addresses struct {
	SharedIPs []pair.SharedIP // of the configuration file
	Agent     act.Agent
	Link      act.Link
	Audit     act.Audit
	Local     *local.Store
	Settings  *inforce.Settings
	Host      Interfaces
	Outside   interface { // the machines beside the pair
		Ping(ctx context.Context, ips []netip.Addr) []pair.Reach
	}
	KeepOut func()                 // drops what still arrives for an address that is not served here
	Enforce func(*failover.Config) // applies the settings in force
}

// EnableSharedIP implements api.Addresses.
func (n *Addresses) EnableSharedIP(ctx context.Context, address netip.Addr) error {
	if !n.managed(address) {
		return pair.Refuse(pair.NotFound, "%s is not in this appliance's configuration file: add a [[shared_ip]] for it there, and restart", address)
	}
	if err := n.Permitted(address); err != nil {
		return err
	}
	role := n.Agent.Decision().State.Record.Role
	owner, free := "", false
	if role != pair.Backup { // there its primary has the address, as it should
		owner, free = n.usedElsewhere(ctx, address)
	}
	// A standalone appliance may be about to be paired with one that has the address,
	// too. It waits until the address is free, with a condition.
	if role == pair.Primary && owner != "" {
		return pair.Refuse(pair.Refused, "another machine, %s, answers for %s: take the address off there first", owner, address)
	}
	err := n.tick(ctx, "enabled", address, func(ticked []string) []string { return append(ticked, address.String()) })
	n.Agent.Tell(failover.AddressTicked{Free: free})
	return err
}

// Permitted refuses an address that this process could not put on, and one whose interface
// this machine has not.
func (n *Addresses) Permitted(address netip.Addr) error {
	i := slices.IndexFunc(n.SharedIPs, func(ip pair.SharedIP) bool { return ip.Address.Addr() == address })
	switch err := n.Host.Permitted(n.SharedIPs[i].Interface); {
	case errors.Is(err, sharedip.ErrNotPermitted):
		return pair.Refuse(pair.Refused, "%s cannot be shared here: %w", address, cause.Plain(err))
	case errors.Is(err, sharedip.ErrNoInterface):
		return pair.Refuse(pair.Refused, "%s cannot be shared here: this machine has no interface %s: correct interface in [[shared_ip]] of the configuration file, and restart the daemon", address, n.SharedIPs[i].Interface)
	}
	return nil // what else there is may pass
}

// usedElsewhere asks the link which machine has an address, and whether it is
// known that none has.
func (n *Addresses) usedElsewhere(ctx context.Context, address netip.Addr) (owner string, free bool) {
	const wait = 500 * time.Millisecond
	i := slices.IndexFunc(n.SharedIPs, func(ip pair.SharedIP) bool { return ip.Address.Addr() == address })
	owners, err := n.Host.Probe(ctx, n.SharedIPs[i:i+1], wait)
	if len(owners) > 0 {
		return owners[0].MAC.String(), false
	}
	return "", err == nil
}

// DisableSharedIP implements api.Addresses.
func (n *Addresses) DisableSharedIP(ctx context.Context, address netip.Addr) error {
	if !n.managed(address) {
		return pair.Refuse(pair.NotFound, "%s is not in this appliance's configuration file", address)
	}
	return n.tick(ctx, "disabled", address, func(ticked []string) []string { return ticked })
}

// tick changes whether an address is shared, and what is on the interface.
func (n *Addresses) tick(ctx context.Context, what string, address netip.Addr, change func([]string) []string) error {
	err := n.Local.Save(ctx, func(s *local.State) {
		others := slices.DeleteFunc(slices.Clone(s.SharedIPs), func(ip string) bool { return ip == address.String() })
		s.SharedIPs = change(others)
	})
	if err != nil {
		return act.Failure(err)
	}
	n.KeepOut()
	n.Agent.Configure(n.Enforce)
	n.Audit.Note(ctx, "%s the shared IP %s", what, address)
	return nil
}

func (n *Addresses) managed(address netip.Addr) bool {
	return slices.ContainsFunc(n.SharedIPs, func(ip pair.SharedIP) bool { return ip.Address.Addr() == address })
}

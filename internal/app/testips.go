package app

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"

	"baton/internal/pair"
)

// A test IP shows whether an appliance is cut off. An address of the pair itself
// cannot: an appliance reaches its own whatever happens to its cable, and both would
// then take themselves to be well.

// notOutside is what is said of such an address.
const notOutside = "an address of the pair itself says nothing about its network; use another machine, as the gateway"

// ours lists the addresses of the pair that are known here: all of this machine, the
// shared ones, and those under which the peer is known.
func (a *Appliance) ours() []netip.Addr {
	var all []netip.Addr
	own, err := net.InterfaceAddrs()
	if err != nil {
		a.log.Warn("the addresses of this machine cannot be listed", slog.String("error", err.Error()))
	}
	for _, address := range own {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil {
			all = append(all, prefix.Addr().Unmap())
		}
	}
	for _, ip := range a.config.SharedIPs {
		all = append(all, ip.Address.Addr())
	}
	if peer, paired := a.link.Paired(); paired {
		for _, address := range peer.Addresses {
			if host, err := netip.ParseAddrPort(address); err == nil { // a name is not looked up for this
				all = append(all, host.Addr().Unmap())
			}
		}
	}
	return all
}

// outside leaves out of test IPs what belongs to the pair. It may have become so
// after it was saved, as by pairing.
func (a *Appliance) outside(ips []netip.Addr) []netip.Addr {
	ours := a.ours()
	return slices.DeleteFunc(slices.Clone(ips), func(ip netip.Addr) bool { return slices.Contains(ours, ip.Unmap()) })
}

// checkOutside refuses to save test IPs that belong to the pair. What is saved
// already is not refused again with every other setting.
func (a *Appliance) checkOutside(changes map[string]string) error {
	text, changed := changes["test_ips"]
	if !changed {
		return nil
	}
	wanted, err := pair.DefaultSettings().With("test_ips", text)
	if err != nil {
		return err
	}
	outside := a.outside(wanted.TestIPs)
	for _, ip := range wanted.TestIPs {
		if !slices.Contains(outside, ip) {
			return pair.FieldErrorf("test_ips", "%s cannot be tested: %s", ip, notOutside)
		}
	}
	return nil
}

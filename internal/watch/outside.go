package watch

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/probe"
)

// A test IP shows whether an appliance is cut off. An address of the pair itself
// cannot: an appliance reaches its own whatever happens to its cable, and both would
// then take themselves to be well.

// notOutside is what is said of such an address.
const notOutside = "an address of the pair itself says nothing about its network; use another machine, as the gateway"

// Outside tells the addresses of the pair from others.
type Outside struct {
	SharedIPs []pair.SharedIP // of the configuration file
	Link      interface{ Paired() (peer.Pinned, bool) }
	Log       *slog.Logger
}

// ours lists the addresses of the pair that are known here: all of this machine, the
// shared ones, and those under which the peer is known.
func (o *Outside) ours() []netip.Addr {
	var all []netip.Addr
	own, err := net.InterfaceAddrs()
	if err != nil {
		o.Log.Warn("the addresses of this machine cannot be listed", slog.String("error", err.Error()))
	}
	for _, address := range own {
		if prefix, err := netip.ParsePrefix(address.String()); err == nil {
			all = append(all, prefix.Addr().Unmap())
		}
	}
	for _, ip := range o.SharedIPs {
		all = append(all, ip.Address.Addr())
	}
	if peer, paired := o.Link.Paired(); paired {
		for _, address := range peer.Addresses {
			if host, err := netip.ParseAddrPort(address); err == nil { // a name is not looked up for this
				all = append(all, host.Addr().Unmap())
			}
		}
	}
	return all
}

// Of leaves out of test IPs what belongs to the pair. It may have become so
// after it was saved, as by pairing.
func (o *Outside) Of(ips []netip.Addr) []netip.Addr {
	ours := o.ours()
	return slices.DeleteFunc(slices.Clone(ips), func(ip netip.Addr) bool { return slices.Contains(ours, ip.Unmap()) })
}

// Check refuses to save test IPs that belong to the pair. Those that are saved
// already are not refused again with every other setting.
func (o *Outside) Check(saved, wanted []netip.Addr) error {
	if slices.Equal(wanted, saved) {
		return nil
	}
	outside := o.Of(wanted)
	for _, ip := range wanted {
		if !slices.Contains(outside, ip) {
			return pair.RefuseField("test_ips", "%s cannot be tested: %s", ip, notOutside)
		}
	}
	return nil
}

// PingWait is how long a test IP may take to answer.
const PingWait = 2 * time.Second

// Ping asks the addresses from here. Those of the pair itself count as not reached.
func (o *Outside) Ping(ctx context.Context, ips []netip.Addr) []pair.Reach {
	outside := o.Of(ips)
	found := probe.Ping(ctx, ips, PingWait)
	for i, ip := range ips {
		if !slices.Contains(outside, ip) {
			found[i] = pair.Reach{IP: ip.String(), Reason: notOutside}
		}
	}
	return found
}

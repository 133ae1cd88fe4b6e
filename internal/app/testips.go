package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/probe"
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

// checkOutside refuses to save test IPs that belong to the pair. Those that are saved
// already are not refused again with every other setting.
func (a *Appliance) checkOutside(wanted []netip.Addr) error {
	if slices.Equal(wanted, a.settings.Get().TestIPs) {
		return nil
	}
	outside := a.outside(wanted)
	for _, ip := range wanted {
		if !slices.Contains(outside, ip) {
			return pair.RefuseField("test_ips", "%s cannot be tested: %s", ip, notOutside)
		}
	}
	return nil
}

// pingWait is how long a test IP may take to answer, and pingAsk how long the peer may
// take to tell what it reached.
const (
	pingWait = 2 * time.Second
	pingAsk  = pingWait + 2*time.Second
)

// TestIPs implements api.Reaching: on a pair, both appliances ping.
func (b *backend) TestIPs(ctx context.Context, ips []netip.Addr) ([]pair.Reach, error) {
	if len(ips) == 0 {
		ips = b.settings.Get().TestIPs
	}
	if len(ips) == 0 {
		return nil, pair.Refuse(pair.Usage, "no test IPs are saved: name some, as baton test-ips 198.51.100.254")
	}
	pinned, paired := b.link.Paired()
	if !paired {
		return b.ping(ctx, ips), nil
	}
	var there []pair.Reach
	var failed error
	var asking sync.WaitGroup
	asking.Go(func() { there, failed = b.pingThere(ctx, ips) })
	found := b.ping(ctx, ips)
	asking.Wait()
	for i := range found {
		seen := &pair.PeerReach{Name: pinned.Name, Reason: whyUnknown(pinned.Name, failed)}
		if failed == nil {
			seen.Known, seen.Reachable, seen.RTTMS, seen.Reason = true, there[i].Reachable, there[i].RTTMS, words(there[i].Reason)
		}
		found[i].Peer = seen
	}
	return found, nil
}

// whyUnknown says why it is not known what the peer reaches.
func whyUnknown(peerName string, failed error) string {
	if errors.Is(failed, peer.ErrNotKnownThere) {
		return "not known: the version of Baton on " + peerName + " does not test for its peer"
	}
	return "not known: " + peerName + " has not told"
}

// ping asks the addresses from here. Those of the pair itself count as not reached.
func (a *Appliance) ping(ctx context.Context, ips []netip.Addr) []pair.Reach {
	outside := a.outside(ips)
	found := probe.Ping(ctx, ips, pingWait)
	for i, ip := range ips {
		if !slices.Contains(outside, ip) {
			found[i] = pair.Reach{IP: ip.String(), Reason: notOutside}
		}
	}
	return found
}

// pingThere has the peer do the same.
func (a *Appliance) pingThere(ctx context.Context, ips []netip.Addr) ([]pair.Reach, error) {
	ctx, cancel := context.WithTimeout(ctx, pingAsk)
	defer cancel()
	question := wire.Ping{IPs: make([]string, len(ips))}
	for i, ip := range ips {
		question.IPs[i] = ip.String()
	}
	answer, err := peer.Call[wire.Ping, wire.PingAnswer](ctx, a.link.Bulk(), wire.PathPing, question)
	if err == nil && len(answer.Reached) != len(ips) {
		err = peer.ErrSenseless
	}
	return answer.Reached, err
}

// pingAsked answers the peer.
func (a *Appliance) pingAsked(ctx context.Context, question wire.Ping) (wire.PingAnswer, error) {
	if len(question.IPs) > pair.MaxTestIPs {
		return wire.PingAnswer{}, fmt.Errorf("ping of %d addresses: at most %d", len(question.IPs), pair.MaxTestIPs)
	}
	ips := make([]netip.Addr, len(question.IPs))
	for i, text := range question.IPs {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return wire.PingAnswer{}, fmt.Errorf("ping: %w", err)
		}
		ips[i] = ip
	}
	return wire.PingAnswer{Reached: a.ping(ctx, ips)}, nil
}

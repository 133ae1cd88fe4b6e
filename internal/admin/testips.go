package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/status"
	"baton/internal/watch"
)

// pingAsk is how long the peer may take to tell what it reached.
const pingAsk = watch.PingWait + 2*time.Second

// TestIPs implements api.Addresses: on a pair, both appliances ping.
func (n *Addresses) TestIPs(ctx context.Context, ips []netip.Addr) ([]pair.Reach, error) {
	if len(ips) == 0 {
		ips = n.Settings.Get().TestIPs
	}
	if len(ips) == 0 {
		return nil, pair.Refuse(pair.Usage, "no test IPs are saved: name some, as baton test-ips 198.51.100.254")
	}
	pinned, paired := n.Link.Paired()
	if !paired {
		return n.Outside.Ping(ctx, ips), nil
	}
	var there []pair.Reach
	var failed error
	var asking sync.WaitGroup
	asking.Go(func() { there, failed = n.pingThere(ctx, ips) })
	found := n.Outside.Ping(ctx, ips)
	asking.Wait()
	for i := range found {
		seen := &pair.PeerReach{Name: pinned.Name, Reason: whyUnknown(pinned.Name, failed)}
		if failed == nil {
			seen.Known, seen.Reachable, seen.RTTMS, seen.Reason = true, there[i].Reachable, there[i].RTTMS, status.Words(there[i].Reason)
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

// pingThere has the peer do the same.
func (n *Addresses) pingThere(ctx context.Context, ips []netip.Addr) ([]pair.Reach, error) {
	ctx, cancel := context.WithTimeout(ctx, pingAsk)
	defer cancel()
	question := wire.Ping{IPs: make([]string, len(ips))}
	for i, ip := range ips {
		question.IPs[i] = ip.String()
	}
	answer, err := peer.Call[wire.Ping, wire.PingAnswer](ctx, n.Link.Bulk(), wire.PathPing, question)
	if err == nil && len(answer.Reached) != len(ips) {
		err = peer.ErrSenseless
	}
	return answer.Reached, err
}

// PingAsked answers the peer.
func (n *Addresses) PingAsked(ctx context.Context, question wire.Ping) (wire.PingAnswer, error) {
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
	return wire.PingAnswer{Reached: n.Outside.Ping(ctx, ips)}, nil
}

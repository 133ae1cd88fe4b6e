package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/probe"
)

// How the way to the peer is tried.
const (
	wayEvery    = 10 * time.Second // and every second while it is in doubt
	wayInDoubt  = time.Second
	wayWait     = time.Second // for an echo
	wayLost     = 3           // large echoes in a row, while small ones come back
	wayPassed   = 2           // large echoes in a row, until it is well again
	confirmWait = 10 * time.Second
	confirmSize = 16 << 10 // bytes
)

// way is what is known of how large a message to the peer may be.
type way struct {
	narrow atomic.Int64 // bytes of the packets that are lost; 0: none are, as far as known
	lost   int
	passed int
}

// watchWay finds out whether large packets to the peer are lost while small ones
// pass. Then no data comes through, and the polls tell nothing of it.
func (a *Appliance) watchWay(ctx context.Context) error {
	timer := time.NewTimer(wayEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		a.tryWay(ctx)
		timer.Reset(wayEvery)
		if a.way.lost > 0 && a.way.narrow.Load() == 0 || a.way.passed > 0 && a.way.narrow.Load() > 0 {
			timer.Reset(wayInDoubt)
		}
	}
}

func (a *Appliance) tryWay(ctx context.Context) {
	ip, known := a.peerIP()
	if !known {
		a.widen()
		return
	}
	passage, err := probe.Pass(ctx, ip, wayWait)
	switch {
	case err != nil || !passage.Small: // nothing can be said: it is away, or lets no echoes through
		a.way.lost, a.way.passed = 0, 0
	case passage.Large:
		a.way.lost = 0
		if a.way.passed++; a.way.passed >= wayPassed {
			a.widen()
		}
	default:
		a.way.passed = 0
		if a.way.lost++; a.way.lost >= wayLost && a.way.narrow.Load() == 0 && !a.largePass(ctx) {
			a.log.Warn("large messages to the peer are lost", slog.Int("bytes", passage.Bytes))
			a.way.narrow.Store(int64(passage.Bytes))
			a.link.Narrow()
			a.agent.Refresh()
		}
	}
}

func (a *Appliance) widen() {
	if a.way.narrow.Swap(0) != 0 {
		a.link.Widen()
		a.agent.Refresh()
	}
}

// peerIP is where the peer was met last, or else is said to be.
func (a *Appliance) peerIP() (netip.Addr, bool) {
	pinned, paired := a.link.Paired()
	if !paired {
		return netip.Addr{}, false
	}
	if contact, met := a.link.Contact(); met && contact.IP.IsValid() {
		return contact.IP, true
	}
	for _, address := range pinned.Addresses {
		if at, named := pinned.Reached[address]; named {
			address = at
		}
		host, _, err := net.SplitHostPort(address)
		if ip, notIP := netip.ParseAddr(host); err == nil && notIP == nil {
			return ip, true
		}
	}
	return netip.Addr{}, false
}

// largePass reports whether a large message gets to the peer and is answered: some
// filters lose large echoes only.
func (a *Appliance) largePass(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, confirmWait)
	defer cancel()
	question := struct {
		wire.Report

		Padding string `json:"padding"` // no appliance knows it
	}{wire.Report{Report: a.report(ctx, time.Now())}, strings.Repeat("x", confirmSize)}
	_, err := peer.Call[any, wire.Report](ctx, a.link.Bulk(), wire.PathReport, question)
	return err == nil
}

// linkConditions tell what is wrong on the way to the peer, while it answers.
func (a *Appliance) linkConditions() (found []pair.Condition) {
	if lost, is := a.link.Unresolved(); is {
		text := fmt.Sprintf("The name of the peer, %s, cannot be looked up.", lost.Name)
		if lost.Used != "" {
			text += fmt.Sprintf(" The last address that worked is used: %s.", lost.Used)
		}
		found = append(found, pair.Condition{
			ID: "peer-name-unresolved", Severity: pair.Warning, Text: text,
			NextStep: "Look at the name servers of this machine (/etc/resolv.conf) and at that name; or name the peer by its IP address: break the relationship, and establish it again.",
		})
	}
	if bytes := a.way.narrow.Load(); bytes > 0 {
		found = append(found, pair.Condition{
			ID: "large-messages-lost", Severity: pair.Warning,
			Text:     fmt.Sprintf("Small messages pass between the two appliances, large ones do not (MTU): packets of %d bytes are lost on the way, and nobody says so. Polls and data syncs go on in small packets, which is slower.", bytes),
			NextStep: "Set the same MTU on everything between the two (ip link show; tunnels and VPNs take some of it), and let ICMP \"fragmentation needed\" and \"packet too big\" through.",
		})
	}
	return found
}

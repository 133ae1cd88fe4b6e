package watch

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

// Way is what is known of how large a message to the peer may be.
type Way struct {
	Link   *peer.Link
	Agent  interface{ Refresh() }
	Report func(context.Context) pair.Report // of this appliance
	Log    *slog.Logger

	narrow atomic.Int64 // bytes of the packets that are lost; 0: none are, as far as known
	lost   int
	passed int
}

// Run finds out whether large packets to the peer are lost while small ones
// pass. Then no data comes through, and the polls tell nothing of it.
func (w *Way) Run(ctx context.Context) error {
	timer := time.NewTimer(wayEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		w.try(ctx)
		timer.Reset(wayEvery)
		if w.lost > 0 && w.narrow.Load() == 0 || w.passed > 0 && w.narrow.Load() > 0 {
			timer.Reset(wayInDoubt)
		}
	}
}

func (w *Way) try(ctx context.Context) {
	ip, known := w.peerIP()
	if !known {
		w.widen()
		return
	}
	passage, err := probe.Pass(ctx, ip, wayWait)
	switch {
	case err != nil || !passage.Small: // nothing can be said: it is away, or lets no echoes through
		w.lost, w.passed = 0, 0
	case passage.Large:
		w.lost = 0
		if w.passed++; w.passed >= wayPassed {
			w.widen()
		}
	default:
		w.passed = 0
		if w.lost++; w.lost >= wayLost && w.narrow.Load() == 0 && !w.largePass(ctx) {
			w.Log.Warn("large messages to the peer are lost", slog.Int("bytes", passage.Bytes))
			w.narrow.Store(int64(passage.Bytes))
			w.Link.Narrow()
			w.Agent.Refresh()
		}
	}
}

func (w *Way) widen() {
	if w.narrow.Swap(0) != 0 {
		w.Link.Widen()
		w.Agent.Refresh()
	}
}

// largePass reports whether a large message gets to the peer and is answered: some
// filters lose large echoes only.
func (w *Way) largePass(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, confirmWait)
	defer cancel()
	question := struct {
		wire.Report

		Padding string `json:"padding"` // no appliance knows it
	}{wire.Report{Report: w.Report(ctx)}, strings.Repeat("x", confirmSize)}
	_, err := peer.Call[any, wire.Report](ctx, w.Link.Bulk(), wire.PathReport, question)
	return err == nil
}

// peerIP is where the peer was met last, or else is said to be.
func (w *Way) peerIP() (netip.Addr, bool) {
	pinned, paired := w.Link.Paired()
	if !paired {
		return netip.Addr{}, false
	}
	if contact, met := w.Link.Contact(); met && contact.IP.IsValid() {
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

// Conditions tells what is wrong on the way to the peer, while it answers.
func (w *Way) Conditions() (found []pair.Condition) {
	if lost, is := w.Link.Way.Unresolved(); is {
		text := fmt.Sprintf("The name of the peer, %s, cannot be looked up.", lost.Name)
		if lost.Used != "" {
			text += fmt.Sprintf(" The last address that worked is used: %s.", lost.Used)
		}
		found = append(found, pair.Condition{
			ID: "peer-name-unresolved", Severity: pair.Warning, Text: text,
			NextStep: "Look at the name servers of this machine (/etc/resolv.conf) and at that name; or name the peer by its IP address: break the relationship, and establish it again.",
		})
	}
	if bytes := w.narrow.Load(); bytes > 0 {
		found = append(found, pair.Condition{
			ID: "large-messages-lost", Severity: pair.Warning,
			Text:     fmt.Sprintf("Small messages pass between the two appliances, large ones do not (MTU): packets of %d bytes are lost on the way, and nobody says so. Polls and data syncs go on in small packets, which is slower.", bytes),
			NextStep: "Set the same MTU on everything between the two (ip link show; tunnels and VPNs take some of it), and let ICMP \"fragmentation needed\" and \"packet too big\" through.",
		})
	}
	return found
}

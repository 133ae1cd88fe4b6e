package sharedip

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
)

// How often neighbours are asked for again after a link came up: the first frames after that
// are often lost.
const (
	askRounds = 4
	askGap    = 50 * time.Millisecond
)

// askAgain asks for the neighbours on the interfaces that have just come up, and reports
// whether it is to be called again. An interface without a carrier loses its neighbours, and
// every question; the kernel by itself asks only once a second, and until then the peer, the
// test IPs and the clients get no answer.
func (r *runner) askAgain() (again bool) {
	for name, rounds := range r.asking {
		if err := r.host.askNeighbours(name); err != nil {
			r.host.log.Debug("neighbours not asked again", slog.String("interface", name), slog.Any("error", err))
		}
		if r.asking[name] = rounds - 1; rounds == 1 {
			delete(r.asking, name)
		}
	}
	return len(r.asking) > 0
}

// askNeighbours asks, in the name of the interface's own addresses, for every neighbour that
// the kernel waits for. The kernel hears the answers, and sends what it has kept for them.
func (h *Host) askNeighbours(name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	found, err := h.kernel.survey(h.managed)
	link := found.links[name]
	if err != nil || link == nil {
		return err
	}
	neighbours, err := netlink.NeighList(link.Attrs().Index, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	p, err := h.port(link)
	if err != nil {
		return err
	}
	own := found.own(link, h.managed)
	var frames [][]byte
	for _, neighbour := range neighbours {
		target, _ := netip.AddrFromSlice(neighbour.IP)
		target = target.Unmap()
		i := slices.IndexFunc(own, func(prefix netip.Prefix) bool { return prefix.Contains(target) })
		switch {
		case neighbour.State&netlink.NUD_INCOMPLETE == 0 || i < 0:
		case target.Is4():
			frames = append(frames, arpQuestion(p.mac, own[i].Addr(), target))
		default:
			frames = append(frames, solicitation(p.mac, own[i].Addr(), target))
		}
	}
	return sendAll(p, frames)
}

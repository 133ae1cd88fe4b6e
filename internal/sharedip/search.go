package sharedip

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"baton/internal/pair"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A machine that looks for a neighbour asks the link, and asks again a second
// later while nobody answers (RFC 4861: RETRANS_TIMER; Linux does the same for
// ARP). Once answered it asks no more, and later only the owner itself. So two
// questions about a second apart, the newer one fresh, mean that nobody has the
// address.
const (
	searchGap   = 500 * time.Millisecond  // questions closer than this are one
	searchLimit = 2500 * time.Millisecond // questions farther apart are two searches
	searchFresh = 1500 * time.Millisecond // how old the newer one may be
)

// search is one machine looking for the owner of a managed address.
type search struct{ ip, by netip.Addr }

// asked is when the two newest questions of a search came; the zero time is none.
type asked struct{ newest, before time.Time }

// searches remembers who looks for managed addresses. It keeps one entry for
// each neighbour, and drops those that have ended.
type searches struct {
	mu   sync.Mutex
	seen map[search]asked
}

func newSearches() *searches { return &searches{seen: map[search]asked{}} }

func (s *searches) note(found search, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for known, when := range s.seen {
		if now.Sub(when.newest) > searchLimit {
			delete(s.seen, known)
		}
	}
	switch when, known := s.seen[found]; {
	case !known:
		s.seen[found] = asked{newest: now}
	case now.Sub(when.newest) >= searchGap:
		s.seen[found] = asked{newest: now, before: when.newest}
	}
}

func (s *searches) inVain(by search, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	when := s.seen[by]
	return !when.before.IsZero() && now.Sub(when.newest) < searchFresh
}

// SearchedInVain reports whether target has just asked the link for the owner of
// a shared IP, twice, and nobody answered it. Run has to be running, and
// something must make target look, as Lost does.
func (h *Host) SearchedInVain(ip pair.SharedIP, target netip.Addr) bool {
	return h.searches.inVain(search{ip: ip.Address.Addr(), by: target.WithZone("")}, time.Now())
}

// parseSearch reads from an ARP request or a neighbour solicitation who looks
// for which address. A probe, which names nobody who looks, is none.
func parseSearch(frame []byte) (found search, from MAC, ok bool) {
	asked, by, from, ok := parseQuestion(frame)
	return search{ip: asked, by: by}, from, ok && !by.IsUnspecified() && by != asked
}

// parseProbe reads from an ARP probe, or a solicitation as for duplicate address
// detection, which machine asks whether an address is free.
func parseProbe(frame []byte) (by Owner, ok bool) {
	asked, sender, from, ok := parseQuestion(frame)
	return Owner{IP: asked, MAC: from}, ok && sender.IsUnspecified()
}

// parseQuestion reads who asks the link for the owner of an address.
func parseQuestion(frame []byte) (asked, by netip.Addr, from MAC, ok bool) {
	if a, isARP := parseARP(frame); isARP {
		return a.targetIP, a.senderIP, a.senderMAC, a.op == arpRequest
	}
	d, isDatagram := parseDatagram(frame)
	if !isDatagram || !d.dst.Is6() || d.hops != maxHops || len(d.message) < 24 ||
		d.message[0] != neighbourSolicitation || d.message[1] != 0 {
		return netip.Addr{}, netip.Addr{}, MAC{}, false
	}
	return netip.AddrFrom16([16]byte(d.message[8:24])), d.src, d.srcMAC, true
}

// neighbourFilter accepts neighbour solicitations and advertisements among IPv6 frames.
func neighbourFilter() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: at6Next, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_ICMPV6, SkipTrue: 4},
		bpf.LoadAbsolute{Off: at6Type, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: neighbourAdvertisement, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: neighbourSolicitation, SkipTrue: 1},
		bpf.RetConstant{Val: 0xffff},
		bpf.RetConstant{Val: 0},
	}
}

// hearGroups makes the interface take in every multicast frame while the port
// is open: solicitations for an address go to a group that only its owner is in.
func (p *port) hearGroups() error {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("hear groups on %s: %w", p.name, err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		member := unix.PacketMreq{Ifindex: int32(p.index), Type: unix.PACKET_MR_ALLMULTI} //nolint:gosec // the kernel's own number
		failed = unix.SetsockoptPacketMreq(int(fd), unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &member)
	})
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("hear groups on %s: %w", p.name, err)
	}
	return nil
}

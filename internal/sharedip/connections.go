package sharedip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"baton/internal/pair"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// EndConnections ends the connections that were opened to these addresses on this
// machine: TCP ones of any program, and those that the kernel forwards. Without
// that, the kernel would send again what it could not deliver as soon as an address is
// back here, also hours later, when another machine has served the site meanwhile: the acknowledgement
// of a write that has been replaced since.
func (h *Host) EndConnections(ips ...pair.SharedIP) error {
	if len(ips) == 0 {
		return nil
	}
	to := ended{}
	for _, ip := range ips {
		to[ip.Address.Addr()] = true
	}
	return errors.Join(to.endSockets(), to.endForwarded())
}

// ended are the addresses whose connections are ended.
type ended map[netip.Addr]bool

// States of TCP sockets, as bits of what the kernel is asked for (linux/tcp_states.h). Those that wait after
// their end are left out, and so are listeners: they have nothing to send again, and a server of some hundred requests a second has
// more of the former than of all others.
const (
	anyState = 0xfff
	timeWait = 1 << 6
	listens  = 1 << 10
)

// endSockets has the kernel abort the connections of programs here. Listeners on all addresses take
// IPv4 connections as IPv6 sockets.
func (e ended) endSockets() error {
	var failed error
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := socketsOf(family)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return fmt.Errorf("list connections: %w", err)
		}
		for _, s := range sockets {
			local := s.local()
			if !e[local] {
				continue
			}
			if err := s.end(); err != nil && failed == nil {
				failed = fmt.Errorf("end a connection to %s: %w", local, err)
			}
		}
	}
	return failed
}

// socket is a TCP socket as the kernel lists it (struct inet_diag_msg).
type socket struct {
	family uint8
	id     []byte // struct inet_diag_sockid, as the kernel wants it back
}

// Sizes in the messages of the kernel, in bytes.
const (
	diagHead = 4  // family, state, timer, retransmissions
	diagID   = 48 // two ports, two addresses, interface, cookie
)

// socketsOf lists the sockets of a family that may have something to send.
func socketsOf(family uint8) (sockets []socket, err error) {
	request := nl.NewNetlinkRequest(nl.SOCK_DIAG_BY_FAMILY, unix.NLM_F_DUMP)
	request.AddRawData(diagRequest(family, anyState&^timeWait&^listens, make([]byte, diagID)))
	messages, err := request.Execute(unix.NETLINK_INET_DIAG, nl.SOCK_DIAG_BY_FAMILY)
	for _, m := range messages {
		if len(m) >= diagHead+diagID {
			sockets = append(sockets, socket{m[0], m[diagHead : diagHead+diagID]})
		}
	}
	return sockets, err
}

// diagRequest is a struct inet_diag_req_v2 about TCP.
func diagRequest(family uint8, states uint32, id []byte) []byte {
	return append(binary.NativeEndian.AppendUint32([]byte{family, unix.IPPROTO_TCP, 0, 0}, states), id...)
}

func (s socket) local() netip.Addr {
	const source = 4 // after the ports
	if s.family == unix.AF_INET {
		return netipOf(s.id[source : source+4])
	}
	return netipOf(s.id[source : source+16])
}

// end has the kernel abort a connection; one that has ended meanwhile is no
// error. Kernels without INET_DIAG_DESTROY cannot.
func (s socket) end() error {
	request := nl.NewNetlinkRequest(nl.SOCK_DESTROY, unix.NLM_F_ACK)
	request.AddRawData(diagRequest(s.family, anyState, s.id))
	if _, err := request.Execute(unix.NETLINK_INET_DIAG, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	return nil
}

func netipOf(ip []byte) netip.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}

// endForwarded forgets the connections to the addresses that the kernel tracks,
// so that what a container sends again is no answer from the shared IP. A kernel that
// tracks none forwards none.
func (e ended) endForwarded() error {
	if !tracks() {
		return nil
	}
	var failed error
	for _, family := range e.families() {
		_, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, e)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) && failed == nil {
			failed = fmt.Errorf("end forwarded connections: %w", err)
		}
	}
	return failed
}

// families are those of the addresses. To look for connections of one takes the kernel 10 ms or more, however few there are.
func (e ended) families() (families []netlink.InetFamily) {
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		for addr := range e {
			if addr.Is4() == (family == unix.AF_INET) {
				families = append(families, family)
				break
			}
		}
	}
	return families
}

// tracks reports whether the kernel tracks connections here now. One that does not is not asked for
// them: that would load what does.
func tracks() bool {
	text, err := os.ReadFile("/proc/sys/net/netfilter/nf_conntrack_count")
	return err == nil && strings.TrimSpace(string(text)) != "0"
}

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (e ended) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	return e[netipOf(flow.Forward.DstIP)]
}

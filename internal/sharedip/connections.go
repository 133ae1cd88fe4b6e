package sharedip

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

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

// States of TCP sockets (linux/tcp_states.h) that have nothing to send again.
const (
	tcpTimeWait = 6
	tcpListen   = 10
)

func (e ended) endSockets() error {
	var failed error
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := netlink.SocketDiagTCP(family)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return fmt.Errorf("list connections: %w", err)
		}
		for _, s := range sockets {
			local, _ := netip.AddrFromSlice(s.ID.Source)
			if s.State == tcpListen || s.State == tcpTimeWait || !e[local.Unmap()] {
				continue
			}
			if err := endSocket(s); err != nil && failed == nil {
				failed = fmt.Errorf("end a connection to %s: %w", local.Unmap(), err)
			}
		}
	}
	return failed
}

// endSocket has the kernel abort a connection; one that has ended meanwhile is no
// error. Kernels without INET_DIAG_DESTROY cannot.
func endSocket(s *netlink.Socket) error {
	address := func(ip []byte) []byte {
		room := make([]byte, 16)
		if four := netipOf(ip); s.Family == unix.AF_INET && four.Is4() {
			copy(room, four.AsSlice())
			return room
		}
		copy(room, ip)
		return room
	}
	body := []byte{s.Family, unix.IPPROTO_TCP, 0, 0}
	body = binary.NativeEndian.AppendUint32(body, 0xfff) // of any state
	body = binary.BigEndian.AppendUint16(body, s.ID.SourcePort)
	body = binary.BigEndian.AppendUint16(body, s.ID.DestinationPort)
	body = slices.Concat(body, address(s.ID.Source), address(s.ID.Destination))
	body = binary.NativeEndian.AppendUint32(body, s.ID.Interface)
	body = binary.NativeEndian.AppendUint32(body, s.ID.Cookie[0])
	body = binary.NativeEndian.AppendUint32(body, s.ID.Cookie[1])
	request := nl.NewNetlinkRequest(nl.SOCK_DESTROY, unix.NLM_F_ACK)
	request.AddRawData(body)
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
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		_, err := netlink.ConntrackDeleteFilters(netlink.ConntrackTable, family, e)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) && failed == nil {
			failed = fmt.Errorf("end forwarded connections: %w", err)
		}
	}
	return failed
}

// tracks reports whether the kernel tracks connections: to ask it for them would load
// what does.
func tracks() bool {
	_, err := os.Stat("/proc/sys/net/netfilter/nf_conntrack_count")
	return err == nil
}

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (e ended) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	return e[netipOf(flow.Forward.DstIP)]
}

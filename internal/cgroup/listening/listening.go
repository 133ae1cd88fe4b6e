// Package listening tells which network sockets the processes of a control group have opened
// for others to connect to, and whether such a socket is still open. The kernel tells it by
// sock_diag(7), which needs no privilege: of sockets, not of processes, so that one that was
// handed to another process counts as well.
package listening

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Socket is one that others can connect or send to.
type Socket struct {
	Protocol string // tcp or udp
	Address  netip.AddrPort
	Both     bool   // an IPv6 address that takes IPv4 as well
	cookie   uint64 // tells it from any other since the machine was booted
	cgroup   uint64 // in which it was made
}

// String renders "tcp 0.0.0.0:80"; of one that takes IPv4 and IPv6 at every address, "tcp *:80".
func (s Socket) String() string {
	if s.Both && s.Address.Addr().IsUnspecified() {
		return fmt.Sprintf("%s *:%d", s.Protocol, s.Address.Port())
	}
	return fmt.Sprintf("%s %s", s.Protocol, s.Address)
}

// Taken returns those of the ports, as [Socket.String] renders them, that a socket is open on.
func Taken(ports []string) (taken []string, err error) {
	if len(ports) == 0 {
		return nil, nil
	}
	open, err := matching(func(Socket) bool { return true })
	for _, port := range ports {
		if slices.ContainsFunc(open, func(s Socket) bool { return s.on(port) }) {
			taken = append(taken, port)
		}
	}
	return taken, err
}

// on reports whether nothing else could listen on a port while this socket is open.
func (s Socket) on(port string) bool {
	protocol, at, _ := strings.Cut(port, " ")
	if protocol != s.Protocol {
		return false
	}
	if number, every := strings.CutPrefix(at, "*:"); every {
		return number == strconv.Itoa(int(s.Address.Port()))
	}
	wanted, err := netip.ParseAddrPort(at)
	if err != nil || wanted.Port() != s.Address.Port() {
		return false
	}
	here, there := s.Address.Addr(), wanted.Addr()
	switch {
	case s.Both && here.IsUnspecified():
		return true
	case here.Is4() != there.Is4():
		return false
	}
	return here == there || here.IsUnspecified() || there.IsUnspecified()
}

// Sockets lists those that were made in the control groups of the given ids.
func Sockets(cgroups map[uint64]bool) ([]Socket, error) {
	return matching(func(s Socket) bool { return cgroups[s.cgroup] })
}

// Open lists those of the sockets that are still open.
func Open(sockets []Socket) ([]Socket, error) {
	if len(sockets) == 0 {
		return nil, nil
	}
	cookies := map[uint64]bool{}
	for _, s := range sockets {
		cookies[s.cookie] = true
	}
	return matching(func(s Socket) bool { return cookies[s.cookie] })
}

func matching(wanted func(Socket) bool) (found []Socket, err error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for sockets: %w", err)
	}
	defer conn.Close() //nolint:errcheck // nothing was written
	for _, protocol := range []struct {
		name   string
		number byte
		state  uint32 // of a socket that nobody is connected to
	}{{"tcp", unix.IPPROTO_TCP, listenState}, {"udp", unix.IPPROTO_UDP, closeState}} {
		for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
			answers, err := conn.Execute(netlink.Message{
				Header: netlink.Header{Type: sockDiagByFamily, Flags: netlink.Request | netlink.Dump},
				Data:   request(family, protocol.number, protocol.state),
			})
			if err != nil {
				return nil, fmt.Errorf("ask the kernel for %s sockets: %w", protocol.name, err)
			}
			for _, answer := range answers {
				if s, ok := parse(protocol.name, answer.Data); ok && wanted(s) {
					found = append(found, s)
				}
			}
		}
	}
	return found, nil
}

// Of linux/sock_diag.h, linux/inet_diag.h and net/tcp_states.h.
const (
	sockDiagByFamily = 20
	listenState      = 1 << 10
	closeState       = 1 << 7
	requestLen       = 56 // struct inet_diag_req_v2
	answerLen        = 72 // struct inet_diag_msg
	onlyIPv6         = 11 // INET_DIAG_SKV6ONLY
	cgroupID         = 21 // INET_DIAG_CGROUP_ID, since Linux 5.8
)

func request(family, protocol byte, states uint32) []byte {
	r := make([]byte, requestLen)
	r[0], r[1] = family, protocol
	binary.NativeEndian.PutUint32(r[4:], states)
	return r
}

func parse(protocol string, answer []byte) (s Socket, ok bool) {
	if len(answer) < answerLen {
		return s, false
	}
	address := netip.AddrFrom16([16]byte(answer[8:24]))
	if answer[0] == unix.AF_INET {
		address = netip.AddrFrom4([4]byte(answer[8:12]))
	}
	s.Protocol, s.Address = protocol, netip.AddrPortFrom(address, binary.BigEndian.Uint16(answer[4:]))
	s.cookie = binary.NativeEndian.Uint64(answer[44:])
	attributes, err := netlink.NewAttributeDecoder(answer[answerLen:])
	if err != nil {
		return s, false
	}
	for attributes.Next() {
		switch attributes.Type() {
		case cgroupID:
			s.cgroup = attributes.Uint64()
		case onlyIPv6:
			s.Both = answer[0] == unix.AF_INET6 && attributes.Uint8() == 0
		}
	}
	return s, attributes.Err() == nil
}

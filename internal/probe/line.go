package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"baton/internal/cause"
)

// token marks the echoes of one round: replies without it are somebody else's.
type token [16]byte

func newToken() (t token) {
	_, _ = rand.Read(t[:]) // never fails, see crypto/rand
	return t
}

// family is IPv4 or IPv6 as far as ICMP goes.
type family struct {
	four     bool
	raw      string // network of a raw socket: needs CAP_NET_RAW
	domain   int    // of a ping socket: needs a group within net.ipv4.ping_group_range
	protocol int    // IANA number of the ICMP in question
	request  icmp.Type
	reply    icmp.Type
}

func families() []family {
	return []family{
		{true, "ip4:icmp", unix.AF_INET, 1, ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply},
		{false, "ip6:ipv6-icmp", unix.AF_INET6, 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply},
	}
}

// line is an open socket of one family.
type line struct {
	family family
	conn   socket
	id     int
	raw    bool
	buffer [1500]byte
}

// socket is what the kernel gives for either kind.
type socket interface {
	net.PacketConn
	syscall.Conn
}

// errNotPermitted says that the process may open neither kind of socket.
var errNotPermitted = errors.New("not permitted: needs CAP_NET_RAW")

func (f family) open(ctx context.Context) (*line, error) {
	l := &line{family: f, id: os.Getpid() & 0xffff, raw: true}
	conn, err := new(net.ListenConfig).ListenPacket(ctx, f.raw, "")
	if errors.Is(err, os.ErrPermission) {
		l.raw = false
		conn, err = f.openUnprivileged()
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, errNotPermitted
	}
	if err != nil {
		return nil, fmt.Errorf("open ICMP socket: %w", err)
	}
	l.conn = conn.(socket) // as *net.IPConn and *net.UDPConn are
	if l.raw {
		l.filter()
	}
	return l, nil
}

// openUnprivileged opens a ping socket, which numbers its echoes itself.
func (f family) openUnprivileged() (net.PacketConn, error) {
	fd, err := unix.Socket(f.domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, f.protocol)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "icmp")
	defer func() { _ = file.Close() }() // the connection has a descriptor of its own
	return net.FilePacketConn(file)
}

// filter keeps other ICMP messages out of our buffer. Without it all works as
// well, so a kernel that refuses is no error.
func (l *line) filter() {
	if l.family.four {
		var only ipv4.ICMPFilter
		only.SetAll(true)
		only.Accept(ipv4.ICMPTypeEchoReply)
		_ = ipv4.NewPacketConn(l.conn).SetICMPFilter(&only)
		return
	}
	var only ipv6.ICMPFilter
	only.SetAll(true)
	only.Accept(ipv6.ICMPTypeEchoReply)
	_ = ipv6.NewPacketConn(l.conn).SetICMPFilter(&only)
}

func (l *line) close() { _ = l.conn.Close() } // nothing is buffered: there is nothing to lose

// until makes receive give up at a moment.
func (l *line) until(at time.Time) { _ = l.conn.SetReadDeadline(at) } // fails only on a closed socket; so will receive

// interrupt makes a receive that waits give up at once.
func (l *line) interrupt() { l.until(time.Unix(1, 0)) }

func (l *line) send(ip netip.Addr, seq int, mark token) error {
	return l.write(ip, &icmp.Echo{ID: l.id, Seq: seq, Data: mark[:]})
}

func (l *line) write(ip netip.Addr, echo *icmp.Echo) error {
	message := icmp.Message{Type: l.family.request, Body: echo}
	packet, err := message.Marshal(nil) // the kernel fills in the checksum of ICMPv6
	if err != nil {
		return fmt.Errorf("render echo: %w", err)
	}
	to := bare(ip)
	var addr net.Addr = &net.IPAddr{IP: to.AsSlice(), Zone: ip.Zone()}
	if !l.raw {
		addr = &net.UDPAddr{IP: to.AsSlice(), Zone: ip.Zone()}
	}
	if _, err := l.conn.WriteTo(packet, addr); err != nil {
		return fmt.Errorf("send echo: %w", err)
	}
	return nil
}

// receive waits for the next reply to an echo with that mark.
func (l *line) receive(mark token) (seq int, from netip.Addr, err error) {
	return l.next(func(packet []byte) (int, bool) { return parseReply(l.family, packet, mark) })
}

// next waits for the next packet that parse takes for a reply. What the kernel has
// received counts, however late this process gets to read it.
func (l *line) next(parse func(packet []byte) (seq int, ok bool)) (seq int, from netip.Addr, err error) {
	for {
		n, addr, err := l.conn.ReadFrom(l.buffer[:])
		packet := l.buffer[:max(n, 0)]
		if errors.Is(err, os.ErrDeadlineExceeded) {
			packet, addr, err = l.waiting()
		}
		if err != nil {
			return 0, netip.Addr{}, fmt.Errorf("receive echo: %w", err)
		}
		if seq, ok := parse(packet); ok {
			return seq, sender(addr), nil
		}
	}
}

// waiting returns a packet that lies in the socket, or an error at once: a read
// whose deadline has passed does not look there.
func (l *line) waiting() (packet []byte, from net.Addr, err error) {
	raw, err := l.conn.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	var address unix.Sockaddr
	n := 0
	if e := raw.Control(func(fd uintptr) { n, address, err = unix.Recvfrom(int(fd), l.buffer[:], unix.MSG_DONTWAIT) }); e != nil {
		return nil, nil, e
	}
	if err != nil {
		return nil, nil, err
	}
	packet = l.buffer[:n]
	switch a := address.(type) {
	case *unix.SockaddrInet4:
		if l.raw { // then the kernel puts the IP header before it
			packet = packet[min(int(packet[0]&0xf)*4, n):]
		}
		return packet, &net.IPAddr{IP: a.Addr[:]}, nil
	case *unix.SockaddrInet6:
		return packet, &net.IPAddr{IP: a.Addr[:]}, nil
	}
	return nil, nil, unix.EAFNOSUPPORT
}

// parseReply reads the sequence number of an echo reply; false unless it bears
// the mark.
func parseReply(f family, packet []byte, mark token) (seq int, ok bool) {
	echo, ok := replyIn(f, packet)
	if !ok || len(echo.Data) != len(mark) || token(echo.Data) != mark {
		return 0, false
	}
	return echo.Seq, true
}

// replyIn returns the echo of a packet that is a reply.
func replyIn(f family, packet []byte) (*icmp.Echo, bool) {
	message, err := icmp.ParseMessage(f.protocol, packet)
	if err != nil || message.Type != f.reply {
		return nil, false
	}
	echo, ok := message.Body.(*icmp.Echo)
	return echo, ok
}

func sender(addr net.Addr) netip.Addr {
	var ip net.IP
	switch a := addr.(type) {
	case *net.IPAddr:
		ip = a.IP
	case *net.UDPAddr:
		ip = a.IP
	}
	from, _ := netip.AddrFromSlice(ip)
	return from.Unmap()
}

// reason says why an echo was not sent, as a person would.
func reason(err error) string {
	switch {
	case errors.Is(err, errNotPermitted):
		return errNotPermitted.Error()
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EADDRNOTAVAIL):
		return "no route to host"
	case errors.Is(err, syscall.ENETDOWN):
		return "network is down"
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return "refused by this machine's packet filter"
	}
	return "not sent: " + cause.Of(err)
}

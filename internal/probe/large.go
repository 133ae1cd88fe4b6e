package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/sys/unix"
)

// Passage says which echoes come back from a machine.
type Passage struct {
	Small, Large bool
	// Bytes is the size of the large one's packet: as large as the kernel takes the
	// way to be.
	Bytes int
}

// Sequence numbers of the two echoes.
const (
	smallEcho = 1
	largeEcho = 2
)

// echoHeader is that of ICMP, in bytes.
const echoHeader = 8

// Pass sends a small echo and one as large as the way is said to take, which must
// not be cut on it, and waits for both at most so long. The error says that they
// could not be sent.
func Pass(ctx context.Context, ip netip.Addr, wait time.Duration) (Passage, error) {
	ip = ip.Unmap()
	bytes, err := wayOf(ctx, ip)
	if err != nil {
		return Passage{}, err
	}
	passage := Passage{Bytes: bytes}
	family := families()[0]
	header := 20
	if ip.Is6() {
		family, header = families()[1], 40
	}
	line, err := family.open(ctx)
	if err != nil {
		return passage, err
	}
	defer line.close()
	defer context.AfterFunc(ctx, line.interrupt)()
	if err := line.whole(); err != nil {
		return passage, fmt.Errorf("forbid the kernel to cut echoes: %w", err)
	}
	mark := newToken()
	padding := make([]byte, max(bytes-header-echoHeader-len(mark), 0))
	for seq, more := range map[int][]byte{smallEcho: nil, largeEcho: padding} {
		if err := line.sendPadded(ip, seq, mark, more); err != nil {
			return passage, err
		}
	}
	line.until(time.Now().Add(wait))
	for !passage.Small || !passage.Large {
		seq, from, err := line.receivePadded(mark)
		if err != nil {
			return passage, nil // what came until then counts
		}
		if from == ip.WithZone("") {
			passage.Small = passage.Small || seq == smallEcho
			passage.Large = passage.Large || seq == largeEcho
		}
	}
	return passage, nil
}

// wayOf returns how large a packet to ip may be, as far as the kernel knows.
func wayOf(ctx context.Context, ip netip.Addr) (bytes int, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", netip.AddrPortFrom(ip, 9).String()) // sends nothing
	if err != nil {
		return 0, fmt.Errorf("find the way: %w", err)
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.UDPConn).SyscallConn()
	if err != nil {
		return 0, err
	}
	level, option := unix.IPPROTO_IP, unix.IP_MTU
	if ip.Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MTU
	}
	ctlErr := raw.Control(func(fd uintptr) { bytes, err = unix.GetsockoptInt(int(fd), level, option) })
	return bytes, errors.Join(ctlErr, err)
}

// whole has the kernel send echoes as they are, or refuse them.
func (l *line) whole() error {
	raw, err := l.conn.SyscallConn()
	if err != nil {
		return err
	}
	level, option := unix.IPPROTO_IP, unix.IP_MTU_DISCOVER
	if !l.family.four {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER
	}
	ctlErr := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, unix.IP_PMTUDISC_DO) })
	return errors.Join(ctlErr, err)
}

func (l *line) sendPadded(ip netip.Addr, seq int, mark token, padding []byte) error {
	err := l.write(ip, &icmp.Echo{ID: l.id, Seq: seq, Data: append(mark[:], padding...)})
	switch {
	case errors.Is(err, syscall.ENOBUFS): // lost on this machine is lost, too
		return nil
	case errors.Is(err, syscall.EMSGSIZE):
		return fmt.Errorf("the way has just become narrower, and the kernel knows: %w", err)
	}
	return err
}

// receivePadded is receive for echoes that bear more than the mark.
func (l *line) receivePadded(mark token) (seq int, from netip.Addr, err error) {
	return l.next(func(packet []byte) (int, bool) {
		echo, ok := replyIn(l.family, packet)
		if !ok || len(echo.Data) < len(mark) || token(echo.Data[:len(mark)]) != mark {
			return 0, false
		}
		return echo.Seq, true
	})
}

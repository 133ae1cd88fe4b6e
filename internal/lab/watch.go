package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Claim is one frame in which a host showed an address as its own.
type Claim struct {
	At   time.Time // when the kernel had the frame
	Host string    // whose port the frame came in by
	MAC  net.HardwareAddr
	IP   netip.Addr
	Kind ClaimKind
}

// Watcher listens at every port of the switch for hosts that announce, answer
// for or use an address. It notes what a host sent, also when a fault keeps
// others from hearing it.
type Watcher struct {
	ips  []netip.Addr
	file *os.File
	sw   *exchange

	mu     sync.Mutex
	claims []Claim
}

// Watch begins to listen for claims of the addresses, or of any if none is
// given. Nothing is missed from here on; Run has to be called to note it.
func (l *Lab) Watch(ips ...netip.Addr) (*Watcher, error) {
	fd := -1
	err := l.sw.ns.run(func() (err error) {
		fd, err = openTap()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("watch the switch: %w", err)
	}
	return &Watcher{ips: ips, file: os.NewFile(uintptr(fd), "tap"), sw: l.sw}, nil
}

// openTap opens a packet socket for the frames that can carry a claim, on all
// ports. Only sockets for all protocols see a frame before the bridge takes it.
func openTap() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open a packet socket: %w", err)
	}
	filter, err := tapFilter()
	if err == nil {
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, filter)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	}
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
	}
	if err == nil { // only now does it receive, with the filter in place
		err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL)})
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("set up a packet socket: %w", err)
	}
	return fd, nil
}

func bigEndian(v uint16) uint16 { return v<<8 | v>>8 }

// tapFilter lets ARP and neighbour discovery through, nothing else.
func tapFilter() (*unix.SockFprog, error) {
	program, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherARP, SkipTrue: 6},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv6, SkipTrue: 6},
		bpf.LoadAbsolute{Off: ethernetHeader + 6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: protoICMPv6, SkipTrue: 4},
		bpf.LoadAbsolute{Off: ethernetHeader + ipv6Header, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpSolicit, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: icmpAdvertise, SkipTrue: 1},
		bpf.RetConstant{Val: 256},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return nil, fmt.Errorf("assemble the filter: %w", err)
	}
	filters := make([]unix.SockFilter, 0, len(program))
	for _, instruction := range program {
		filters = append(filters, unix.SockFilter{Code: instruction.Op, Jt: instruction.Jt, Jf: instruction.Jf, K: instruction.K})
	}
	return &unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]}, nil //nolint:gosec // ten instructions
}

// Run notes claims until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = w.file.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	defer func() { _ = w.file.Close() }()
	raw, err := w.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("watch the switch: %w", err)
	}
	buffer, control := make([]byte, 256), make([]byte, 128)
	for {
		var n, controls int
		var from unix.Sockaddr
		var failed error
		waited := raw.Read(func(fd uintptr) bool {
			n, controls, _, from, failed = unix.Recvmsg(int(fd), buffer, control, 0)
			return failed != unix.EAGAIN
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case waited != nil:
			return fmt.Errorf("watch the switch: %w", waited)
		case failed != nil: // a port that goes down says so once
			continue
		}
		w.note(stamp(control[:controls]), buffer[:n], from)
	}
}

// stamp is when the kernel had the frame; a reader that is late changes nothing.
func stamp(control []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, message := range messages {
		if message.Header.Type == unix.SO_TIMESTAMPNS && len(message.Data) >= 16 {
			seconds, nanos := binary.NativeEndian.Uint64(message.Data), binary.NativeEndian.Uint64(message.Data[8:])
			return time.Unix(int64(seconds), int64(nanos)) //nolint:gosec // the kernel's clock
		}
	}
	return time.Now()
}

func (w *Watcher) note(at time.Time, frame []byte, from unix.Sockaddr) {
	port, ok := from.(*unix.SockaddrLinklayer)
	if !ok || port.Pkttype == unix.PACKET_OUTGOING {
		return
	}
	claim, ok := parseFrame(frame)
	if !ok || len(w.ips) > 0 && !slices.Contains(w.ips, claim.ip) {
		return
	}
	host := w.sw.hostAt(port.Ifindex)
	if host == "" { // the bridge itself passes the frame up
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claims = append(w.claims, Claim{At: at, Host: host, MAC: claim.mac, IP: claim.ip, Kind: claim.kind})
}

// Claims lists what was noted so far, oldest first.
func (w *Watcher) Claims() []Claim {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.claims)
}

// Forget drops what was noted before the instant.
func (w *Watcher) Forget(before time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claims = slices.DeleteFunc(w.claims, func(c Claim) bool { return c.At.Before(before) })
}

// Since lists the claims of one address from the instant on.
func (w *Watcher) Since(at time.Time, ip netip.Addr) []Claim {
	return slices.DeleteFunc(w.Claims(), func(c Claim) bool { return c.At.Before(at) || c.IP != ip })
}

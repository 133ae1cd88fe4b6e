package sharedip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// sendLimit bounds how long a frame may wait for a congested interface.
const sendLimit = 50 * time.Millisecond

// port sends and receives Ethernet frames on one interface.
type port struct {
	conn  *packet.Conn
	mac   MAC
	name  string // of the interface
	index int    // of the interface, new when it is made anew
}

// sendOnly is the protocol of a socket that receives nothing.
const sendOnly = 0

// openPort opens a port for frames of one type. The filter, if any, runs in the
// kernel, so that a busy interface does not crowd out what we wait for.
func openPort(link netlink.Link, etherType int, filter []bpf.Instruction) (*port, error) {
	attrs := link.Attrs()
	mac, ok := macOf(attrs.HardwareAddr)
	if !ok {
		return nil, fmt.Errorf("interface %s is not Ethernet: a shared IP needs an Ethernet interface", attrs.Name)
	}
	var config packet.Config
	if filter != nil {
		program, err := bpf.Assemble(filter)
		if err != nil {
			return nil, fmt.Errorf("assemble packet filter: %w", err)
		}
		config.Filter = program
	}
	ifi := &net.Interface{Index: attrs.Index, Name: attrs.Name, HardwareAddr: attrs.HardwareAddr}
	conn, err := packet.Listen(ifi, packet.Raw, etherType, &config)
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("open packet socket on %s: %w: grant CAP_NET_RAW", attrs.Name, err)
	}
	if err != nil {
		return nil, fmt.Errorf("open packet socket on %s: %w", attrs.Name, err)
	}
	return &port{conn: conn, mac: mac, name: attrs.Name, index: attrs.Index}, nil
}

func (p *port) close() { _ = p.conn.Close() } // nothing is buffered: there is nothing to lose

// send puts one frame on the wire.
func (p *port) send(frame []byte) error {
	if err := p.conn.SetWriteDeadline(time.Now().Add(sendLimit)); err != nil {
		return fmt.Errorf("send on %s: %w", p.name, err)
	}
	if _, err := p.conn.WriteTo(frame, &packet.Addr{HardwareAddr: frame[:6]}); err != nil {
		return fmt.Errorf("send on %s: %w", p.name, err)
	}
	return nil
}

// question is a dialogue on a port: send is called at once and then at every
// gap; take gets each frame received and reports whether all is answered. It
// ends once wait has passed since the first send returned: a machine that has no
// processor for a while asks later, and listens as long.
type question struct {
	wait time.Duration
	send func() error
	take func(frame []byte) (done bool)
}

// gap spaces repetitions so that about three fit into the wait, at least 20 ms
// apart: time for an answer.
func (q question) gap() time.Duration { return max(q.wait/3, 20*time.Millisecond) }

// ask holds the dialogue. It returns when all is answered or when the wait is
// over, both without an error. Frames that the kernel had to drop meanwhile may
// have been answers: then what was not answered is errFramesDropped.
func (p *port) ask(ctx context.Context, q question) error {
	stop := context.AfterFunc(ctx, func() { _ = p.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buffer := make([]byte, 2048)
	var end time.Time
	for next := time.Now(); end.IsZero() || next.Before(end); next = next.Add(q.gap()) {
		if err := q.send(); err != nil {
			return err
		}
		if end.IsZero() {
			next = time.Now()
			end = next.Add(q.wait)
		}
		until := next.Add(q.gap())
		if end.Sub(until) < q.gap()/2 { // too late for one more to be answered
			until = end
			next = end
		}
		done, err := p.collect(ctx, until, buffer, q.take)
		if done || err != nil {
			return err
		}
	}
	return p.dropped()
}

// errFramesDropped says that the kernel had no room for all frames that came.
var errFramesDropped = errors.New("frames were dropped because too many came at once")

// dropped returns errFramesDropped if the kernel has dropped frames of this port.
func (p *port) dropped() error {
	stats, err := p.conn.Stats()
	if err != nil {
		return fmt.Errorf("count frames on %s: %w", p.name, err)
	}
	if stats.Drops > 0 {
		return fmt.Errorf("interface %s: %w", p.name, errFramesDropped)
	}
	return nil
}

// collect hands frames to take until it is satisfied or the time has come. What
// the kernel has received by then counts, however late this process gets to read it.
func (p *port) collect(ctx context.Context, until time.Time, buffer []byte, take func([]byte) bool) (bool, error) {
	if err := p.conn.SetReadDeadline(until); err != nil {
		return false, fmt.Errorf("receive on %s: %w", p.name, err)
	}
	for {
		if ctx.Err() != nil { // after setting the deadline: it may have undone the one of a cancelled ctx
			return false, ctx.Err()
		}
		n, _, err := p.conn.ReadFrom(buffer)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
			return p.drain(buffer, take)
		case errors.Is(err, unix.ENETDOWN):
			return false, fmt.Errorf("interface %s: %w", p.name, ErrNoCarrier)
		case err != nil && ctx.Err() == nil:
			return false, fmt.Errorf("receive on %s: %w", p.name, err)
		case err == nil && take(buffer[:n]):
			return true, nil
		}
	}
}

// drain hands take what lies in the socket, and waits for nothing. A read whose
// deadline has passed does not look there.
func (p *port) drain(buffer []byte, take func([]byte) bool) (done bool, err error) {
	raw, err := p.conn.SyscallConn()
	if err != nil {
		return false, fmt.Errorf("receive on %s: %w", p.name, err)
	}
	err = errors.Join(raw.Control(func(fd uintptr) {
		for !done {
			var n int
			if n, _, err = unix.Recvfrom(int(fd), buffer, unix.MSG_DONTWAIT); err != nil {
				return
			}
			done = take(buffer[:n])
		}
	}), err)
	switch {
	case errors.Is(err, unix.ENETDOWN):
		return done, fmt.Errorf("interface %s: %w", p.name, ErrNoCarrier)
	case err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR):
		return done, fmt.Errorf("receive on %s: %w", p.name, err)
	}
	return done, nil
}

// Offsets into an Ethernet frame.
const (
	at4Fragment = etherSize + 6
	at4Protocol = etherSize + 9
	at6Next     = etherSize + 6
	at6Type     = etherSize + ipv6Size
	at6ID       = etherSize + ipv6Size + 4
)

// advertisementFilter accepts neighbour advertisements among IPv6 frames.
func advertisementFilter() []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: at6Next, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_ICMPV6, SkipTrue: 3},
		bpf.LoadAbsolute{Off: at6Type, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: neighbourAdvertisement, SkipTrue: 1},
		bpf.RetConstant{Val: 0xffff},
		bpf.RetConstant{Val: 0},
	}
}

// echoFilter4 accepts the echo replies with our identifier among IPv4 frames.
func echoFilter4(id uint16) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: at4Protocol, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_ICMP, SkipTrue: 8},
		bpf.LoadAbsolute{Off: at4Fragment, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 6},
		bpf.LoadMemShift{Off: etherSize}, // X = size of the IPv4 header
		bpf.LoadIndirect{Off: etherSize, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: echoReply4, SkipTrue: 3},
		bpf.LoadIndirect{Off: etherSize + 4, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(id), SkipTrue: 1},
		bpf.RetConstant{Val: 0xffff},
		bpf.RetConstant{Val: 0},
	}
}

// echoFilter6 accepts the echo replies with our identifier among IPv6 frames.
func echoFilter6(id uint16) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: at6Next, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_ICMPV6, SkipTrue: 5},
		bpf.LoadAbsolute{Off: at6Type, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: echoReply6, SkipTrue: 3},
		bpf.LoadAbsolute{Off: at6ID, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(id), SkipTrue: 1},
		bpf.RetConstant{Val: 0xffff},
		bpf.RetConstant{Val: 0},
	}
}

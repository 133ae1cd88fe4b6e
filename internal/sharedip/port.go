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

// sendOnly opens no ear: the socket's protocol 0 receives nothing.
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
// gap until the deadline; take gets each frame received and reports whether all
// is answered.
type question struct {
	deadline time.Time
	gap      time.Duration
	send     func() error
	take     func(frame []byte) (done bool)
}

// ask holds the dialogue. It returns when all is answered or at the deadline,
// both without an error.
func (p *port) ask(ctx context.Context, q question) error {
	stop := context.AfterFunc(ctx, func() { _ = p.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buffer := make([]byte, 2048)
	for next := time.Now(); next.Before(q.deadline); next = next.Add(q.gap) {
		if err := q.send(); err != nil {
			return err
		}
		until := next.Add(q.gap)
		if q.deadline.Sub(until) < q.gap/2 { // too late for one more to be answered
			until = q.deadline
			next = q.deadline
		}
		done, err := p.collect(ctx, until, buffer, q.take)
		if done || err != nil {
			return err
		}
	}
	return nil
}

// collect hands frames to take until it is satisfied or the time has come.
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
			return false, nil
		case errors.Is(err, unix.ENETDOWN):
			return false, fmt.Errorf("interface %s: %w", p.name, ErrNoCarrier)
		case err != nil && ctx.Err() == nil:
			return false, fmt.Errorf("receive on %s: %w", p.name, err)
		case err == nil && take(buffer[:n]):
			return true, nil
		}
	}
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

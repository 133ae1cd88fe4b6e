package listen

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// newcomers are clients that want to connect to the shared IPs. While they are kept out, the
// kernel drops the first packet of each, and the client sends it again a second later: by
// then the shared IP is at the other appliance. Who is connected already is not touched.
type newcomers struct {
	shared []netip.Addr

	mu        sync.Mutex
	listeners []net.Listener
}

// add has the newcomers of a listener kept out and let in from now on. The process before
// this one may have left them out.
func (n *newcomers) add(listener net.Listener) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners = append(n.listeners, listener)
	_ = control(listener, admit) // there is nothing to take off, mostly
}

// keepOut has the kernel drop who wants to connect, unless ctx has ended: then they have been
// let in again since.
func (n *newcomers) keepOut(ctx context.Context) error {
	filter, err := bpf.Assemble(dropping(n.shared))
	if err != nil {
		return err
	}
	raw := make([]unix.SockFilter, len(filter))
	for i, step := range filter {
		raw[i] = unix.SockFilter{Code: step.Op, Jt: step.Jt, Jf: step.Jf, K: step.K}
	}
	program := &unix.SockFprog{Len: uint16(len(raw)), Filter: &raw[0]} //nolint:gosec // some twelve steps for each address
	return n.each(func(fd int) error {
		if ctx.Err() == nil {
			return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, program)
		}
		return nil
	})
}

// letIn ends that.
func (n *newcomers) letIn() { _ = n.each(admit) } // where nothing is in their way, there is nothing to take off

func admit(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0) }

func (n *newcomers) each(do func(fd int) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var failed []error
	for _, listener := range n.listeners {
		failed = append(failed, control(listener, do))
	}
	return errors.Join(failed...)
}

// control calls do with the descriptor of a listener.
func control(listener net.Listener, do func(fd int) error) error {
	plain, ok := listener.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = do(int(fd)) })
	return errors.Join(err, failed)
}

// What a filter of a listening TCP socket sees (linux/filter.h, RFC 9293, section 3.1, RFC 791, RFC 8200).
const (
	network      = 0xfff00000 // SKF_NET_OFF: from here on offsets count from the IP header
	tcpFlags     = 13         // without it, from the TCP header
	syn, ack     = 0x02, 0x10
	destination4 = network + 16
	destination6 = network + 24
)

// dropping drops the first packet of a connection to one of the addresses, and passes all else.
func dropping(to []netip.Addr) []bpf.Instruction {
	steps := []bpf.Instruction{
		bpf.LoadAbsolute{Off: tcpFlags, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: syn | ack},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: syn, SkipTrue: 1},
		bpf.RetConstant{Val: 0xffffffff},
	}
	for _, addr := range to {
		steps = append(steps, dropTo(addr)...)
	}
	return append(steps, bpf.RetConstant{Val: 0xffffffff})
}

// dropTo drops what is for an address, and goes on with the next step otherwise.
func dropTo(addr netip.Addr) []bpf.Instruction {
	from, version := uint32(destination6), uint32(6)
	if addr.Is4() {
		from, version = destination4, 4
	}
	bytes := addr.AsSlice()
	words := uint8(len(bytes) / 4) //nolint:gosec // 1 or 4
	rest := 2*words + 1            // steps after the version has been looked at
	steps := []bpf.Instruction{
		bpf.LoadAbsolute{Off: network, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: version, SkipFalse: rest},
	}
	for i := range words {
		word := bytes[4*i : 4*i+4]
		value := uint32(word[0])<<24 | uint32(word[1])<<16 | uint32(word[2])<<8 | uint32(word[3])
		steps = append(steps,
			bpf.LoadAbsolute{Off: from + 4*uint32(i), Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: value, SkipFalse: rest - 2*(i+1)},
		)
	}
	return append(steps, bpf.RetConstant{Val: 0})
}

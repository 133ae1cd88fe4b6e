package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// DialContext opens a TCP connection from the host to an address literal, as
// 198.51.100.10:80. It occupies no thread while it waits, so that hundreds can
// be under way. Its shape fits http.Transport.
func (h *Host) DialContext(ctx context.Context, _, address string) (net.Conn, error) {
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial %s: use an address, not a name: %w", address, err)
	}
	ns, err := h.namespace()
	if err != nil {
		return nil, err
	}
	conn, err := dial(ctx, ns, target)
	if err != nil {
		return nil, fmt.Errorf("dial %s from %s: %w", address, h.name, err)
	}
	return conn, nil
}

func dial(ctx context.Context, ns *namespace, target netip.AddrPort) (net.Conn, error) {
	family, sockaddr := sockaddrOf(target)
	fd := -1
	err := ns.run(func() (err error) { // a socket belongs to the namespace of the thread that makes it
		fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
		return err
	})
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "tcp "+target.String())
	defer func() { _ = file.Close() }() // net.FileConn has its own copy
	if err := connect(ctx, file, sockaddr); err != nil {
		return nil, err
	}
	return net.FileConn(file)
}

func sockaddrOf(target netip.AddrPort) (family int, sockaddr unix.Sockaddr) {
	if addr := target.Addr().Unmap(); addr.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(target.Port()), Addr: addr.As4()}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(target.Port()), Addr: target.Addr().As16()}
}

func connect(ctx context.Context, file *os.File, sockaddr unix.Sockaddr) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = file.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var result error
	asked := false
	waited := raw.Write(func(fd uintptr) (done bool) {
		if !asked {
			asked = true
			result = unix.Connect(int(fd), sockaddr)
			return result != unix.EINPROGRESS //nolint:errorlint // a bare system call's own number
		}
		done, result = outcome(int(fd))
		return done
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case waited != nil:
		return waited
	}
	return result
}

// outcome says whether a connection attempt has ended, and how. A fresh socket
// is reported ready once for nothing: then it has no peer yet.
func outcome(fd int) (ended bool, err error) {
	number, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return true, err
	}
	if number != 0 {
		return true, syscall.Errno(number)
	}
	_, err = unix.Getpeername(fd)
	return err == nil, nil
}

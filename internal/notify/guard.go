package notify

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// dialWait bounds how long one connection takes to come up.
const dialWait = 10 * time.Second

// refusedAddressError says why an address is never connected to.
type refusedAddressError struct{ addr netip.Addr }

func (e refusedAddressError) Error() string {
	return fmt.Sprintf("%s is never connected to: it is link-local, multicast or a cloud's metadata service", e.addr)
}

// metadata lists the addresses outside the link-local ranges at which clouds tell a
// machine its own credentials.
func metadata() []netip.Addr {
	return []netip.Addr{
		netip.MustParseAddr("100.100.100.200"), // Alibaba
		netip.MustParseAddr("168.63.129.16"),   // Azure
		netip.MustParseAddr("192.0.0.192"),     // Oracle
		netip.MustParseAddr("fd00:ec2::254"),   // Amazon
		netip.MustParseAddr("fd20:ce::254"),    // Google
	}
}

// allowed refuses addresses that no receiver of notices has, but that somebody
// might want this machine to ask. Loopback and private addresses are allowed:
// receivers are often there.
func allowed(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	if addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() || slices.Contains(metadata(), addr) {
		return refusedAddressError{addr}
	}
	return nil
}

// dial connects to a host unless its address is refused: what counts is where a
// name leads now, not where it led when it was saved.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialWait, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return allowed(to.Addr())
	}}
	return dialer.DialContext(ctx, network, address)
}

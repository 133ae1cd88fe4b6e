package notify

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"baton/internal/pair/unasked"
)

// dialWait bounds how long one connection takes to come up.
const dialWait = 10 * time.Second

// refusedAddressError says why an address is never connected to.
type refusedAddressError struct{ addr netip.Addr }

func (e refusedAddressError) Error() string {
	return fmt.Sprintf("%s is never connected to: it is link-local, multicast or a cloud's metadata service", e.addr)
}

// allowed refuses addresses that no receiver of notices has.
func allowed(addr netip.Addr) error {
	if unasked.Is(addr) {
		return refusedAddressError{addr.Unmap().WithZone("")}
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

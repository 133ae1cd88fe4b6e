package sharedip

import (
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
)

// ErrNotPermitted says that this process may not change addresses.
var ErrNotPermitted = errors.New("this process may not change addresses: run it with CAP_NET_ADMIN, as Baton's own unit does; a container needs that capability too")

// Permitted reports whether this process may change the addresses of an interface:
// nil, ErrNotPermitted, or why that cannot be told. It changes nothing: it asks the
// kernel to take off an address that no machine can have.
func (h *Host) Permitted(iface string) error {
	link, err := h.kernel.linkNamed(iface)
	if err != nil {
		return fmt.Errorf("look at interface %s: %w", iface, err)
	}
	nowhere := &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(32, 32)}}
	if err := netlink.AddrDel(link, nowhere); errors.Is(err, os.ErrPermission) {
		return ErrNotPermitted
	}
	return nil
}

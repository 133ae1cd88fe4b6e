// Package unasked knows the addresses that this machine asks nothing, whoever names them.
package unasked

import (
	"net/netip"
	"slices"
)

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

// Is reports whether no address that an administrator names may lead there: it is
// link-local, multicast or a cloud's metadata service, which nobody has a site or
// receives notices at, but which somebody might want this machine to ask. Loopback and
// private addresses are none of these.
func Is(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	return addr.IsLinkLocalUnicast() || addr.IsMulticast() || addr.IsUnspecified() || slices.Contains(metadata(), addr)
}

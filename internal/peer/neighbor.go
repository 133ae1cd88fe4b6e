package peer

import (
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// freshNeighbor makes the kernel ask at once for the hardware address of the next hop, if it
// waits for an answer: by itself it asks once a second (retrans_time_ms), and a cable that
// is plugged in would be noticed up to a second late. Without CAP_NET_ADMIN that delay
// stays. Other failures show when connecting.
func freshNeighbor(address string) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return
	}
	target, err := netip.ParseAddr(host)
	if err != nil || target.IsLoopback() {
		return
	}
	routes, err := netlink.RouteGet(target.AsSlice())
	if err != nil || len(routes) == 0 {
		return
	}
	next := routes[0].Gw
	if next == nil {
		next = target.AsSlice()
	}
	forgetUnresolved(routes[0].LinkIndex, next)
}

// forgetUnresolved removes the neighbour entry of ip, unless it is known or pinned.
func forgetUnresolved(link int, ip net.IP) {
	neighbors, err := netlink.NeighList(link, netlink.FAMILY_ALL)
	if err != nil {
		return
	}
	for _, entry := range neighbors {
		if entry.IP.Equal(ip) && entry.State&(netlink.NUD_INCOMPLETE|netlink.NUD_FAILED) != 0 {
			_ = netlink.NeighDel(&entry)
		}
	}
}

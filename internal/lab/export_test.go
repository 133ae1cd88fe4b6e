package lab

import (
	"net"
	"net/netip"
	"slices"
)

// ARPFrame is a gratuitous ARP request.
func ARPFrame(mac net.HardwareAddr, ip netip.Addr) []byte {
	broadcast := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	return slices.Concat(broadcast, mac, []byte{8, 6, 0, 1, 8, 0, 6, 4, 0, 1},
		mac, ip.AsSlice(), make([]byte, 6), ip.AsSlice())
}

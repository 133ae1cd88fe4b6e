package sharedip

import (
	"net/netip"
)

// Neighbour discovery messages (RFC 4861).
const (
	neighbourSolicitation  = 135
	neighbourAdvertisement = 136

	optionSourceMAC = 1
	optionTargetMAC = 2

	flagRouter   = 0x80
	flagOverride = 0x20

	maxHops = 255 // proves that no router has forwarded the message
)

// solicitation asks who has target. From the unspecified address it is a probe
// as in duplicate address detection (RFC 4862, 5.4.2), which teaches nobody
// anything; from any other it carries our MAC, so that target learns it.
func solicitation(sender MAC, src, target netip.Addr) []byte {
	message := append([]byte{neighbourSolicitation, 0, 0, 0, 0, 0, 0, 0}, target.AsSlice()...)
	if !src.IsUnspecified() {
		message = append(append(message, optionSourceMAC, 1), sender[:]...)
	}
	group := solicitedNode(target)
	return datagram{
		dstMAC: multicastMAC(group), srcMAC: sender, src: src, dst: group,
		hops: maxHops, message: message,
	}.frame()
}

// advertisement announces ip to all nodes, unsolicited, overriding what they
// know. The flags are flagOverride, with flagRouter on a host that forwards.
func advertisement(sender MAC, ip netip.Addr, flags byte) []byte {
	message := append([]byte{neighbourAdvertisement, 0, 0, 0, flags, 0, 0, 0}, ip.AsSlice()...)
	message = append(append(message, optionTargetMAC, 1), sender[:]...)
	group := netip.IPv6LinkLocalAllNodes()
	return datagram{
		dstMAC: multicastMAC(group), srcMAC: sender, src: ip, dst: group,
		hops: maxHops, message: message,
	}.frame()
}

// parseAdvertisement reads who claims which address; false unless the frame is
// a valid neighbour advertisement (RFC 4861, 7.1.2).
func parseAdvertisement(frame []byte) (Owner, bool) {
	d, ok := parseDatagram(frame)
	if !ok || !d.dst.Is6() || d.hops != maxHops || len(d.message) < 24 ||
		d.message[0] != neighbourAdvertisement || d.message[1] != 0 {
		return Owner{}, false
	}
	owner := Owner{IP: netip.AddrFrom16([16]byte(d.message[8:24])), MAC: d.srcMAC}
	options := d.message[24:]
	for len(options) >= 2 {
		size := int(options[1]) * 8
		if size == 0 || size > len(options) {
			return Owner{}, false
		}
		if options[0] == optionTargetMAC {
			owner.MAC = MAC(options[2:8])
		}
		options = options[size:]
	}
	return owner, !owner.IP.IsMulticast()
}

// solicitedNode is the multicast group of everybody who may have ip (RFC 4291, 2.7.1).
func solicitedNode(ip netip.Addr) netip.Addr {
	b := ip.As16()
	return netip.AddrFrom16([16]byte{0xff, 0x02, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}

// multicastMAC is the Ethernet address of an IPv6 group (RFC 2464, 7).
func multicastMAC(group netip.Addr) MAC {
	b := group.As16()
	return MAC{0x33, 0x33, b[12], b[13], b[14], b[15]}
}

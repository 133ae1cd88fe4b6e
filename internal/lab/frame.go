package lab

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// ClaimKind says in which way a host showed an address as its own.
type ClaimKind string

// The ways.
const (
	ClaimAnnounce ClaimKind = "announce" // unasked: gratuitous ARP, unsolicited neighbour advertisement
	ClaimAnswer   ClaimKind = "answer"   // asked: ARP reply, solicited neighbour advertisement
	ClaimUse      ClaimKind = "use"      // by the way: asked for another address with this one as sender
)

const (
	ethernetHeader = 14
	etherARP       = 0x0806
	etherIPv6      = 0x86dd
	ipv6Header     = 40
	protoICMPv6    = 58
	icmpSolicit    = 135
	icmpAdvertise  = 136
)

// claimed is what one frame says: this hardware address has that IP.
type claimed struct {
	ip   netip.Addr
	mac  net.HardwareAddr
	kind ClaimKind
}

// parseFrame reads the claim out of an Ethernet frame; most frames make none.
func parseFrame(frame []byte) (claimed, bool) {
	if len(frame) < ethernetHeader {
		return claimed{}, false
	}
	body := frame[ethernetHeader:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case etherARP:
		return parseARP(body)
	case etherIPv6:
		return parseNeighbour(body, frame[6:12])
	}
	return claimed{}, false
}

// parseARP reads an ARP packet of IPv4 over Ethernet (RFC 826). A probe has no
// sender address and claims nothing (RFC 5227).
func parseARP(p []byte) (claimed, bool) {
	if len(p) < 28 || string(p[:6]) != "\x00\x01\x08\x00\x06\x04" {
		return claimed{}, false
	}
	sender, target := netip.AddrFrom4([4]byte(p[14:18])), netip.AddrFrom4([4]byte(p[24:28]))
	if sender.IsUnspecified() {
		return claimed{}, false
	}
	c := claimed{ip: sender, mac: cloneMAC(p[8:14]), kind: ClaimUse}
	const reply = 2
	switch {
	case sender == target:
		c.kind = ClaimAnnounce
	case binary.BigEndian.Uint16(p[6:]) == reply:
		c.kind = ClaimAnswer
	}
	return c, true
}

// parseNeighbour reads a neighbour advertisement or solicitation (RFC 4861).
func parseNeighbour(p, sender []byte) (claimed, bool) {
	if len(p) < ipv6Header+24 || p[0]>>4 != 6 || p[6] != protoICMPv6 {
		return claimed{}, false
	}
	source, message := netip.AddrFrom16([16]byte(p[8:24])), p[ipv6Header:]
	switch message[0] {
	case icmpAdvertise:
		c := claimed{ip: netip.AddrFrom16([16]byte(message[8:24])), mac: cloneMAC(sender), kind: ClaimAnnounce}
		if solicited := message[4]&0x40 != 0; solicited {
			c.kind = ClaimAnswer
		}
		return c, true
	case icmpSolicit:
		return claimed{ip: source, mac: cloneMAC(sender), kind: ClaimUse}, !source.IsUnspecified()
	}
	return claimed{}, false
}

func cloneMAC(b []byte) net.HardwareAddr { return append(net.HardwareAddr(nil), b...) }

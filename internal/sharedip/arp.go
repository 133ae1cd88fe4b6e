package sharedip

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// ARP operations (RFC 826).
const (
	arpRequest uint16 = 1
	arpReply   uint16 = 2
)

// arpSize is the length in bytes of an ARP packet for IPv4 on Ethernet.
const arpSize = 28

// arp is an ARP packet for IPv4 on Ethernet.
type arp struct {
	op        uint16
	senderMAC MAC
	senderIP  netip.Addr
	targetMAC MAC
	targetIP  netip.Addr
}

// frame renders the packet as an Ethernet frame to dst.
func (a arp) frame(dst MAC) []byte {
	frame := ethernet(dst, a.senderMAC, unix.ETH_P_ARP)
	frame = binary.BigEndian.AppendUint16(frame, 1) // Ethernet
	frame = binary.BigEndian.AppendUint16(frame, unix.ETH_P_IP)
	frame = append(frame, 6, 4) // sizes of the two kinds of address
	frame = binary.BigEndian.AppendUint16(frame, a.op)
	frame = append(frame, a.senderMAC[:]...)
	frame = append(frame, a.senderIP.AsSlice()...)
	frame = append(frame, a.targetMAC[:]...)
	return append(frame, a.targetIP.AsSlice()...)
}

// parseARP reads an Ethernet frame; false unless it is a whole ARP request or
// reply for IPv4 on Ethernet.
func parseARP(frame []byte) (arp, bool) {
	packet, ok := payload(frame, unix.ETH_P_ARP)
	if !ok || len(packet) < arpSize {
		return arp{}, false
	}
	a := arp{
		op:        binary.BigEndian.Uint16(packet[6:]),
		senderMAC: MAC(packet[8:14]),
		senderIP:  netip.AddrFrom4([4]byte(packet[14:18])),
		targetMAC: MAC(packet[18:24]),
		targetIP:  netip.AddrFrom4([4]byte(packet[24:28])),
	}
	ethernetIPv4 := binary.BigEndian.Uint16(packet) == 1 && binary.BigEndian.Uint16(packet[2:]) == unix.ETH_P_IP &&
		packet[4] == 6 && packet[5] == 4
	return a, ethernetIPv4 && (a.op == arpRequest || a.op == arpReply)
}

// arpQuestion asks who has target. With an unspecified sender it is a probe
// (RFC 5227, 2.1.1), which teaches nobody anything.
func arpQuestion(sender MAC, senderIP, target netip.Addr) []byte {
	return arp{op: arpRequest, senderMAC: sender, senderIP: senderIP, targetIP: target}.frame(broadcast())
}

// arpAnnouncements are the two gratuitous forms. The request updates every
// cache, also an entry younger than a second; the reply reaches those who ignore
// gratuitous requests, and only with target MAC = sender MAC.
func arpAnnouncements(sender MAC, ip netip.Addr) [][]byte {
	request := arp{op: arpRequest, senderMAC: sender, senderIP: ip, targetIP: ip}
	reply := arp{op: arpReply, senderMAC: sender, senderIP: ip, targetMAC: sender, targetIP: ip}
	return [][]byte{request.frame(broadcast()), reply.frame(broadcast())}
}

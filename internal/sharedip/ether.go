package sharedip

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// MAC is an Ethernet address.
type MAC [6]byte

// String renders "02:00:5e:10:00:0a".
func (m MAC) String() string { return net.HardwareAddr(m[:]).String() }

// macOf converts a hardware address; false unless it is an Ethernet one.
func macOf(hw net.HardwareAddr) (MAC, bool) {
	if len(hw) != len(MAC{}) {
		return MAC{}, false
	}
	return MAC(hw), true
}

func broadcast() MAC { return MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff} }

// Sizes of headers in bytes.
const (
	etherSize = 14
	ipv4Size  = 20
	ipv6Size  = 40
)

// ethernet begins a frame.
func ethernet(dst, src MAC, etherType uint16) []byte {
	frame := make([]byte, 0, 128)
	frame = append(frame, dst[:]...)
	frame = append(frame, src[:]...)
	return binary.BigEndian.AppendUint16(frame, etherType)
}

// payload returns what a frame of that type carries; false if it is another type.
func payload(frame []byte, etherType uint16) ([]byte, bool) {
	if len(frame) < etherSize || binary.BigEndian.Uint16(frame[12:]) != etherType {
		return nil, false
	}
	return frame[etherSize:], true
}

// datagram is an ICMP message with the addresses that carried it.
type datagram struct {
	dstMAC, srcMAC MAC
	src, dst       netip.Addr
	hops           uint8  // hop limit or time to live
	message        []byte // ICMP, from its type on; the checksum is filled in by frame
}

// frame renders the datagram as an Ethernet frame.
func (d datagram) frame() []byte {
	if d.dst.Is4() {
		return d.frame4()
	}
	return d.frame6()
}

func (d datagram) frame4() []byte {
	frame := ethernet(d.dstMAC, d.srcMAC, unix.ETH_P_IP)
	header := make([]byte, ipv4Size)
	header[0] = 4<<4 | ipv4Size/4
	binary.BigEndian.PutUint16(header[2:], uint16(ipv4Size+len(d.message))) //nolint:gosec // our own messages are far below 64 KiB
	header[8] = d.hops
	header[9] = unix.IPPROTO_ICMP
	copy(header[12:], d.src.AsSlice())
	copy(header[16:], d.dst.AsSlice())
	binary.BigEndian.PutUint16(header[10:], checksum(header))
	binary.BigEndian.PutUint16(d.message[2:], checksum(d.message))
	return append(append(frame, header...), d.message...)
}

func (d datagram) frame6() []byte {
	frame := ethernet(d.dstMAC, d.srcMAC, unix.ETH_P_IPV6)
	header := make([]byte, ipv6Size)
	header[0] = 6 << 4
	binary.BigEndian.PutUint16(header[4:], uint16(len(d.message))) //nolint:gosec // our own messages are far below 64 KiB
	header[6] = unix.IPPROTO_ICMPV6
	header[7] = d.hops
	copy(header[8:], d.src.AsSlice())
	copy(header[24:], d.dst.AsSlice())
	binary.BigEndian.PutUint16(d.message[2:], checksum(d.pseudoHeader(), d.message))
	return append(append(frame, header...), d.message...)
}

// pseudoHeader is what an ICMPv6 checksum covers beside the message (RFC 8200, 8.1).
func (d datagram) pseudoHeader() []byte {
	pseudo := append(d.src.AsSlice(), d.dst.AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(d.message))) //nolint:gosec // bounded by the frame
	return append(pseudo, 0, 0, 0, unix.IPPROTO_ICMPV6)
}

// parseDatagram reads an ICMP message out of a frame; false unless it is whole,
// unfragmented and its checksum is right.
func parseDatagram(frame []byte) (datagram, bool) {
	if packet, ok := payload(frame, unix.ETH_P_IP); ok {
		return parse4(frame, packet)
	}
	if packet, ok := payload(frame, unix.ETH_P_IPV6); ok {
		return parse6(frame, packet)
	}
	return datagram{}, false
}

func parse4(frame, packet []byte) (datagram, bool) {
	if len(packet) < ipv4Size || packet[0]>>4 != 4 || packet[9] != unix.IPPROTO_ICMP {
		return datagram{}, false
	}
	size, total := int(packet[0]&0x0f)*4, int(binary.BigEndian.Uint16(packet[2:]))
	fragment := binary.BigEndian.Uint16(packet[6:]) & 0x3fff // more fragments, or an offset
	if size < ipv4Size || total < size+4 || total > len(packet) || fragment != 0 {
		return datagram{}, false
	}
	d := datagram{
		dstMAC: MAC(frame[0:6]), srcMAC: MAC(frame[6:12]),
		src: netip.AddrFrom4([4]byte(packet[12:16])), dst: netip.AddrFrom4([4]byte(packet[16:20])),
		hops: packet[8], message: packet[size:total],
	}
	return d, checksum(packet[:size]) == 0 && checksum(d.message) == 0
}

func parse6(frame, packet []byte) (datagram, bool) {
	if len(packet) < ipv6Size || packet[0]>>4 != 6 || packet[6] != unix.IPPROTO_ICMPV6 {
		return datagram{}, false
	}
	size := int(binary.BigEndian.Uint16(packet[4:]))
	if size < 4 || size > len(packet)-ipv6Size {
		return datagram{}, false
	}
	d := datagram{
		dstMAC: MAC(frame[0:6]), srcMAC: MAC(frame[6:12]),
		src: netip.AddrFrom16([16]byte(packet[8:24])), dst: netip.AddrFrom16([16]byte(packet[24:40])),
		hops: packet[7], message: packet[ipv6Size : ipv6Size+size],
	}
	return d, checksum(d.pseudoHeader(), d.message) == 0
}

// checksum is the Internet checksum (RFC 1071) over parts of even length, the
// last of which may be odd. Over data that includes a right checksum it is 0.
func checksum(parts ...[]byte) uint16 {
	var sum uint32
	for _, part := range parts {
		for ; len(part) >= 2; part = part[2:] {
			sum += uint32(part[0])<<8 | uint32(part[1])
		}
		if len(part) == 1 {
			sum += uint32(part[0]) << 8
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

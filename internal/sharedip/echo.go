package sharedip

import (
	"encoding/binary"
	"net/netip"
)

// Echo types of ICMP and ICMPv6.
const (
	echoRequest4 = 8
	echoReply4   = 0
	echoRequest6 = 128
	echoReply6   = 129
)

// echo is one ping: from whom to whom, on Ethernet and above it.
type echo struct {
	srcMAC, dstMAC MAC
	src, dst       netip.Addr
	id             uint16 // tells our pings from everybody else's
}

// frame renders the request.
func (e echo) frame() []byte {
	message := []byte{echoRequest4, 0, 0, 0, 0, 0, 0, 1}
	if e.dst.Is6() {
		message[0] = echoRequest6
	}
	binary.BigEndian.PutUint16(message[4:], e.id)
	message = append(message, "baton lost check"...)
	return datagram{dstMAC: e.dstMAC, srcMAC: e.srcMAC, src: e.src, dst: e.dst, hops: 64, message: message}.frame()
}

// answeredBy reports whether the frame is the reply to e, delivered to us. A
// switch floods what it has not learned, so a frame for another machine's MAC
// may pass by: it is no answer.
func (e echo) answeredBy(frame []byte) bool {
	d, ok := parseDatagram(frame)
	if !ok || len(d.message) < 8 {
		return false
	}
	reply := byte(echoReply4)
	if e.dst.Is6() {
		reply = echoReply6
	}
	return d.message[0] == reply && d.message[1] == 0 && binary.BigEndian.Uint16(d.message[4:]) == e.id &&
		d.dstMAC == e.srcMAC && d.src == e.dst && d.dst == e.src
}

package lease

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// tableName is that of our tables; no other table is touched.
const tableName = "baton"

// tableID names a table: the kernel keeps one name space for each family.
type tableID struct {
	family byte
	name   string
}

// packets is the table that stops traffic; frames the one that stops ARP. A set
// belongs to one table, so each has its own.
func packets() tableID { return tableID{unix.NFPROTO_INET, tableName} }
func frames() tableID  { return tableID{unix.NFPROTO_NETDEV, tableName} }

// The sets. Shared holds the addresses that are guarded, and is filled only while
// one of them may be on an interface here: on a backup it would cut the machine's
// own containers off from the peer. Away holds those that are another machine's now:
// what still arrives for them from the link ends here. Alive holds those whose traffic passes, held
// those to which only Baton's own ports answer.
const (
	shared4 = "shared4"
	shared6 = "shared6"
	alive4  = "alive4"
	alive6  = "alive6"
	held4   = "held4"
	held6   = "held6"
	away4   = "away4"
	away6   = "away6"
	ports   = "ports"
)

// Hooks (linux/netfilter.h) and priorities. Incoming packets are judged before
// destination NAT, outgoing ones after source NAT.
const (
	hookPrerouting  = 0
	hookOutput      = 3
	hookPostrouting = 4
	hookIngress     = 0 // of a device
	hookEgress      = 1 // likewise
	beforeAll       = -310
	afterNAT        = 110
)

// act is what a marked packet asks for.
type act uint32

// The acts. Those that renew do so only for a lease that has not run out: they
// can never open anything.
const (
	renewOpen act = iota + 1 // go on, open
	renewHeld                // go on, held
	begin                    // open
	hold                     // close, but for Baton's own ports
	finish                   // close
	answer                   // none of ours asks: a door of Baton's own answers
)

// markBase is the upper half of our marks, markMask what tells them from others'.
const (
	markBase = 0x0ba70000
	markMask = 0xffff0000
)

// mark renders an act, for a length of lease by its place on the ladder.
func mark(a act, step int) uint32 { return markBase | uint32(a)<<8 | uint32(step) } //nolint:gosec // the ladder is short

// ladder lists the lengths that a lease can have. Each has rules of its own, since
// the length is part of the rule: so a change of the timeout needs no change of
// the rules, and what remains can follow the entitlement down. All are multiples
// of 4 ms, a jiffy at 250 Hz; the kernel rounds down to its own.
func ladder() []time.Duration {
	const ms = time.Millisecond
	return []time.Duration{
		20 * ms, 28 * ms, 40 * ms, 60 * ms, 80 * ms, 120 * ms, 160 * ms, 240 * ms, 320 * ms, 480 * ms, 640 * ms,
		1000 * ms, 1400 * ms, 2000 * ms,
	}
}

// family is what differs between IPv4 and IPv6 in a rule.
type family struct {
	nfproto               byte
	ethertype             uint16
	size                  uint32 // of an address
	source, destination   uint32 // where a packet has them
	shared, alive, heldBy string
}

func ipv4() family {
	return family{unix.NFPROTO_IPV4, unix.ETH_P_IP, 4, 12, 16, shared4, alive4, held4}
}

func ipv6() family {
	return family{unix.NFPROTO_IPV6, unix.ETH_P_IPV6, 16, 8, 24, shared6, alive6, held6}
}

// Expressions of rules, in short.

func u32(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func meta(key expr.MetaKey, op expr.CmpOp, value []byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: value}}
}

// loopback matches packets of the loopback interface, or (not equal) of others.
func loopback(key expr.MetaKey, op expr.CmpOp) []expr.Any {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, "lo")
	return meta(key, op, padded)
}

func marked(m uint32) []expr.Any { return meta(expr.MetaKeyMARK, expr.CmpOpEq, u32(m)) }

// ours matches the marks of this package, or (not equal) all others.
func ours(op expr.CmpOp) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: u32(markMask), Xor: u32(0)},
		&expr.Cmp{Op: op, Register: 1, Data: u32(markBase)},
	}
}

func load(base expr.PayloadBase, offset, size uint32) expr.Any {
	return &expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: size}
}

func in(name string) expr.Any    { return &expr.Lookup{SourceRegister: 1, SetName: name} }
func notIn(name string) expr.Any { return &expr.Lookup{SourceRegister: 1, SetName: name, Invert: true} }

func put(name string, length time.Duration) expr.Any {
	return &expr.Dynset{SrcRegKey: 1, SetName: name, Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: length}
}

func take(name string) expr.Any {
	return &expr.Dynset{SrcRegKey: 1, SetName: name, Operation: dynsetDelete}
}

// dynsetDelete is NFT_DYNSET_OP_DELETE.
const dynsetDelete = 2

func stop() []expr.Any {
	return []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}}
}

func pass() []expr.Any { return []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}} }

func concat(parts ...[]expr.Any) (all []expr.Any) {
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

// list makes a part of single expressions.
func list(exprs ...expr.Any) []expr.Any { return exprs }

// request says what a marked packet changes in the sets: the packet's destination
// is the address that is meant.
func request(a act, length time.Duration, alive, shared, heldBy string) []expr.Any {
	switch a {
	case renewOpen:
		return list(in(alive), put(alive, length))
	case renewHeld:
		return list(in(heldBy), put(heldBy, length))
	case begin:
		return list(in(shared), take(heldBy), put(alive, length))
	case hold:
		return list(in(shared), take(alive), put(heldBy, length))
	case finish:
		return list(in(shared), take(alive), take(heldBy))
	case answer:
	}
	return nil
}

// timedActs are the acts that have a length.
func timedActs() []act { return []act{renewOpen, renewHeld, begin, hold} }

// installPackets adds the table that stops traffic of guarded addresses.
func installPackets(b *batch, left, flags uint32, own []uint16) {
	t := packets()
	b.remake(t, left, flags)
	names := []set{{name: ports, size: 2, kind: kindService}}
	for _, f := range []family{ipv4(), ipv6()} {
		kind := uint32(kindIPv4)
		if f.size == 16 {
			kind = kindIPv6
		}
		names = append(names, set{name: f.shared, size: int(f.size), kind: kind},
			set{name: f.alive, size: int(f.size), kind: kind, timed: true}, set{name: f.heldBy, size: int(f.size), kind: kind, timed: true})
	}
	for i, s := range names {
		b.set(t, uint32(i+1), s)
	}
	var keys [][]byte
	for _, port := range own {
		keys = append(keys, binary.BigEndian.AppendUint16(nil, port))
	}
	b.elements(unix.NFT_MSG_NEWSETELEM, t, ports, keys)
	incoming(b, t)
	outgoing(b, t)
	renewing(b, t)
}

// incoming stops what arrives for a guarded address that is not alive.
func incoming(b *batch, t tableID) {
	const chain = "incoming"
	b.chain(t, chain, hookPrerouting, beforeAll, "")
	b.rule(t, chain, concat(loopback(expr.MetaKeyIIFNAME, expr.CmpOpEq), ours(expr.CmpOpEq), list(&expr.Verdict{Kind: expr.VerdictDrop}))...)
	for _, f := range []family{ipv4(), ipv6()} {
		side{b, t, chain, f, expr.MetaKeyIIFNAME, f.destination, destinationPort, nil}.guard()
	}
}

// outgoing stops what leaves from a guarded address that is not alive: answers of
// any program, on connections that are open as well, and neighbour advertisements; but
// for the end of a connection.
func outgoing(b *batch, t tableID) {
	const chain = "outgoing"
	b.chain(t, chain, hookPostrouting, afterNAT, "")
	for _, f := range []family{ipv4(), ipv6()} {
		out := side{b, t, chain, f, expr.MetaKeyOIFNAME, f.source, sourcePort, ours(expr.CmpOpEq)}
		b.rule(t, chain, concat(out.remote(), list(in(f.shared)), resets(), pass())...)
		out.guard()
	}
}

// resets matches TCP segments that end a connection at once (RFC 9293). They answer
// nothing, and tell a client that waits for an answer that none will come.
func resets() []expr.Any {
	const flags, reset = 13, 0x04 // offset of the flags in a segment, and the flag RST
	return concat(protocol(unix.IPPROTO_TCP), list(load(expr.PayloadBaseTransportHeader, flags, 1),
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{reset}, Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0}}))
}

// Where a TCP segment has its ports.
const (
	sourcePort      = 0
	destinationPort = 2
)

// side is one direction of traffic in one family.
type side struct {
	b       *batch
	t       tableID
	chain   string
	family  family
	device  expr.MetaKey
	address uint32     // where the packet has the shared IP
	port    uint32     // where the segment has its port
	door    []expr.Any // what else an own port's segment must be, see answering
}

// guard adds the rules: while an address is held, Baton's own ports and neighbour
// discovery pass.
func (s side) guard() {
	f := s.family
	remote := s.remote()
	s.b.rule(s.t, s.chain, concat(s.ownPort(), s.door, pass())...)
	if f.size == 16 {
		s.b.rule(s.t, s.chain, concat(remote, list(in(f.heldBy)), protocol(unix.IPPROTO_ICMPV6),
			list(load(expr.PayloadBaseTransportHeader, 0, 1),
				&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: []byte{solicitation}, ToData: []byte{advertisement}}), pass())...)
	}
	s.b.rule(s.t, s.chain, concat(remote, list(in(f.shared), notIn(f.alive)), stop())...)
}

// remote matches packets of other machines, by their address on this side.
func (s side) remote() []expr.Any {
	return concat(loopback(s.device, expr.CmpOpNeq), meta(expr.MetaKeyNFPROTO, expr.CmpOpEq, []byte{s.family.nfproto}),
		list(load(expr.PayloadBaseNetworkHeader, s.address, s.family.size)))
}

// ownPort matches segments of an address that is held, of one of Baton's own ports.
func (s side) ownPort() []expr.Any {
	return concat(s.remote(), list(in(s.family.heldBy)), protocol(unix.IPPROTO_TCP),
		list(load(expr.PayloadBaseTransportHeader, s.port, 2), in(ports)))
}

func protocol(number byte) []expr.Any { return meta(expr.MetaKeyL4PROTO, expr.CmpOpEq, []byte{number}) }

// answering marks what this machine itself sends from an own port before any NAT: where
// the kernel sends that port elsewhere, to a container or another port, the segment
// gets the port only later, and is none of Baton's.
func answering(b *batch, t tableID, chain string) {
	for _, f := range []family{ipv4(), ipv6()} {
		door := side{b, t, chain, f, expr.MetaKeyOIFNAME, f.source, sourcePort, nil}
		b.rule(t, chain, concat(door.ownPort(), list(&expr.Immediate{Register: 1, Data: u32(mark(answer, 0))},
			&expr.Meta{Key: expr.MetaKeyMARK, SourceRegister: true, Register: 1}), pass())...)
	}
}

// Neighbour discovery's messages for an address (RFC 4861).
const (
	solicitation  = 135
	advertisement = 136
)

// renewing carries out what marked packets ask for. The sender of one that fails gets
// EPERM: the lease has run out, or the address is not on this machine.
func renewing(b *batch, t tableID) {
	const chain = "renewing"
	b.chain(t, chain, hookOutput, beforeAll, "")
	answering(b, t, chain)
	b.rule(t, chain, concat(ours(expr.CmpOpNeq), pass())...)
	b.rule(t, chain, concat(loopback(expr.MetaKeyOIFNAME, expr.CmpOpNeq), list(&expr.Verdict{Kind: expr.VerdictDrop}))...)
	for _, f := range []family{ipv4(), ipv6()} {
		address := concat(meta(expr.MetaKeyNFPROTO, expr.CmpOpEq, []byte{f.nfproto}), list(load(expr.PayloadBaseNetworkHeader, f.destination, f.size)))
		for step, length := range ladder() {
			for _, a := range timedActs() {
				b.rule(t, chain, concat(marked(mark(a, step)), address, request(a, length, f.alive, f.shared, f.heldBy), pass())...)
			}
		}
		b.rule(t, chain, concat(marked(mark(finish, 0)), address, request(finish, 0, f.alive, f.shared, f.heldBy), pass())...)
	}
	b.rule(t, chain, &expr.Verdict{Kind: expr.VerdictDrop})
}

// ARP for IPv4 on Ethernet: where a packet has the address of its sender.
const arpSender = 14

// installFrames adds the table that keeps ARP silent on these interfaces. The same
// packets renew it, as they leave by the loopback interface.
func installFrames(b *batch, left, flags uint32, devices []string) {
	t, f := frames(), ipv4()
	b.remake(t, left, flags)
	for i, s := range []set{
		{name: f.shared, size: 4, kind: kindIPv4},
		{name: f.alive, size: 4, kind: kindIPv4, timed: true},
		{name: f.heldBy, size: 4, kind: kindIPv4, timed: true},
		{name: away4, size: 4, kind: kindIPv4},
		{name: away6, size: 16, kind: kindIPv6},
	} {
		b.set(t, uint32(i+1), s)
	}
	const chain = "renewing"
	b.chain(t, chain, hookEgress, 0, "lo")
	protocol := func(ethertype uint16) []expr.Any {
		return meta(expr.MetaKeyPROTOCOL, expr.CmpOpEq, binary.BigEndian.AppendUint16(nil, ethertype))
	}
	b.rule(t, chain, concat(ours(expr.CmpOpNeq), pass())...)
	address := concat(protocol(f.ethertype), list(load(expr.PayloadBaseNetworkHeader, f.destination, f.size)))
	for step, length := range ladder() {
		// The other table has just checked what may be renewed. This table may have been
		// made anew since.
		for _, a := range timedActs() {
			anew := begin
			if a == renewHeld || a == hold {
				anew = hold
			}
			b.rule(t, chain, concat(marked(mark(a, step)), address, request(anew, length, f.alive, f.shared, f.heldBy))...)
		}
	}
	b.rule(t, chain, concat(marked(mark(finish, 0)), address, request(finish, 0, f.alive, f.shared, f.heldBy))...)
	for _, device := range devices {
		guardDevice(b, t, f, device, protocol(unix.ETH_P_ARP))
		leaveDevice(b, t, device, protocol)
	}
}

// leaveDevice stops what reaches this machine by an interface for an address that
// is another machine's now, since a neighbour still sends it here, and what would
// answer in its name. Without that, a connection that the kernel forwards goes on:
// it does not need the address. Packets that pass through a bridge, and those of
// the machine's own containers, do not come this way. Pings do pass: they find out
// who has the address.
func leaveDevice(b *batch, t tableID, device string, protocol func(uint16) []expr.Any) {
	arriving, chain := "arriving-"+device, "device-"+device
	b.chain(t, arriving, hookIngress, 0, device)
	const toThisHost = 0 // PACKET_HOST
	for _, f := range []family{ipv4(), ipv6()} {
		away, next, ping := away4, uint32(9), byte(unix.IPPROTO_ICMP)
		if f.size == 16 {
			away, next, ping = away6, 6, unix.IPPROTO_ICMPV6
		}
		noPing := list(load(expr.PayloadBaseNetworkHeader, next, 1), &expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{ping}})
		b.rule(t, arriving, concat(protocol(f.ethertype), meta(expr.MetaKeyPKTTYPE, expr.CmpOpEq, []byte{toThisHost}), noPing,
			list(load(expr.PayloadBaseNetworkHeader, f.destination, f.size), in(away)), stop())...)
		b.rule(t, chain, concat(protocol(f.ethertype), noPing,
			list(load(expr.PayloadBaseNetworkHeader, f.source, f.size), in(away)), stop())...)
	}
}

// guardDevice keeps an interface from answering ARP for a closed address, from
// asking in its name, and from announcing it.
func guardDevice(b *batch, t tableID, f family, device string, arp []expr.Any) {
	chain := "device-" + device
	b.chain(t, chain, hookEgress, 0, device)
	b.rule(t, chain, concat(arp, list(load(expr.PayloadBaseNetworkHeader, arpSender, f.size),
		in(f.shared), notIn(f.alive), notIn(f.heldBy)), stop())...)
}

// sharedSet is a set of guarded addresses, or of those that are away.
type sharedSet struct {
	table tableID
	name  string
	size  int // of its addresses, in bytes
	away  bool
}

// sharedSets lists them: each table has its own.
func sharedSets() []sharedSet {
	return []sharedSet{
		{packets(), shared4, 4, false},
		{packets(), shared6, 16, false},
		{frames(), shared4, 4, false},
		{frames(), away4, 4, true},
		{frames(), away6, 16, true},
	}
}

// fill names the guarded addresses in every table, and those that are away, and no
// others.
func fill(b *batch, guarded, away []netip.Addr) {
	for _, s := range sharedSets() {
		named := guarded
		if s.away {
			named = away
		}
		b.clear(s.table, s.name)
		b.elements(unix.NFT_MSG_NEWSETELEM, s.table, s.name, keysOf(named, s.size))
	}
}

// keysOf are the addresses that a set can hold whose keys have that size, in bytes.
func keysOf(addrs []netip.Addr, size int) (keys [][]byte) {
	for _, addr := range addrs {
		if key := addr.AsSlice(); len(key) == size {
			keys = append(keys, key)
		}
	}
	return keys
}

// letPass has the traffic of addresses pass for a time.
func letPass(b *batch, guarded []netip.Addr, lasting time.Duration) {
	for _, s := range []struct {
		table tableID
		name  string
		size  int
	}{{packets(), alive4, 4}, {packets(), alive6, 16}, {frames(), alive4, 4}} {
		b.elements(unix.NFT_MSG_NEWSETELEM, s.table, s.name, keysOf(guarded, s.size), number64(unix.NFTA_SET_ELEM_TIMEOUT, uint64(lasting.Milliseconds()))) //nolint:gosec // positive
	}
}

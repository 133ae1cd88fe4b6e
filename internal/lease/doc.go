// Package lease is the traffic lease on the shared IPs: the kernel lets packets
// to and from a shared IP pass, and answers ARP and neighbour solicitations for
// it, only while this daemon renews a timed entitlement. A daemon that is killed,
// hangs or gets no processor stops renewing, and the kernel closes the site by
// itself, whatever program listens behind the address, connections that are open
// included.
//
// The entitlement is an element of an nftables set with a timeout in
// milliseconds. It is renewed from the packet path: a marked packet on the
// loopback interface, which a rule recognises, sets the element's time anew. A
// change by netlink would wait until all other programs have changed the ruleset; the
// packet waits for none of them. Only installing the tables, and naming the addresses
// that they guard, goes by netlink.
//
// It decides nothing: who is entitled, and until when, is handed in. What remains
// of the lease never exceeds that.
//
// Linux only (5.16 or newer, for ARP); CAP_NET_ADMIN is enough. No program nft is
// needed, and no other table is touched.
//
// Start reading at Lease; packet.go renews, tables.go holds the rules, message.go
// speaks netlink, keep.go puts back what somebody else took away.
package lease

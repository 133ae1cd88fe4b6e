// Package sharedip puts the shared IPs of a pair on this machine's interfaces,
// takes them off, and tells the network about it, through the kernel's netlink
// interface and through ARP (IPv4) and neighbour discovery (IPv6).
//
// It decides only how: which frames to send, when to announce again, who counts
// as a foreign owner. Who may hold an address, and when, is decided elsewhere.
// It never touches an address that the configuration file does not name, and
// never announces one that the kernel does not have: after a stall the lease may
// have run out and another machine may be the owner.
//
// Linux only; CAP_NET_ADMIN and CAP_NET_RAW are enough, no file is written.
//
// Start reading at Host; kernel.go holds what is asked of the kernel, socket.go the
// socket for it, arp.go, ndp.go and echo.go the frames, announce.go and run.go the
// schedule.
package sharedip

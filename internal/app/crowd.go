package app

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// crowd bounds how many connections are open at a time, so that whoever opens
// thousands and says nothing cannot take the file descriptors that the daemon
// needs to keep the shared IP, to sync and to take over. One source has half of
// the places (fifty people may look on from behind one router), and the peer has places of its own. Who finds no place is
// closed at once, not left waiting: behind a full queue the peer would wait, too.
type crowd struct {
	most     int           // connections of everybody
	mostEach int           // connections of one source: an IPv4 address, an IPv6 network of 64 bits
	mostPeer int           // connections of the peer's addresses, besides
	patience time.Duration // for a guest to take what it is handed: some kilobytes
	ofPeer   func(netip.Addr) bool

	mu   sync.Mutex
	all  int
	peer int
	each map[netip.Prefix]int
}

// newCrowd returns one that takes at most a share of the file descriptors that
// this process may have.
func newCrowd(ofPeer func(netip.Addr) bool) *crowd {
	const share, part, leastEach, forPeer = 8, 2, 16, 64
	files := unix.Rlimit{Cur: 1024}
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &files) // else the least that a system allows
	const enough = 1 << 14
	most := int(min(files.Cur/share, enough))
	return &crowd{
		most: most, mostEach: max(most/part, leastEach), mostPeer: forPeer, patience: 3 * time.Minute,
		ofPeer: ofPeer, each: map[netip.Prefix]int{},
	}
}

// guard makes a listener admit connections as far as there is room.
func (c *crowd) guard(listener net.Listener) net.Listener { return &guarded{listener, c} }

// enter takes a place, which leave gives back; false if there is none.
func (c *crowd) enter(from netip.Addr) (leave func(), entered bool) {
	source := sourceOf(from)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.peer < c.mostPeer && c.ofPeer(from):
		c.peer++
		return func() { c.mu.Lock(); c.peer--; c.mu.Unlock() }, true
	case c.all >= c.most, c.each[source] >= c.mostEach:
		return nil, false
	}
	c.all++
	c.each[source]++
	return func() { c.left(source) }, true
}

func (c *crowd) left(source netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all--
	if c.each[source]--; c.each[source] == 0 {
		delete(c.each, source)
	}
}

func sourceOf(from netip.Addr) netip.Prefix {
	from = from.Unmap().WithZone("")
	bits := from.BitLen()
	if from.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(from, bits).Masked()
}

// guarded is a listener in front of which a crowd stands.
type guarded struct {
	net.Listener
	crowd *crowd
}

// Accept implements net.Listener.
func (g *guarded) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			return conn, nil
		}
		from, _ := netip.ParseAddrPort(tcp.RemoteAddr().String())
		if leave, entered := g.crowd.enter(from.Addr().Unmap()); entered {
			return &guest{TCPConn: tcp, patience: g.crowd.patience, leave: sync.OnceFunc(leave), ofPeer: g.crowd.ofPeer(from.Addr().Unmap())}, nil
		}
		_ = tcp.SetLinger(0) // leaves nothing behind in the kernel either
		_ = tcp.Close()
	}
}

// guest is a connection that has a place.
type guest struct {
	*net.TCPConn
	patience time.Duration
	leave    func()
	ofPeer   bool                   // it comes from an address of the peer
	turn     atomic.Pointer[func()] // gives the turn of a handshake back; nil: it has none
}

// begin keeps the turn of a handshake until something is written.
func (g *guest) begin(end func()) {
	if before := g.turn.Swap(&end); before != nil {
		(*before)()
	}
}

func (g *guest) end() {
	if end := g.turn.Swap(nil); end != nil {
		(*end)()
	}
}

// Write implements net.Conn. TLS hands over some kilobytes at a time, the answers of
// all requests of an HTTP/2 connection among them: whoever does not take these for so
// long, as by a byte now and then, is shown out.
func (g *guest) Write(p []byte) (int, error) {
	g.end()
	late := time.AfterFunc(g.patience, func() { _ = g.Close() })
	defer late.Stop()
	return g.TCPConn.Write(p)
}

// Close implements net.Conn.
func (g *guest) Close() error {
	defer g.leave()
	defer g.end()
	return g.TCPConn.Close()
}

// isPeer reports whether an address is one that the peer is known by.
func (a *Appliance) isPeer(from netip.Addr) bool {
	pinned, paired := a.link.Paired()
	return paired && slices.ContainsFunc(pinned.Addresses, func(known string) bool {
		if reached := pinned.Reached[known]; reached != "" { // it is a name
			known = reached
		}
		at, err := netip.ParseAddrPort(known)
		return err == nil && at.Addr().Unmap() == from
	})
}

package listen

import (
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// admission bounds how many connections are open at a time: somebody who opens thousands
// and says nothing must not take the file descriptors that the daemon needs to keep the
// shared IP, to sync and to take over. One source has half of the places, since fifty
// people may sit behind one router, and the peer has places of its own. A connection that
// finds no place is closed at once: behind a full queue the peer would wait, too.
type admission struct {
	most     int           // connections of everybody
	mostEach int           // connections of one source: an IPv4 address, an IPv6 network of 64 bits
	mostPeer int           // connections of the peer's addresses, besides
	patience time.Duration // for a client to take what it is handed: some kilobytes
	ofPeer   func(netip.Addr) bool

	mu   sync.Mutex
	all  int
	peer int
	each map[netip.Prefix]int
}

// newAdmission returns one that takes at most a share of the file descriptors that
// this process may have.
func newAdmission(ofPeer func(netip.Addr) bool) *admission {
	const part, leastEach, forPeer = 2, 16, 64
	most := shareOfFiles()
	return &admission{
		most: most, mostEach: max(most/part, leastEach), mostPeer: forPeer, patience: 3 * time.Minute,
		ofPeer: ofPeer, each: map[netip.Prefix]int{},
	}
}

// shareOfFiles is how many file descriptors one part of this process may take.
func shareOfFiles() int {
	const share, enough = 8, 1 << 14
	files := unix.Rlimit{Cur: 1024}
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &files) // else the least that a system allows
	return int(min(files.Cur/share, enough))
}

// guard makes a listener admit connections as far as there is room.
func (c *admission) guard(listener net.Listener) net.Listener { return &guarded{listener, c} }

// admit takes a place, which leave gives back; false if there is none.
func (c *admission) admit(from netip.Addr) (leave func(), ok bool) {
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

func (c *admission) left(source netip.Prefix) {
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

// guarded is a listener that admits connections as far as there is room.
type guarded struct {
	net.Listener
	admission *admission
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
		if leave, ok := g.admission.admit(from.Addr().Unmap()); ok {
			return &admitted{TCPConn: tcp, patience: g.admission.patience, leave: sync.OnceFunc(leave), ofPeer: g.admission.ofPeer(from.Addr().Unmap())}, nil
		}
		_ = tcp.SetLinger(0) // leaves nothing behind in the kernel either
		_ = tcp.Close()
	}
}

// admitted is a connection that has a place.
type admitted struct {
	*net.TCPConn
	patience time.Duration
	leave    func()
	ofPeer   bool                       // it comes from an address of the peer
	turn     atomic.Pointer[func()]     // gives the turn of a handshake back; nil: it has none
	late     atomic.Pointer[time.Timer] // runs while something is written; nil: nothing was so far

	gathering gathering
}

// begin keeps the turn of a handshake until something is written.
func (g *admitted) begin(end func()) {
	if before := g.turn.Swap(&end); before != nil {
		(*before)()
	}
}

func (g *admitted) end() {
	if end := g.turn.Swap(nil); end != nil {
		(*end)()
	}
}

// send writes some kilobytes, of the answers of all requests of an HTTP/2 connection: the connection of a client that does
// not take these for so long, as by a byte now and then, is closed.
func (g *admitted) send(p []byte) (n int, err error) {
	g.inTime(func() { n, err = g.TCPConn.Write(p) })
	return n, err
}

// piece is how much of a file has the time of one write.
const piece = 64 << 10

// ReadFrom implements io.ReaderFrom. A file is sent by the kernel, piece by piece; all else is written.
func (g *admitted) ReadFrom(from io.Reader) (sent int64, err error) {
	limited, is := from.(*io.LimitedReader)
	if !is {
		limited = &io.LimitedReader{R: from, N: math.MaxInt64}
	}
	if _, file := limited.R.(*os.File); !file {
		return io.Copy(struct{ io.Writer }{g}, from)
	}
	for limited.N > 0 {
		var n int64
		g.inTime(func() { n, err = g.TCPConn.ReadFrom(&io.LimitedReader{R: limited.R, N: min(limited.N, piece)}) })
		sent, limited.N = sent+n, limited.N-n
		if n == 0 || err != nil {
			break
		}
	}
	return sent, err
}

// inTime closes the connection unless do returns in time.
func (g *admitted) inTime(do func()) {
	g.end()
	if late := g.late.Load(); late != nil {
		late.Reset(g.patience)
		defer late.Stop()
	} else {
		late = time.AfterFunc(g.patience, func() { _ = g.Close() })
		g.late.Store(late)
		defer late.Stop()
	}
	do()
}

// Close implements net.Conn.
func (g *admitted) Close() error {
	defer g.leave()
	defer g.end()
	return g.TCPConn.Close()
}

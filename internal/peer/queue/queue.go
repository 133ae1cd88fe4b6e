// Package queue keeps short what a connection has waiting before a slow line.
//
// By itself TCP fills the buffers of every router on the way, which hold a second and more, and a
// poll would wait behind all of that. Here what is under way is bounded by the size of the socket's
// send buffer: it grows while round trips stay short, and shrinks once they take longer. (The idea
// is that of TCP Vegas and LEDBAT, RFC 6817; it needs nothing of the kernel or the peer.)
package queue

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	record  = 16 << 10 // bytes of one record of TLS
	most    = 8        // records that are sent at once: more gain little
	longest = 30 * time.Millisecond
)

// Gatherer is a connection below TLS that can send together what it is given by several writes. Each packet that a system
// sends costs it about the same, however large it is.
type Gatherer interface {
	Gather()     // what is written from now on may wait
	Send() error // sends what waits; what is written from now on is sent at once
}

// Conn is a connection that keeps its queue short. Where the kernel refuses, it is like any other.
type Conn struct {
	net.Conn
	raw   syscall.RawConn // of the socket below; nil: none
	below Gatherer        // of the socket below; nil: it sends record by record
	pace  func() time.Duration
	bound bound
	now   int       // the bound that the kernel knows; 0: its own
	short uint64    // for how many microseconds it held back what could have been sent
	next  time.Time // look
}

// New returns conn with a short queue: what waits may delay a poll by a quarter of the time between
// two polls, which is pace, and by 30 ms at most. Socket is the TCP connection below.
func New(conn, socket net.Conn, pace func() time.Duration) *Conn {
	c := &Conn{Conn: conn, pace: pace, bound: bound{bytes: first}}
	if tcp, ok := socket.(syscall.Conn); ok {
		c.raw, _ = tcp.SyscallConn() // nil where it fails
	}
	c.below, _ = socket.(Gatherer)
	return c
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (n int, err error) {
	for len(b) > n && err == nil {
		c.look(time.Now())
		var written int
		written, err = c.together(b[n:min(len(b), n+c.piece())])
		n += written
	}
	return n, err
}

// piece is how many bytes are sent at once. On a slow line that is a record, so that what is under way is bounded tightly.
func (c *Conn) piece() int {
	return min(max(c.bound.bytes/most/record, 1), most) * record
}

// together writes what TLS makes several records of, which are sent together.
func (c *Conn) together(b []byte) (int, error) {
	if c.below == nil || len(b) <= record {
		return c.Conn.Write(b)
	}
	c.below.Gather()
	n, err := c.Conn.Write(b)
	if sent := c.below.Send(); err == nil {
		err = sent
	}
	return n, err
}

// look sets the send buffer by what the newest round trips took.
func (c *Conn) look(now time.Time) {
	if c.raw == nil || now.Before(c.next) {
		return
	}
	c.next = now.Add(lookEvery)
	_ = c.raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		seen := seen{trip: time.Duration(info.Rtt) * time.Microsecond, underWay: int(info.Unacked * info.Snd_mss), short: info.Sndbuf_limited > c.short}
		c.short = info.Sndbuf_limited
		c.next = now.Add(max(seen.trip, lookEvery)) // what is set shows a round trip later
		c.bound.see(now, seen, min(c.pace()/4, longest))
		if c.bound.bytes != c.now {
			c.set(int(fd))
		}
	})
}

// set tells the kernel, which doubles the number for what it needs besides.
func (c *Conn) set(fd int) {
	c.now = c.bound.bytes
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, c.bound.bytes/2) != nil { // beyond the system's bound with CAP_NET_ADMIN
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, c.bound.bytes/2)
	}
}

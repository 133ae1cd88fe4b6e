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
	piece   = 16 << 10 // bytes written at once: a TLS record
	longest = 30 * time.Millisecond
)

// Conn is a connection that keeps its queue short. Where the kernel refuses, it is like any other.
type Conn struct {
	net.Conn
	raw   syscall.RawConn // of the socket below; nil: none
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
	return c
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (n int, err error) {
	for len(b) > n && err == nil {
		c.look(time.Now())
		var written int
		written, err = c.Conn.Write(b[n:min(len(b), n+piece)])
		n += written
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

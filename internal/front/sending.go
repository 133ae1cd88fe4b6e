package front

import (
	"context"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// stalled is how long a client may take nothing before Hold stops waiting for it: it has
// gone away, or has stopped reading.
const stalled = time.Second

// connections are those of the site's clients. An answer that a handler has written may
// lie in the kernel for a while, and would be lost with the shared IP.
type connections struct {
	stalled time.Duration // for how long a client that takes nothing is waited for

	mu  sync.Mutex
	all map[net.Conn]bool // whether a request of the connection is being answered
}

// note is the server's ConnState hook.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateClosed, http.StateHijacked:
		delete(c.all, conn)
	case http.StateNew, http.StateActive, http.StateIdle:
		c.all[conn] = state == http.StateActive
	}
}

// rest is what the kernel has still to send on a connection, and since when.
type rest struct {
	bytes int
	since time.Time
}

// flow counts connections on which the kernel has something to send.
type flow struct {
	moving  int // the client takes it
	stuck   int // the client has stalled
	running int // of those, with a request that is still being answered
}

// sending looks at every connection; before is what it saw when it last did.
func (c *connections) sending(before map[net.Conn]rest) (f flow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for conn, running := range c.all {
		switch n := unsent(conn); {
		case n == 0:
			delete(before, conn)
		case n != before[conn].bytes:
			before[conn] = rest{bytes: n, since: now}
			f.moving++
		case now.Sub(before[conn].since) < c.stalled:
			f.moving++
		default:
			f.stuck++
			if running {
				f.running++
			}
		}
	}
	return f
}

type connKey struct{}

// within puts the connection into the context of its requests.
func within(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// finish waits until the answer to the last request of a connection has left this
// machine, or its client has stalled. After that the server closes the connection, and
// what is left of it cannot be asked any more.
func finish(ctx context.Context) {
	conn, ok := ctx.Value(connKey{}).(net.Conn)
	if !ok {
		return
	}
	only := connections{stalled: stalled, all: map[net.Conn]bool{conn: true}}
	for before := map[net.Conn]rest{}; only.sending(before).moving > 0 && ctx.Err() == nil; {
		time.Sleep(drainPause)
	}
}

// unsent is how many bytes were written to a connection that have not left this machine;
// 0 also where that cannot be told.
func unsent(conn net.Conn) (n int) {
	if secured, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secured.NetConn()
	}
	plain, ok := conn.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { // a connection that is closed sends nothing
		if left, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQNSD); err == nil {
			n = left
		}
	})
	return n
}

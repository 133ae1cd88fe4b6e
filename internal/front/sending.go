package front

import (
	"context"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/front/plain"
)

// stalled is how long a client may take nothing before Hold stops waiting for it: it has
// gone away, or has stopped reading.
const stalled = time.Second

// connections are those of the site's clients. An answer that a handler has written may
// lie in the kernel for a while, and would be lost with the shared IP.
type connections struct {
	stalled time.Duration // for how long a client that takes nothing is waited for

	mu  sync.Mutex
	all map[net.Conn]*client
}

// client is what the site has answered, and is answering, on one connection.
type client struct {
	opened  time.Time
	state   http.ConnState
	ofSite  bool             // it has asked for something of the site: a port may serve more than the site
	running map[*answer]bool // several at a time with HTTP/2
}

// note is the server's ConnState hook.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.all[conn] = &client{opened: time.Now(), running: map[*answer]bool{}}
	case http.StateClosed, http.StateHijacked:
		delete(c.all, conn)
	case http.StateActive, http.StateIdle: // its answers are counted one by one
		if of := c.all[conn]; of != nil {
			of.state = state
		}
	}
}

// count returns how many connections are such.
func (c *connections) count(such func(*client) bool) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.all {
		if such(of) {
			n++
		}
	}
	return n
}

// awaitNone waits until no connection is open, at most for a time. Those whose clients have
// said nothing since they came, as browsers keep some ready, are not waited for.
func (c *connections) awaitNone(limit time.Duration) {
	const pause = 2 * time.Millisecond
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(pause) {
		if c.count(func(of *client) bool { return of.state != http.StateNew || time.Since(of.opened) < freshGrace }) == 0 {
			return
		}
	}
}

// closeIdle closes the plain ones whose clients have had an answer, and have not asked for more. The others are
// closed by net/http, which does not know that of these.
func (c *connections) closeIdle() {
	c.eachPlain(func(conn net.Conn, of *client) {
		if of.state == http.StateIdle {
			_ = conn.Close()
		}
	})
}

// cutOff ends the plain ones, whatever is being written: net/http would wait for that.
func (c *connections) cutOff() {
	c.eachPlain(func(conn net.Conn, _ *client) { _ = below(conn).Close() })
}

func (c *connections) eachPlain(do func(net.Conn, *client)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn, of := range c.all {
		if plain.Serves(conn) {
			do(conn, of)
		}
	}
}

// begin counts an answer among those of its connection, until end.
func (c *connections) begin(a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if of := c.all[a.conn]; of != nil { // else it is closed, or there is none
		of.ofSite, of.running[a] = true, true
	}
}

func (c *connections) end(a *answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if of := c.all[a.conn]; of != nil {
		delete(of.running, a)
	}
}

// rest is what the kernel has still to send on a connection, and since when.
type rest struct {
	bytes int
	since time.Time
}

// flow is how far the answers of all connections are.
type flow struct {
	moving  int // connections on which the kernel has something to send, and the client takes it
	stuck   int // the same, and the client has stalled
	running int // answers that are being written to clients that have stalled
}

// sending looks at every connection; before is what it saw when it last did.
func (c *connections) sending(before map[net.Conn]rest) (f flow) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for conn, of := range c.all {
		if !of.ofSite || of.endless() {
			continue
		}
		switch n := unsent(conn); {
		case n == 0:
			delete(before, conn)
			for a := range of.running {
				if at := a.since.Load(); at != nil && now.Sub(*at) >= c.stalled && !a.endless.Load() {
					f.running++
				}
			}
		case n != before[conn].bytes:
			before[conn] = rest{bytes: n, since: now}
			f.moving++
		case now.Sub(before[conn].since) < c.stalled:
			f.moving++
		default:
			f.stuck++
			f.running += of.ending()
		}
	}
	return f
}

// ending is how many of the answers that are being written will end by themselves.
func (c *client) ending() (n int) {
	for a := range c.running {
		if !a.endless.Load() {
			n++
		}
	}
	return n
}

// endless reports whether answers are being written, and none will end by itself.
func (c *client) endless() bool { return len(c.running) > 0 && c.ending() == 0 }

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
	only := connections{stalled: stalled, all: map[net.Conn]*client{conn: {ofSite: true}}}
	for before := map[net.Conn]rest{}; only.sending(before).moving > 0 && ctx.Err() == nil; {
		time.Sleep(drainPause)
	}
}

// unsent is how many bytes were written to a connection that have not left this machine;
// 0 also where that cannot be told.
func unsent(conn net.Conn) (n int) {
	kernel, ok := below(conn).(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := kernel.SyscallConn()
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

// below is the connection of the kernel.
func below(conn net.Conn) net.Conn {
	if over, is := conn.(interface{ NetConn() net.Conn }); is {
		return over.NetConn()
	}
	return conn
}

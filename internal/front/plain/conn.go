package plain

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// It is looked whether the client of a running request has gone away, more and more seldom: an
// answer that lasts is an event stream, and there may be thousands.
const (
	firstLook = 100 * time.Millisecond
	lastLook  = 10 * time.Second
)

// Listen returns a listener for a server, which has a handler and a hook for the state of connections. KeepAlive
// says whether a connection may be asked for something more. A connection of HTTPS is net/http's from the start.
func Listen(listener net.Listener, server *http.Server, keepAlive func() bool) net.Listener {
	return &plainListener{Listener: listener, server: server, keepAlive: keepAlive}
}

type plainListener struct {
	net.Listener
	server    *http.Server
	keepAlive func() bool
	writers   sync.Pool // of bufio.Writer: those of connections that wait for a request are not kept
}

// Accept implements net.Listener.
func (l *plainListener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if _, secured := accepted.(*tls.Conn); secured || err != nil {
		return accepted, err
	}
	c := &conn{Conn: accepted, plainListener: l, from: accepted.RemoteAddr().String()}
	c.context = context.WithValue(context.Background(), http.ServerContextKey, l.server)
	if l.server.ConnContext != nil {
		c.context = l.server.ConnContext(c.context, c)
	}
	return c, nil
}

// Serves reports whether a connection is one of such a listener's, other than for HTTPS.
func Serves(accepted net.Conn) bool {
	_, is := accepted.(*conn)
	return is
}

// conn is a connection of which net/http reads only what is not plain.
type conn struct {
	net.Conn
	*plainListener

	from    string          // the client's address
	context context.Context //nolint:containedctx // of all its requests
	handed  bool            // it is left to net/http
	idleEnd time.Time       // when it is closed unless a request has come

	mu      sync.Mutex
	cancel  context.CancelFunc // of the request that is being answered; nil: there is none
	closing bool               // it is closed once that is answered
	look    *time.Timer        // calls watch
	pause   time.Duration      // until then
}

// NetConn is the connection below this one.
func (c *conn) NetConn() net.Conn { return c.Conn }

// Read implements net.Conn: it answers requests as long as these are plain, and returns the first that is not. The
// error is io.EOF, of which net/http says nothing to the client, when the connection is to end.
func (c *conn) Read(p []byte) (int, error) {
	for {
		n, err := c.Conn.Read(p)
		if err != nil || c.handed {
			return n, err
		}
		r := plainRequest(p[:n])
		if r == nil {
			c.handed = true
			if !c.idleEnd.IsZero() { // net/http has set that of a first request
				err = c.SetReadDeadline(time.Now().Add(c.server.ReadHeaderTimeout))
			}
			return n, err
		}
		// Idle connections were closed, maybe, just before this one was idle.
		if !c.serve(r) || !c.more() || !c.await() {
			return 0, io.EOF
		}
	}
}

// serve answers one request, and reports whether there may be a further one. A handler that gives up does so by
// a panic, which net/http recovers from.
func (c *conn) serve(r *http.Request) bool {
	ctx, cancel := context.WithCancel(c.context)
	c.begin(cancel)
	defer c.end()
	r.RemoteAddr = c.from
	w := newAnswer(c, r)
	defer w.release()
	c.server.Handler.ServeHTTP(w, r.WithContext(ctx))
	return w.finish() == nil && !w.closes
}

// await gives the client time for its next request, and reports whether it has any. A deadline costs something to
// set, so it is left as it is while it is about right.
func (c *conn) await() bool {
	now := time.Now()
	if idle := c.server.IdleTimeout; c.idleEnd.Sub(now) < idle-idle/16 {
		c.idleEnd = now.Add(idle)
		return c.SetReadDeadline(c.idleEnd) == nil
	}
	return true
}

func (c *conn) begin(cancel context.CancelFunc) {
	c.server.ConnState(c, http.StateActive)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel = cancel
	if c.pause = firstLook; c.look == nil {
		c.look = time.AfterFunc(c.pause, c.watch)
	} else {
		c.look.Reset(c.pause)
	}
}

func (c *conn) end() {
	c.mu.Lock()
	c.cancel()
	c.cancel = nil
	c.look.Stop()
	c.mu.Unlock()
	c.server.ConnState(c, http.StateIdle)
}

// watch ends the request of a client that has gone away.
func (c *conn) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.cancel == nil:
	case c.gone():
		c.cancel()
	default:
		c.pause = min(2*c.pause, lastLook)
		c.look.Reset(c.pause)
	}
}

func (c *conn) gone() (gone bool) {
	plain, ok := c.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		var next [1]byte
		n, _, err := unix.Recvfrom(int(fd), next[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = err == nil && n == 0 || err != nil && !errors.Is(err, unix.EAGAIN) && !errors.Is(err, unix.EINTR)
	})
	return gone || err != nil
}

// Close implements net.Conn. While a request is answered here, net/http takes the connection for idle, and may
// close it as such: the answer comes to its end first.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.closing = true
		return nil
	}
	return c.Conn.Close()
}

// CloseWrite tells the client that nothing follows.
func (c *conn) CloseWrite() error {
	if half, is := c.Conn.(interface{ CloseWrite() error }); is {
		return half.CloseWrite()
	}
	return nil
}

// ReadFrom implements io.ReaderFrom: the kernel sends a file.
func (c *conn) ReadFrom(from io.Reader) (int64, error) { return io.Copy(c.Conn, from) }

// more reports whether the client may ask for something more.
func (c *conn) more() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closing && c.keepAlive()
}

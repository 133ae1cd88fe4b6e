package proxy

import (
	"bufio"
	"errors"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of a connection to the application.
const (
	dialTime     = 3 * time.Second // to connect
	answerTime   = time.Minute     // for it to begin its answer, once it has the whole request
	writeTime    = time.Minute     // for it to take the next piece of a request
	idleTime     = 4 * time.Second // that a connection is kept without a request: some applications close it after 5 s
	maxIdle      = 512             // connections kept without a request
	maxHeader    = 256 << 10       // bytes of the head of an answer
	maxAnnounced = 10              // answers of the kind 1xx before the one that counts
)

// upstream is the application behind the site, spoken to in HTTP/1.1. One goroutine asks and
// reads the answer: net/http's Transport has two more for each connection, and hands every
// request over twice.
type upstream struct {
	Target

	patience time.Duration // how long requests wait for an application that is being started
	note     func(string)  // of what is wrong with it
	answer   time.Duration // what it has to begin its answer, once it has the whole request

	mu       sync.Mutex
	idle     []*conn // the newest last
	sweeping bool    // old ones are to be closed
	outage   *outage // nil: it could be reached when it was last tried
}

var _ http.RoundTripper = (*upstream)(nil)

// conn is a connection to the application.
type conn struct {
	net.Conn
	r        *bufio.Reader
	w        *bufio.Writer
	writeEnd deadline // of the writer
	raw      net.Conn // below TLS
	since    time.Time
	allowed  int64 // bytes that may be read
	silent   bool  // nothing of an answer has come

	mu       sync.Mutex
	readEnd  deadline
	answered bool       // the head of the answer is there
	unsent   *bodyError // why the request did not come to its end
}

var errLargeHead = errors.New("the head of the answer is larger than 256 KiB")

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	if c.allowed <= 0 {
		return 0, errLargeHead
	}
	n, err := c.Conn.Read(p[:min(int64(len(p)), c.allowed)])
	c.allowed -= int64(n)
	if n > 0 {
		c.silent = false
	}
	return n, err
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.writeEnd.move(writeTime, c.SetWriteDeadline); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// deadline is one of a connection. It costs something to set, so it is left as it is while it is about right.
type deadline struct{ at time.Time }

// move sets it a time ahead, or a little less.
func (d *deadline) move(ahead time.Duration, set func(time.Time) error) error {
	now := time.Now()
	if d.at.Sub(now) > ahead-ahead/16 {
		return nil
	}
	d.at = now.Add(ahead)
	return set(d.at)
}

// off takes it away.
func (d *deadline) off(set func(time.Time) error) error {
	d.at = time.Time{}
	return set(d.at)
}

// RoundTrip implements http.RoundTripper.
func (u *upstream) RoundTrip(req *http.Request) (*http.Response, error) {
	again := replayable(req)
	for {
		c := u.takeQuiet()
		kept := c != nil
		if !kept {
			var err error
			if c, err = u.connect(req.Context()); err != nil {
				return nil, err
			}
		}
		res, err := u.ask(c, req)
		if err == nil {
			return res, nil
		}
		if !kept || !again || !c.silent || isLate(err) || req.Context().Err() != nil {
			return nil, err
		}
		again = false
		u.drop() // the application was restarted: the others are as dead
	}
}

// replayable reports whether a request may be sent twice: it was not answered, and may have
// been done.
func replayable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return req.Body == nil
	}
	return false
}

// isLate reports whether the application has not answered in time: it has the request, maybe.
func isLate(err error) bool {
	late, is := errors.AsType[net.Error](err)
	return is && late.Timeout()
}

// takeQuiet returns a connection that is kept, or nil. The application has neither closed it
// meanwhile nor said more than its answer.
func (u *upstream) takeQuiet() *conn {
	c := u.take()
	for c != nil && !c.quiet() {
		_ = c.Close()
		c = u.take()
	}
	return c
}

// take returns a connection that is kept, or nil.
func (u *upstream) take() *conn {
	u.mu.Lock()
	defer u.mu.Unlock()
	last := len(u.idle) - 1
	if last < 0 {
		return nil
	}
	c := u.idle[last]
	u.idle[last] = nil
	u.idle = u.idle[:last]
	return c
}

// put keeps a connection for the next request.
func (u *upstream) put(c *conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.idle) >= maxIdle {
		_ = c.Close()
		return
	}
	c.since = time.Now()
	u.idle = append(u.idle, c)
	if !u.sweeping {
		u.sweeping = true
		time.AfterFunc(idleTime, u.sweep)
	}
}

// sweep closes those that nobody has needed for long.
func (u *upstream) sweep() {
	u.mu.Lock()
	defer u.mu.Unlock()
	old := 0
	for old < len(u.idle) && time.Since(u.idle[old].since) >= idleTime {
		_ = u.idle[old].Close()
		old++
	}
	u.idle = append(u.idle[:0], u.idle[old:]...)
	if u.sweeping = len(u.idle) > 0; u.sweeping {
		time.AfterFunc(time.Until(u.idle[0].since.Add(idleTime)), u.sweep)
	}
}

// drop closes all that are kept.
func (u *upstream) drop() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, c := range u.idle {
		_ = c.Close()
	}
	u.idle = nil
}

// quiet reports whether the application has neither closed a connection nor said anything.
func (c *conn) quiet() (quiet bool) {
	plain, ok := c.raw.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := plain.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) { // a connection that is closed is not quiet
		var next [1]byte
		_, _, err := unix.Recvfrom(int(fd), next[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		quiet = errors.Is(err, unix.EAGAIN)
	})
	return quiet
}

// Package channel keeps one HTTP/2 connection to the peer: it makes a new one whenever the
// connection is lost, and notices when the peer was restarted. It knows neither keys nor
// pairing: the function that dials makes sure who is at the other end.
//
// Start reading at Channel.RoundTrip, then Channel.Run; life.go tells of restarts.
package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"baton/internal/pair"
)

// How a channel tries to connect.
const (
	slowPace    = 200 * time.Millisecond // between two attempts, so that TCP's own back-off never decides
	hurried     = 20                     // attempts at the pace of Options, before that: with polls ten times a timeout, two timeouts
	maxAttempts = hurried + 8            // at a time; a newer one replaces the oldest
	demandTime  = 10 * time.Second       // how long after the last request it keeps trying
	firstPause  = time.Second            // after the peer refused us; doubled up to lastPause
	lastPause   = 10 * time.Second
	drainTime   = 30 * time.Second // for requests on a connection that is no longer used
	promptly    = 2 * time.Second  // a request that fails within this time may be repeated, and waits this long for a connection
)

// ErrUnreachable means that there is no connection to the peer, or that it broke off.
var ErrUnreachable = pair.Refuse(pair.Unreachable, "the peer cannot be reached: check its address, its port and the network")

// RestartedError ends a request that a peer got before it was restarted: nobody will answer it.
type RestartedError struct{}

// Error implements error.
func (RestartedError) Error() string {
	return "the peer was started anew while it was asked: look at how it is now, then try again"
}

// Unwrap returns ErrUnreachable.
func (RestartedError) Unwrap() error { return ErrUnreachable }

// Options are what a Channel is made of.
type Options struct {
	Dial    func(ctx context.Context) (*Line, error) // makes one authenticated connection
	Refused func(err error) bool                     // reports whether the peer answered and turned us away: trying again at once is useless
	Suspect func()                                   // called when the connection has become suspect; may be nil
	Pace    func() time.Duration                     // between two attempts while a connection has just broken, at most 200 ms; nil: that
	Log     *slog.Logger
}

// Line is a connection to one life of the peer.
type Line struct {
	*http.ClientConn

	Life Life
}

// Channel is one persistent authenticated connection to the peer. When it is lost, the
// channel makes a new one. It is an http.RoundTripper. Requests wait for the
// connection as long as their context allows, but fail at once if the peer refuses us.
type Channel struct {
	opt Options

	wake   chan struct{} // somebody wants a connection
	resume chan struct{} // end the pause after a refusal

	mu      sync.Mutex
	conn    *Line              // nil: none
	lines   map[*Line]struct{} // all open ones: conn, and older ones on which requests still run
	life    Life               // the newest of the peer that was seen
	renewal bool               // make another connection although there is one
	asked   time.Time          // of the newest request
	refused error              // why the peer turns us away; nil: it does not, as far as we know
	next    uint64             // number of the next attempt
	failed  uint64             // 1 + number of the newest attempt that failed
	lastErr error              // why it failed; nil: a connection was made since, or the channel was reset
	changed chan struct{}      // closed and replaced when any of the above gets better or worse
}

// New returns a channel. It makes no connection before Run.
func New(opt Options) *Channel {
	return &Channel{
		opt: opt, lines: map[*Line]struct{}{},
		wake: make(chan struct{}, 1), resume: make(chan struct{}, 1), changed: make(chan struct{}),
	}
}

// RoundTrip implements http.RoundTripper. A request that misses its deadline
// makes the connection suspect: the channel makes a new one at once. A request that was
// sent to an earlier life of the peer, after that had ended, is repeated.
func (c *Channel) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, asked := request.Context(), sinceBoot()
	conn, err := c.acquire(ctx)
	if err != nil {
		if request.Body != nil {
			_ = request.Body.Close()
		}
		return nil, err
	}
	response, err := c.over(conn, request)
	if err == nil || request.GetBody == nil {
		return response, err
	}
	next := c.successor(ctx, conn, asked)
	if next == nil {
		return nil, err
	}
	again := request.Clone(ctx)
	if again.Body, err = request.GetBody(); err != nil {
		return nil, err
	}
	return c.over(next, again)
}

// Client returns the HTTP client whose requests go over the channel.
func (c *Channel) Client() *http.Client {
	return &http.Client{
		Transport:     c,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// over makes a request on one connection.
func (c *Channel) over(conn *Line, request *http.Request) (*http.Response, error) {
	ctx := request.Context()
	response, err := conn.RoundTrip(request)
	if err != nil {
		return nil, c.doubt(ctx, conn, err)
	}
	response.Body = &watched{body: response.Body, doubt: func(err error) error { return c.doubt(ctx, conn, err) }}
	return response, nil
}

// doubt marks a connection as suspect because a request failed on it. A request that its
// caller cancelled says nothing about the peer. It returns the error to report.
func (c *Channel) doubt(ctx context.Context, conn *Line, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	c.suspect(conn)
	if c.outlived(conn) {
		return RestartedError{}
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// successor returns a connection to the peer's next life, if that had begun before the
// request was sent over conn: then nobody has received the request. It returns nil if it
// had not, or if there is no such connection soon.
func (c *Channel) successor(ctx context.Context, conn *Line, asked time.Duration) *Line {
	if sinceBoot()-asked > promptly {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, promptly)
	defer cancel()
	next, err := c.acquire(ctx)
	if err != nil || next.Life.ID == conn.Life.ID || next.Life.Began > asked {
		return nil
	}
	return next
}

// watched is an answer's body that doubts its connection when it breaks off.
type watched struct {
	body  io.ReadCloser
	doubt func(error) error
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = w.doubt(err)
	}
	return n, err
}

// Close implements io.Closer.
func (w *watched) Close() error { return w.body.Close() }

// acquire returns the connection, waiting until there is one.
func (c *Channel) acquire(ctx context.Context) (*Line, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = time.Now()
	for first := c.next; c.conn == nil; {
		if c.refused != nil {
			return nil, c.refused
		}
		if c.lastErr != nil && c.failed > first {
			return nil, c.lastErr
		}
		signal(c.wake) // again on each turn: a connection may have come and gone meanwhile
		changed := c.changed
		c.mu.Unlock()
		var err error
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-changed:
		}
		c.mu.Lock()
		if err != nil {
			return nil, fmt.Errorf("%w: no connection yet: %w", ErrUnreachable, errors.Join(err, c.lastErr))
		}
	}
	return c.conn, nil
}

// suspect stops using a connection and looks for a fresh one.
func (c *Channel) suspect(conn *Line) {
	c.mu.Lock()
	current := c.conn == conn
	if current {
		c.conn = nil
		signal(c.wake)
	}
	c.mu.Unlock()
	retire(conn)
	if current && c.opt.Suspect != nil {
		c.opt.Suspect()
	}
}

// LeaveIdle stops using a connection on which no request runs: it may be dead, and the
// next request would find that out only by failing.
func (c *Channel) LeaveIdle() {
	c.mu.Lock()
	conn := c.conn
	if conn == nil || conn.InFlight() > 0 {
		c.mu.Unlock()
		return
	}
	c.conn = nil
	c.mu.Unlock()
	retire(conn)
}

// Outlive closes all connections to earlier lives of the peer: they are dead, and requests
// that wait on them fail.
func (c *Channel) Outlive(theirs Life) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life = theirs
	for conn := range c.lines {
		if conn.Life.ID == theirs.ID {
			continue
		}
		if c.conn == conn {
			c.conn = nil
			signal(c.wake)
		}
		go func() { _ = conn.Close() }() // may take long: nobody reads what it sends
	}
}

// outlived reports whether the peer was restarted since it accepted the connection, as far
// as we know.
func (c *Channel) outlived(conn *Line) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return conn.Life.ID != c.life.ID
}

// Renew replaces the connection without an interruption, to prove a new key.
func (c *Channel) Renew() {
	c.mu.Lock()
	c.renewal = true
	c.asked = time.Now()
	c.mu.Unlock()
	signal(c.resume)
	signal(c.wake)
}

// Reset gives up the connection and forgets a refusal: who the peer is has changed.
func (c *Channel) Reset() {
	c.mu.Lock()
	conn := c.conn
	c.conn, c.refused, c.lastErr = nil, nil, nil
	c.tell()
	c.mu.Unlock()
	if conn != nil {
		_ = conn.Close()
	}
	signal(c.resume)
}

// Run makes a connection whenever one is wanted, until ctx ends.
func (c *Channel) Run(ctx context.Context) {
	defer c.Reset()
	pause := firstPause
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		}
		for c.wanted() && ctx.Err() == nil {
			if c.race(ctx) {
				pause = firstPause
				continue
			}
			if c.rest(ctx, pause) {
				pause = firstPause
			} else {
				pause = min(2*pause, lastPause)
			}
		}
	}
}

// rest waits after a refusal. It reports whether somebody ended the wait.
func (c *Channel) rest(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-c.resume:
		return true
	}
	return false
}

func (c *Channel) wanted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return (c.conn == nil || c.renewal) && time.Since(c.asked) < demandTime
}

type attempt struct {
	number uint64
	conn   *Line
	err    error
}

// race starts one attempt after the other until one authenticates, nobody wants a connection
// any more, or the peer refuses us. It reports false if the peer refuses us.
func (c *Channel) race(ctx context.Context) bool {
	var attempts sync.WaitGroup
	defer attempts.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	drain(c.resume)

	ended := make(chan attempt)
	var running []context.CancelFunc
	start := func() {
		if len(running) == maxAttempts {
			running[0]()
			running = running[1:]
		}
		one, stop := context.WithCancel(ctx)
		running = append(running, stop)
		number := c.begin()
		attempts.Go(func() { c.try(one, number, ended) })
	}

	start()
	hurry := c.hurry()
	timer := time.NewTimer(hurry)
	defer timer.Stop()
	for started := 1; ; {
		select {
		case <-ctx.Done():
			return true
		case got := <-ended:
			if done, accepted := c.judge(got); done {
				return accepted
			}
		case <-timer.C:
			if !c.wanted() {
				return true
			}
			start()
			if started++; started >= hurried {
				hurry = slowPace
			}
			timer.Reset(hurry)
		}
	}
}

// hurry is the time between two attempts when a connection has just broken: what broke it may
// be over in a moment, and then the two have to hear each other before the timeout ends.
func (c *Channel) hurry() time.Duration {
	if c.opt.Pace == nil {
		return slowPace
	}
	return min(c.opt.Pace(), slowPace)
}

// try makes one attempt and delivers it, unless the race is over.
func (c *Channel) try(ctx context.Context, number uint64, ended chan<- attempt) {
	conn, err := c.opt.Dial(ctx)
	select {
	case ended <- attempt{number, conn, err}:
	case <-ctx.Done():
		if conn != nil {
			_ = conn.Close()
		}
	}
}

func (c *Channel) begin() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	return c.next - 1
}

// judge notes how an attempt ended. It reports whether the race is over and, if so,
// whether the peer accepted us.
func (c *Channel) judge(got attempt) (done, accepted bool) {
	if got.err == nil {
		c.install(got.conn)
		return true, true
	}
	c.opt.Log.Debug("no connection to the peer", slog.Any("error", got.err))
	refused := c.opt.Refused(got.err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = max(c.failed, got.number+1)
	c.lastErr = got.err
	c.refused = nil
	if refused {
		c.refused = got.err
	}
	c.tell()
	return refused, false
}

// install makes conn the one that requests use.
func (c *Channel) install(conn *Line) {
	c.mu.Lock()
	if conn.Life.ID != c.life.ID { // the peer was restarted meanwhile
		c.mu.Unlock()
		_ = conn.Close()
		return
	}
	old := c.conn
	c.conn, c.renewal, c.refused, c.lastErr = conn, false, nil, nil
	c.lines[conn] = struct{}{}
	c.tell()
	c.mu.Unlock()
	if old != nil {
		retire(old)
	}
	conn.SetStateHook(func(*http.ClientConn) {
		if conn.Err() != nil {
			c.lost(conn)
		}
	})
	if conn.Err() != nil { // before the hook was set
		c.lost(conn)
	}
}

// lost notices that a connection is closed.
func (c *Channel) lost(conn *Line) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.lines, conn)
	if c.conn == conn {
		c.conn = nil
		signal(c.wake)
	}
}

// tell wakes everybody who waits for a change. The caller holds c.mu.
func (c *Channel) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// retire closes a connection that new requests no longer use, once the requests on it
// have ended.
func retire(conn *Line) {
	time.AfterFunc(slowPace, func() {
		if conn.InFlight() == 0 {
			_ = conn.Close()
			return
		}
		time.AfterFunc(drainTime, func() { _ = conn.Close() })
	})
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

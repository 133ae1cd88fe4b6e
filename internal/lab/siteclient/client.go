// Package siteclient is a client of the site in the lab: it asks at an interval, and remembers who answered when.
package siteclient

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"baton/internal/lab"
)

// Options say whom a client asks, and how often. Zero values are the
// defaults in brackets.
type Options struct {
	From   *lab.Host
	Target netip.AddrPort // as 198.51.100.10:80
	// Every is the time between the beginnings of two attempts [5 ms]. One begins
	// whether or not earlier ones have ended.
	Every time.Duration
	// Timeout bounds one attempt [1 s].
	Timeout time.Duration
	// Patience is how long an attempt may go on once a younger one was answered [200
	// ms]: then it is abandoned, because the network owes it a retransmission that
	// says nothing about the site.
	Patience time.Duration
	Limit    int           // attempts under way at most [256]; beyond it a beginning is skipped
	Keep     time.Duration // how long attempts are remembered [0: always]
}

// Result says how an attempt ended.
type Result string

// The results.
const (
	Answered  Result = "answered"  // with HTTP status 200
	Refused   Result = "refused"   // an answer, but another status than 200
	Failed    Result = "failed"    // no connection, or one that broke
	TimedOut  Result = "timed out" // nothing within Timeout
	Abandoned Result = "abandoned" // see Patience
)

// Attempt is one new connection with one request GET /.
type Attempt struct {
	Start, End time.Time
	Result     Result
	Appliance  string // who answered
	Status     int    // of the HTTP answer, 0 if there was none
	Err        error
}

var errAbandoned = errors.New("a younger attempt was answered")

// Client asks for the site at an interval, each time by a new connection, and
// remembers who answered when.
type Client struct {
	opts Options

	mu       sync.Mutex
	attempts []Attempt
	pending  map[int]*pending
}

type pending struct {
	start     time.Time
	overtaken bool // a younger one was answered
	abandon   context.CancelCauseFunc
}

// New returns a client; Run makes it ask.
func New(opts Options) *Client {
	opts.Every = cmp.Or(opts.Every, 5*time.Millisecond)
	opts.Timeout = cmp.Or(opts.Timeout, time.Second)
	opts.Patience = cmp.Or(opts.Patience, 200*time.Millisecond)
	opts.Limit = cmp.Or(opts.Limit, 256)
	return &Client{opts: opts, pending: map[int]*pending{}}
}

// Run asks until ctx ends, then waits for the attempts under way.
func (c *Client) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(c.opts.Every)
	defer tick.Stop()
	for number := 0; ; number++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if attempt, cancel := c.begin(ctx, number); attempt != nil {
			wg.Go(func() {
				defer cancel(nil)
				c.ask(attempt, number)
			})
		}
	}
}

func (c *Client) begin(ctx context.Context, number int) (context.Context, context.CancelCauseFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) >= c.opts.Limit {
		return nil, nil
	}
	attempt, cancel := context.WithCancelCause(ctx)
	c.pending[number] = &pending{start: time.Now(), abandon: cancel}
	return attempt, cancel
}

func (c *Client) ask(ctx context.Context, number int) {
	timed, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	var a Attempt
	a.Appliance, a.Status, a.Err = c.get(timed)
	a.End = time.Now()
	switch {
	case a.Err == nil && a.Status == http.StatusOK:
		a.Result = Answered
	case a.Err == nil:
		a.Result = Refused
	case errors.Is(context.Cause(ctx), errAbandoned):
		a.Result, a.Err = Abandoned, errAbandoned
	case ctx.Err() != nil: // the client ends: this attempt says nothing
		c.forget(number)
		return
	case timed.Err() != nil:
		a.Result = TimedOut
	default:
		a.Result = Failed
	}
	c.note(number, a)
}

// get makes one connection and one request on it, and reads the whole answer.
func (c *Client) get(ctx context.Context) (appliance string, status int, err error) {
	conn, err := c.opts.From.DialContext(ctx, "tcp", c.opts.Target.String())
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	return request(conn, c.opts.Target)
}

func request(conn net.Conn, target netip.AddrPort) (appliance string, status int, err error) {
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target); err != nil {
		return "", 0, fmt.Errorf("send the request: %w", err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", 0, fmt.Errorf("read the answer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return "", 0, fmt.Errorf("read the answer's body: %w", err)
	}
	return answer.Header.Get(lab.ApplianceHeader), answer.StatusCode, nil
}

func (c *Client) forget(number int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, number)
}

func (c *Client) note(number int, a Attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.Start = c.pending[number].start
	delete(c.pending, number)
	c.attempts = append(c.attempts, a)
	if c.opts.Keep > 0 {
		c.drop(a.End.Add(-c.opts.Keep))
	}
	if a.Result != Answered {
		return
	}
	for _, other := range c.pending {
		if !other.overtaken && a.Start.After(other.start) {
			other.overtaken = true
			time.AfterFunc(c.opts.Patience, func() { other.abandon(errAbandoned) })
		}
	}
}

// drop forgets attempts that ended before the instant, a good many at a time.
func (c *Client) drop(before time.Time) {
	i := slices.IndexFunc(c.attempts, func(a Attempt) bool { return !a.End.Before(before) })
	if i > len(c.attempts)/2 {
		c.attempts = slices.Clone(c.attempts[i:])
	}
}

// Latest is the attempt that was answered last; false if none was yet.
func (c *Client) Latest() (Attempt, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range slices.Backward(c.attempts) {
		if a.Result == Answered {
			return a, true
		}
	}
	return Attempt{}, false
}

// Report is everything remembered so far.
func (c *Client) Report() Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	return newReport(c.attempts)
}

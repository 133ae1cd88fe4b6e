package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync/atomic"
)

// ask sends a request and returns the answer, whose body gives the connection back once it
// was read. If it fails the connection is closed.
func (u *upstream) ask(c *conn, req *http.Request) (*http.Response, error) {
	c.allowed, c.silent, c.answered, c.unsent = maxHeader, true, false, nil
	a := &exchange{upstream: u, conn: c, context: req.Context()}
	a.stop = context.AfterFunc(a.context, a.abort)
	if req.Body == nil {
		if err := a.send(req); err != nil {
			return nil, a.fail(err)
		}
	} else {
		// Its time to answer begins once it has the request. That of the one before may still run.
		if err := c.readEnd.off(c.SetReadDeadline); err != nil {
			return nil, a.fail(fmt.Errorf("send the request: %w", err))
		}
		a.sent = make(chan error, 1)
		go func() { a.sent <- a.send(req) }()
	}
	res, err := a.receive(req)
	if err != nil {
		return nil, a.fail(err)
	}
	return res, nil
}

// exchange is one request and its answer on a connection.
type exchange struct {
	upstream *upstream
	conn     *conn
	context  context.Context //nolint:containedctx // of the request
	stop     func() bool     // has the context no longer close the connection
	sent     chan error      // tells how a request with a body was sent; nil: there is no body
	keep     bool            // the application lets the connection serve once more
	body     io.ReadCloser   // of the answer
	ended    bool            // the connection is given back, or closed
	stopped  atomic.Bool     // the answer was ended here: it is whole
}

// abort ends all that waits for the connection.
func (e *exchange) abort() { _ = e.conn.Close() }

// fail closes the connection, and says why: a request that did not come to its end is its client's doing.
func (e *exchange) fail(err error) error {
	e.giveUp()
	e.conn.mu.Lock()
	defer e.conn.mu.Unlock()
	if e.conn.unsent != nil {
		return e.conn.unsent
	}
	return err
}

// send writes the request.
func (e *exchange) send(req *http.Request) error {
	err := req.Write(e.conn.w)
	if err == nil {
		err = e.conn.w.Flush()
	}
	e.conn.mu.Lock()
	defer e.conn.mu.Unlock()
	if of, is := errors.AsType[*bodyError](err); is {
		e.conn.unsent = of
		e.abort() // the rest of it will not come
	}
	if err != nil {
		return fmt.Errorf("send the request: %w", err)
	}
	if !e.conn.answered {
		return e.conn.readEnd.move(e.upstream.answer, e.conn.SetReadDeadline)
	}
	return nil
}

// receive reads the head of the answer.
func (e *exchange) receive(req *http.Request) (*http.Response, error) {
	for range maxAnnounced {
		res, err := http.ReadResponse(e.conn.r, req)
		switch {
		case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
			return nil, errClosed
		case err != nil:
			return nil, fmt.Errorf("read the answer: %w", err)
		case res.StatusCode == http.StatusSwitchingProtocols && req.Header.Get("Upgrade") == "":
			return nil, errors.New("read the answer: it changes the protocol, and nobody asked for that")
		case res.StatusCode >= http.StatusOK || res.StatusCode == http.StatusSwitchingProtocols:
			return res, e.begun(res)
		}
	}
	return nil, errors.New("read the answer: there are too many of the kind 1xx")
}

// begun makes of an answer whose head is there one that gives the connection back.
func (e *exchange) begun(res *http.Response) error {
	c := e.conn
	c.allowed, e.keep = math.MaxInt64, !res.Close
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = true
	switches := res.StatusCode == http.StatusSwitchingProtocols
	if switches || res.ContentLength < 0 || res.ContentLength > int64(c.r.Buffered()) {
		if err := c.readEnd.off(c.SetReadDeadline); err != nil { // the rest may take as long as it likes
			return fmt.Errorf("read the answer: %w", err)
		}
	}
	switch {
	case switches:
		res.Body = &switched{exchange: e}
	case res.Body == http.NoBody:
		e.giveBack()
	default:
		e.body, res.Body = res.Body, e
	}
	return nil
}

var errClosed = errors.New("the connection was closed before the answer")

// Read implements io.Reader, for the body of the answer.
func (e *exchange) Read(p []byte) (int, error) {
	n, err := e.body.Read(p)
	if err == nil {
		return n, nil
	}
	if errors.Is(err, io.EOF) {
		e.giveBack()
		return n, io.EOF
	}
	e.giveUp()
	if e.stopped.Load() {
		return n, io.EOF
	}
	if ended := e.context.Err(); ended != nil {
		return n, ended // the application is not to blame
	}
	e.upstream.note("its answer broke off: " + err.Error())
	return n, err
}

// Close implements io.Closer, for the body of the answer.
func (e *exchange) Close() error {
	e.giveUp()
	return nil
}

// giveBack keeps the connection for the next request: the answer was whole. It is closed unless
// the request was, and nothing else has come.
func (e *exchange) giveBack() {
	if e.ended {
		return
	}
	if e.keep && e.conn.r.Buffered() == 0 && e.wasSent() && e.stop() {
		e.ended = true
		e.upstream.put(e.conn)
		return
	}
	e.giveUp()
}

// giveUp closes the connection.
func (e *exchange) giveUp() {
	if !e.ended {
		e.ended = true
		e.stop()
		e.abort()
	}
}

func (e *exchange) wasSent() bool {
	if e.sent == nil {
		return true
	}
	select {
	case err := <-e.sent:
		e.sent <- err
		return err == nil
	default:
		return false
	}
}

// switched is a connection that speaks another protocol from now on.
type switched struct{ *exchange }

// Read implements io.Reader.
func (s *switched) Read(p []byte) (int, error) { return s.conn.r.Read(p) }

// Write implements io.Writer.
func (s *switched) Write(p []byte) (int, error) { return s.conn.Write(p) }

// ReadFrom implements io.ReaderFrom. There may be thousands of websockets: each has a small buffer.
func (s *switched) ReadFrom(from io.Reader) (int64, error) { return copySmall(s, from) }

// CloseWrite tells the application that nothing more comes.
func (s *switched) CloseWrite() error {
	if half, ok := s.conn.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements io.Closer. It may be called at any time.
func (s *switched) Close() error {
	s.stop()
	return s.conn.Close()
}

package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"syscall"
	"time"
)

// An application that is being started, as after a takeover, refuses connections for a while. Requests
// wait for it, and one goroutine tries for all of them. Once that has lasted too long, each
// request finds out by itself, and at once, that there is nobody.

const (
	retryPause  = 50 * time.Millisecond
	outageFades = time.Minute // without a request: then it is waited for anew
)

// outage is a time in which the application refuses connections.
type outage struct {
	waited  chan struct{} // closed when it is over, or has lasted for the patience of requests
	refused time.Time     // when a request was refused last
}

// connect makes a new connection. It waits for an application that is being started.
func (u *upstream) connect(ctx context.Context) (*conn, error) {
	c, err := u.dial(ctx)
	if err == nil {
		u.reached()
		return c, nil
	}
	if !refuses(err) {
		return nil, err
	}
	select {
	case <-u.refused():
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return u.dial(ctx)
}

// refuses reports whether nobody listens there.
func refuses(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

func (u *upstream) reached() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.outage = nil
}

// refused notes that a request was, and returns what it waits for.
func (u *upstream) refused() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	if u.outage == nil || now.Sub(u.outage.refused) > outageFades {
		u.outage = &outage{waited: make(chan struct{})}
		go u.await(u.outage.waited)
	}
	u.outage.refused = now
	return u.outage.waited
}

// await tries to reach the application, as long as requests wait.
func (u *upstream) await(waited chan<- struct{}) {
	defer close(waited)
	ctx, cancel := context.WithTimeout(context.Background(), u.patience)
	defer cancel()
	for {
		select {
		case <-time.After(retryPause):
		case <-ctx.Done():
			return
		}
		c, err := u.dial(ctx)
		if err == nil {
			u.reached()
			u.put(c)
			return
		}
		if !refuses(err) {
			return
		}
	}
}

func (u *upstream) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, u.Network, u.Address)
	if err != nil {
		return nil, &unreachableError{err}
	}
	c := &conn{Conn: raw, raw: raw}
	if u.TLS {
		host, _, _ := net.SplitHostPort(u.Address)
		secured := tls.Client(raw, &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12})
		if err := secured.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, &unreachableError{err}
		}
		c.Conn = secured
	}
	c.r, c.w = bufio.NewReader(c), bufio.NewWriter(c)
	return c, nil
}

// unreachableError says that there is no connection to the application.
type unreachableError struct{ cause error }

// Error implements error.
func (e *unreachableError) Error() string { return e.cause.Error() }

// Unwrap leads to the cause.
func (e *unreachableError) Unwrap() error { return e.cause }

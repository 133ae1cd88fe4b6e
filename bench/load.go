package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab"
)

// load asks one server for the same thing, over connections that are kept. It does so as cheaply as it
// can, since it shares the processors with what is measured: one thread for all connections, and nothing for a
// garbage collector to do.
type load struct {
	host    *lab.Host // where server and clients are
	address string
	clients int
	lasting time.Duration
	rate    float64 // requests a second, of all clients; 0: as many as can be
}

// loaded is what came of it.
type loaded struct {
	rate float64         // answers a second
	took []time.Duration // sorted; from the moment at which a request was due
}

// percentile is the time within which so many of a hundred answers came.
func (l loaded) percentile(n int) time.Duration { return l.took[len(l.took)*n/100] }

// loading is a load under way.
type loading struct {
	load
	epoll   int
	clients []*loadClient // their numbers are those of epoll's events
	idle    []*loadClient
	began   time.Time
	sent    int
	took    []time.Duration
}

// loadClient is one connection.
type loadClient struct {
	descriptor int
	due        time.Time // when what it asks for was due
	answer     []byte    // as far as it has come
}

// mostAnswers is for how many a load has room from the start.
const mostAnswers = 1 << 17

// run asks; an answer that is not whole, or not 200, is an error.
func (l load) run(ctx context.Context) (result loaded, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return result, fmt.Errorf("ask %s: %w", l.address, err)
	}
	u := loading{load: l, epoll: epoll, took: make([]time.Duration, 0, mostAnswers)}
	defer func() { err = errors.Join(err, u.close()) }()
	for range l.clients {
		if err := u.connect(ctx); err != nil {
			return result, fmt.Errorf("ask %s: %w", l.address, err)
		}
	}
	if err := u.ask(ctx); err != nil || len(u.took) == 0 {
		return result, fmt.Errorf("ask %s: %w", l.address, errors.Join(err, ctx.Err()))
	}
	result = loaded{rate: float64(len(u.took)) / time.Since(u.began).Seconds(), took: u.took}
	slices.Sort(result.took)
	return result, nil
}

// connect makes a connection of which Go's scheduler knows nothing.
func (u *loading) connect(ctx context.Context) error {
	conn, err := u.host.DialContext(ctx, "tcp", u.address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // a second descriptor keeps it open
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	c := &loadClient{answer: make([]byte, 0, 4<<10)}
	var failed error
	if err := raw.Control(func(fd uintptr) { c.descriptor, failed = unix.Dup(int(fd)) }); err != nil || failed != nil {
		return errors.Join(err, failed)
	}
	u.clients = append(u.clients, c)
	u.idle = append(u.idle, c)
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(len(u.clients) - 1)} //nolint:gosec // some dozens
	return unix.EpollCtl(u.epoll, unix.EPOLL_CTL_ADD, c.descriptor, &event)
}

func (u *loading) close() error {
	failed := unix.Close(u.epoll)
	for _, c := range u.clients {
		failed = errors.Join(failed, unix.Close(c.descriptor))
	}
	return failed
}

// ask has the clients ask until the time is over and all have their answers.
func (u *loading) ask(ctx context.Context) error {
	events := make([]unix.EpollEvent, len(u.clients))
	for u.began = time.Now(); ctx.Err() == nil; {
		if err := u.send(); err != nil {
			return err
		}
		if len(u.idle) == len(u.clients) && time.Since(u.began) > u.lasting {
			return nil
		}
		n, err := unix.EpollWait(u.epoll, events, 1) // a millisecond: so late may what is due be sent
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, event := range events[:max(n, 0)] {
			if err := u.receive(u.clients[event.Fd]); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// send sends what is due, as long as a client has nothing to wait for.
func (u *loading) send() error {
	for now := time.Now(); len(u.idle) > 0; u.sent++ {
		due := now
		if u.rate > 0 {
			due = u.began.Add(time.Duration(float64(u.sent+1) / u.rate * float64(time.Second)))
		}
		if due.After(now) || due.Sub(u.began) > u.lasting {
			return nil
		}
		c := u.idle[len(u.idle)-1]
		u.idle = u.idle[:len(u.idle)-1]
		c.due = due
		if _, err := unix.Write(c.descriptor, []byte(loadRequest)); err != nil {
			return err
		}
	}
	return nil
}

// receive reads what has come for a client.
func (u *loading) receive(c *loadClient) error {
	whole, err := c.read()
	if whole {
		u.took, u.idle = append(u.took, time.Since(c.due)), append(u.idle, c)
	}
	return err
}

const loadRequest = "GET /page?n=1 HTTP/1.1\r\nHost: site.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html,*/*\r\nAccept-Encoding: gzip\r\nCookie: session=0123456789abcdef\r\n\r\n"

// read reads what has come, and reports whether that was the rest of an answer.
func (c *loadClient) read() (whole bool, err error) {
	n, err := unix.Read(c.descriptor, c.answer[len(c.answer):cap(c.answer)])
	if err != nil || n == 0 {
		return false, errors.Join(errors.New("a connection ended"), err)
	}
	c.answer = c.answer[:len(c.answer)+n]
	head, body, whole := bytes.Cut(c.answer, []byte("\r\n\r\n"))
	if !whole {
		return false, nil
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) {
		return false, fmt.Errorf("answered %q", head)
	}
	_, text, _ := bytes.Cut(head, []byte("\r\nContent-Length: "))
	text, _, _ = bytes.Cut(text, []byte("\r\n"))
	length, err := strconv.Atoi(string(text))
	if err != nil {
		return false, fmt.Errorf("an answer without a length: %q", head)
	}
	if whole = len(body) == length; whole {
		c.answer = c.answer[:0]
	}
	return whole, nil
}

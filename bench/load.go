package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"baton/internal/lab"
)

// load asks one server for the same thing, over connections that are kept.
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

// run asks; an answer that is not whole, or not 200, is an error.
func (l load) run(ctx context.Context) (result loaded, err error) {
	var clients sync.WaitGroup
	var mu sync.Mutex // guards result and err
	var due atomic.Int64
	began := time.Now()
	for range l.clients {
		clients.Go(func() {
			took, failed := l.client(ctx, began, &due)
			mu.Lock()
			defer mu.Unlock()
			result.took = append(result.took, took...)
			err = errors.Join(err, failed)
		})
	}
	clients.Wait()
	if err != nil || len(result.took) == 0 {
		return result, fmt.Errorf("ask %s: %w", l.address, errors.Join(err, ctx.Err()))
	}
	result.rate = float64(len(result.took)) / time.Since(began).Seconds()
	slices.Sort(result.took)
	return result, nil
}

// client asks on one connection. Due counts the requests that were due, of all clients.
func (l load) client(ctx context.Context, began time.Time, due *atomic.Int64) (took []time.Duration, err error) {
	conn, err := l.host.DialContext(ctx, "tcp", l.address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	answers := bufio.NewReader(conn)
	for at := time.Now(); ctx.Err() == nil; at = time.Now() {
		if l.rate > 0 {
			at = began.Add(time.Duration(float64(due.Add(1)) / l.rate * float64(time.Second)))
			time.Sleep(time.Until(at))
		}
		if at.Sub(began) > l.lasting {
			break
		}
		if err := ask(conn, answers); err != nil {
			return took, err
		}
		took = append(took, time.Since(at))
	}
	return took, nil
}

// ask does it as cheaply as it can: the client must not be what is measured.
func ask(conn net.Conn, answers *bufio.Reader) error {
	const request = "GET /page?n=1 HTTP/1.1\r\nHost: site.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: text/html,*/*\r\nAccept-Encoding: gzip\r\nCookie: session=0123456789abcdef\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		return err
	}
	length := -1
	for first := true; ; first = false {
		line, err := answers.ReadSlice('\n')
		if err != nil {
			return err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		switch {
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			return fmt.Errorf("answered %q", line)
		case len(name) == 0:
			if length < 0 {
				return errors.New("an answer without a length")
			}
			_, err := answers.Discard(length)
			return err
		case bytes.EqualFold(name, []byte(http.CanonicalHeaderKey("Content-Length"))):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
}

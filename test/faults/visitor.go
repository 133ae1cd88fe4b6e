package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"baton/internal/lab"
)

// The visitor's pace.
const (
	visitEvery   = 15 * time.Millisecond
	visitTimeout = 500 * time.Millisecond // as long as an answer may take
	visitsAtOnce = 64
)

// visit is a request that was answered: its number is on a disk.
type visit struct {
	file   int    // the round's number: the file it was written to
	number uint64 // the request's own
	host   string // who answered
	taken  time.Time
	done   time.Time
}

// visitor sends numbered requests to the shared IP, each on a new connection.
type visitor struct {
	from   *lab.Host
	target netip.AddrPort
	file   atomic.Int64 // the round that is on

	mu       sync.Mutex
	answered []visit
	failures []string // why requests had no answer, since the last take
	latest   visit
}

// run asks until ctx ends, then waits for the requests that are under way.
func (v *visitor) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(visitEvery)
	defer tick.Stop()
	places := make(chan struct{}, visitsAtOnce)
	for number := uint64(1); ; number++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		select {
		case places <- struct{}{}:
			wg.Go(func() {
				v.visit(ctx, number)
				<-places
			})
		default:
		}
	}
}

func (v *visitor) visit(ctx context.Context, number uint64) {
	ctx, cancel := context.WithTimeout(ctx, visitTimeout)
	defer cancel()
	one := visit{file: int(v.file.Load()), number: number}
	err := v.ask(ctx, &one)
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		v.failures = append(v.failures, fmt.Sprintf("request %d: %v", number, err))
		return
	}
	v.answered = append(v.answered, one)
	v.latest = one
}

// ask makes one request on a connection of its own.
func (v *visitor) ask(ctx context.Context, one *visit) error {
	conn, err := v.from.DialContext(ctx, "tcp", v.target.String())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := fmt.Fprintf(conn, "POST /%d/%d HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", one.file, one.number, v.target); err != nil {
		return fmt.Errorf("send the request: %w", err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		return fmt.Errorf("read the answer's body: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answered with status %d", answer.StatusCode)
	}
	nanos, err := strconv.ParseInt(answer.Header.Get(takenHeader), 10, 64)
	if err != nil {
		return fmt.Errorf("read when the request was taken: %w", err)
	}
	one.host, one.taken, one.done = answer.Header.Get(lab.ApplianceHeader), time.Unix(0, nanos), time.Now()
	return nil
}

// begin opens a new round: requests from now on go to its file.
func (v *visitor) begin(round int) { v.file.Store(int64(round)) }

// take hands over what was answered since the last time.
func (v *visitor) take() (answered []visit, failures []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	answered, failures = v.answered, v.failures
	v.answered, v.failures = nil, nil
	return answered, failures
}

// last is the request that was answered last.
func (v *visitor) last() visit {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.latest
}

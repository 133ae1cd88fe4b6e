package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"baton/internal/peer/wire"
)

// cable is a TCP proxy that can be pulled: it then takes connections and bytes
// and delivers nothing, and what it swallowed never arrives.
type cable struct {
	address string
	target  string

	mu     sync.Mutex
	pulled bool
	pulls  int        // so far: a connection that lived through one is dead
	lost   []net.Conn // that lived through a pull: they stay dead
	taken  int
}

func newCable(t *testing.T, target string) *cable {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{address: listener.Addr().String(), target: target}
	t.Cleanup(func() {
		_ = listener.Close()
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, conn := range c.lost {
			_ = conn.Close()
		}
	})
	go func() {
		for {
			left, err := listener.Accept()
			if err != nil {
				return
			}
			c.mu.Lock()
			c.taken++
			c.lost = append(c.lost, left)
			pulled := c.pulled
			c.mu.Unlock()
			if pulled {
				continue // never answered, also not when the cable is back
			}
			right, err := net.Dial("tcp", target)
			if err != nil {
				_ = left.Close()
				continue
			}
			go c.carry(left, right)
			go c.carry(right, left)
		}
	}()
	return c
}

func (c *cable) carry(to, from net.Conn) {
	defer func() { _ = to.Close() }()
	buffer := make([]byte, 64<<10)
	since := c.pullsSoFar()
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if c.pullsSoFar() != since {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func (c *cable) set(pulled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pulled = pulled
	if pulled {
		c.pulls++
	}
}

func (c *cable) pullsSoFar() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pulls
}

func TestContactIsBackSoonAfterTheCable(t *testing.T) {
	t.Parallel()
	alpha, beta := pairOf(t)
	wire := newCable(t, alpha.address)
	if err := beta.vault.change(func(s *Secrets) error { s.Peer.Addresses = []string{wire.address}; return nil }); err != nil {
		t.Fatal(err)
	}
	beta.control.reset()
	if err := beta.poll(t, time.Second); err != nil {
		t.Fatal(err)
	}
	wire.set(true)
	for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err := beta.poll(t, 50*time.Millisecond); !errors.Is(err, ErrUnreachable) {
			t.Fatalf("poll through a pulled cable: %v", err)
		}
	}
	wire.mu.Lock()
	taken := wire.taken
	wire.mu.Unlock()
	if taken > 15 {
		t.Errorf("%d connections in 1.5 s", taken)
	}
	wire.set(false)
	start := time.Now()
	for beta.poll(t, 50*time.Millisecond) != nil {
		time.Sleep(5 * time.Millisecond)
	}
	if took := time.Since(start); took > 300*time.Millisecond {
		t.Errorf("contact after %v", took)
	} else {
		t.Logf("contact after %v", took)
	}
}

// After a power cut of the peer both connections are dead, and only polls notice
// by themselves.
func TestIdleBulkConnectionIsLeftWhenPollsFail(t *testing.T) {
	t.Parallel()
	alpha, beta := pairOf(t)
	alpha.Handle("POST /peer/v1/nothing", Serve(func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil }))
	ask := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := Call[struct{}, struct{}](ctx, beta.Bulk(), "/peer/v1/nothing", struct{}{})
		return err
	}
	line := newCable(t, alpha.address)
	if err := beta.vault.change(func(s *Secrets) error { s.Peer.Addresses = []string{line.address}; return nil }); err != nil {
		t.Fatal(err)
	}
	beta.control.reset()
	beta.bulk.reset()
	if err := errors.Join(beta.poll(t, time.Second), ask()); err != nil {
		t.Fatal(err)
	}
	line.set(true)
	if err := beta.poll(t, 100*time.Millisecond); !errors.Is(err, ErrUnreachable) {
		t.Fatalf("poll through a pulled cable: %v", err)
	}
	line.set(false)
	if err := ask(); err != nil {
		t.Errorf("first request after the cable: %v", err)
	}
}

func TestPollsDoNotWaitBehindData(t *testing.T) {
	alpha, beta := pairOf(t)
	_ = alpha
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://peer/peer/v1/zeroes", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := beta.Bulk().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if err := beta.poll(t, time.Second); err != nil { // opens the control connection
		t.Fatal(err)
	}
	start := time.Now()
	polls := 0
	go func() { _, _ = io.Copy(io.Discard, response.Body); cancel() }()
	var slowest time.Duration
	for ctx.Err() == nil {
		began := time.Now()
		if err := beta.poll(t, time.Second); err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(began))
		polls++
		time.Sleep(5 * time.Millisecond)
	}
	t.Logf("256 MiB in %v, %d polls meanwhile, slowest %v", time.Since(start), polls, slowest)
}

func TestLongRequestSurvivesAMissedPoll(t *testing.T) {
	alpha, beta := pairOf(t)
	release := make(chan struct{})
	alpha.Handle("POST /peer/v1/slow", Serve(func(ctx context.Context, _ struct{}) (struct{}, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return struct{}{}, ctx.Err()
	}))
	long := make(chan error, 1)
	go func() {
		_, err := Call[struct{}, struct{}](t.Context(), beta.Control(), "/peer/v1/slow", struct{}{})
		long <- err
	}()
	eventually(t, "connected", func() bool { return beta.poll(t, time.Second) == nil })
	short, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := Call[struct{}, struct{}](short, beta.Control(), "/peer/v1/slow", struct{}{}); !errors.Is(err, ErrUnreachable) {
		t.Fatalf("got %v", err)
	}
	if err := beta.poll(t, time.Second); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * pace) // beyond the moment at which an idle connection is closed
	close(release)
	if err := <-long; err != nil {
		t.Errorf("the long request: %v", err)
	}
}

func TestProblemsKeepTheirCode(t *testing.T) {
	alpha, beta := pairOf(t)
	alpha.Handle("POST /peer/v1/refuse", Serve(func(context.Context, struct{}) (struct{}, error) {
		return struct{}{}, &RemoteError{Code: "no-room", Text: "There is no room."}
	}))
	_, err := Call[struct{}, struct{}](t.Context(), beta.Control(), "/peer/v1/refuse", struct{}{})
	if told, ok := errors.AsType[*RemoteError](err); !ok || told.Code != "no-room" || told.Text != "There is no room." {
		t.Errorf("got %v", err)
	}
	_, err = Call[wire.Poll, wire.Answer](t.Context(), beta.Control(), "/peer/v1/poll", wire.Poll{Version: 2})
	if !errors.Is(err, ErrVersion) {
		t.Errorf("a poll of another version: %v", err)
	}
	_, err = Call[string, struct{}](t.Context(), beta.Control(), "/peer/v1/poll", string(make([]byte, 2*maxBody)))
	if err == nil {
		t.Error("an oversized call was taken")
	}
	if err := beta.poll(t, time.Second); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

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

	"baton/internal/peer/channel"
	"baton/internal/peer/wire"
)

// cable is a TCP proxy that can be pulled: it then takes connections and bytes
// and delivers nothing, and what it swallowed never arrives.
type cable struct {
	address string
	target  string

	mu     sync.Mutex
	resets bool // the machine behind it says that it knows no connection from before a pull
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
	buffer := make([]byte, 64<<10)
	since := c.pullsSoFar()
	for {
		n, err := from.Read(buffer)
		dead := c.pullsSoFar() != since
		switch {
		case err != nil && dead:
			return // no farewell arrives either
		case dead && c.resetsNow():
			_ = from.(*net.TCPConn).SetLinger(0)
			_ = from.Close()
			return
		case dead:
			continue
		}
		if err == nil {
			_, err = to.Write(buffer[:n])
		}
		if err != nil {
			_ = to.Close()
			return
		}
	}
}

func (c *cable) resetsNow() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resets && !c.pulled
}

func (c *cable) set(pulled bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pulled = pulled
	if pulled {
		c.pulls++
	}
}

func (c *cable) takenSoFar() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.taken
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
	beta.control.Reset()
	if err := beta.poll(t, time.Second); err != nil {
		t.Fatal(err)
	}
	least := time.Hour
	for range 3 { // a busy machine may be late, but not every time
		wire.set(true)
		before := wire.takenSoFar()
		for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if err := beta.poll(t, 50*time.Millisecond); !errors.Is(err, ErrUnreachable) {
				t.Fatalf("poll through a pulled cable: %v", err)
			}
		}
		if taken := wire.takenSoFar() - before; taken > 15 {
			t.Errorf("%d connections in 1.5 s", taken)
		}
		wire.set(false)
		start := time.Now()
		for beta.poll(t, 50*time.Millisecond) != nil {
			time.Sleep(5 * time.Millisecond)
		}
		took := time.Since(start)
		t.Logf("contact after %v", took)
		if least = min(least, took); least <= 300*time.Millisecond {
			return
		}
	}
	t.Errorf("contact after %v at best", least)
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
	beta.control.Reset()
	beta.bulk.Reset()
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

// cutPower has a machine lose its power behind its cable, and start again.
func (a *appliance) cutPower(t *testing.T, line *cable) {
	t.Helper()
	line.set(true)
	a.stop()
	a.start(t, a.address)
	line.set(false)
}

// behind puts a cable between an appliance and its peer.
func (a *appliance) behind(t *testing.T, target string) *cable {
	t.Helper()
	line := newCable(t, target)
	if err := a.vault.change(func(s *Secrets) error { s.Peer.Addresses = []string{line.address}; return nil }); err != nil {
		t.Fatal(err)
	}
	a.control.Reset()
	a.bulk.Reset()
	return line
}

const echoPath = "/peer/v1/echo"

func (a *appliance) echoes() {
	a.Handle("POST "+echoPath, Serve(func(_ context.Context, word string) (string, error) { return word, nil }))
}

// echo asks the peer over the bulk connection.
func (a *appliance) echo(t *testing.T) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := Call[string, string](ctx, a.Bulk(), echoPath, "?")
	return err
}

// A machine that lost its power has closed no connection. Once it is met again,
// in a new life, whoever waits on an old one is told, and nobody uses it any more.
func TestConnectionsToAFormerLifeAreLeft(t *testing.T) {
	t.Parallel()
	for name, polling := range map[string]func(alpha, beta *appliance) *appliance{
		"by a poll of ours":    func(_, beta *appliance) *appliance { return beta },
		"by a poll of its own": func(alpha, _ *appliance) *appliance { return alpha },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alpha, beta := pairOf(t)
			line := beta.behind(t, alpha.address)
			asked := make(chan struct{}, 2)
			never := func() {
				alpha.Handle("POST /peer/v1/never", Serve(func(ctx context.Context, _ struct{}) (struct{}, error) {
					asked <- struct{}{}
					<-ctx.Done()
					return struct{}{}, ctx.Err()
				}))
			}
			never()
			told := make(chan error, 1)
			go func() {
				_, err := Call[struct{}, struct{}](t.Context(), beta.Bulk(), "/peer/v1/never", struct{}{})
				told <- err
			}()
			<-asked
			alpha.cutPower(t, line)
			alpha.echoes()
			never()
			eventually(t, "they meet", func() bool { return polling(alpha, beta).poll(t, time.Second) == nil })
			if err := beta.echo(t); err != nil {
				t.Errorf("first request of the new life: %v", err)
			}
			select {
			case err := <-told:
				if !errors.As(err, new(channel.RestartedError)) || !errors.Is(err, ErrUnreachable) {
					t.Errorf("who waited is told: %v", err)
				}
			case <-time.After(10 * time.Second): // pings would need 20 s
				t.Error("who waited is not told")
			}
			if len(asked) > 0 {
				t.Error("what the former life was asked is asked again")
			}
		})
	}
}

// The machine is back, and nobody has met it yet: its kernel resets what stands on
// the old life, which cannot have got a request that is younger than the new one.
func TestRequestAfterAPowerCutIsMadeAgain(t *testing.T) {
	t.Parallel()
	alpha, beta := pairOf(t)
	alpha.echoes()
	line := beta.behind(t, alpha.address)
	line.mu.Lock()
	line.resets = true
	line.mu.Unlock()
	if err := beta.echo(t); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 5 { // a busy machine may take longer for a connection than a request waits for it
		alpha.cutPower(t, line)
		alpha.echoes()
		time.Sleep(time.Second) // the new life gets older than what its greeting may take
		if err = beta.echo(t); err == nil {
			return
		}
	}
	t.Errorf("first request after the power cut: %v", err)
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
	time.Sleep(400 * time.Millisecond) // beyond the moment at which an idle connection is closed
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
	_, err = Call[map[string]int, wire.Answer](t.Context(), beta.Control(), "/peer/v1/poll", map[string]int{"version": 2})
	if !errors.Is(err, ErrVersion) {
		t.Errorf("a poll of another version: %v", err)
	}
	if _, err = Call[struct{}, struct{}](t.Context(), beta.Control(), "/peer/v1/of-another-version", struct{}{}); !errors.Is(err, ErrNotKnownThere) {
		t.Errorf("a call that only another version knows: %v", err)
	}
	_, err = Call[string, struct{}](t.Context(), beta.Control(), "/peer/v1/poll", string(make([]byte, 2*maxBody)))
	if err == nil {
		t.Error("an oversized call was taken")
	}
	if err := beta.poll(t, time.Second); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

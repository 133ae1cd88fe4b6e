package front

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newFront() *Front { return frontOf(http.HandlerFunc(home)) }

func frontOf(site http.Handler) *Front {
	return New("alpha", site, maxHold, slog.New(slog.DiscardHandler))
}

// home is a site of one page.
func home(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<h1>home</h1>") }

// deadlines is a writer that knows deadlines for reading.
type deadlines struct {
	*httptest.ResponseRecorder

	until time.Time
}

func (d *deadlines) SetReadDeadline(until time.Time) error { d.until = until; return nil }

// The body of a request that is turned away is not waited for, and one that passes is the site's.
func TestABodyThatNobodyReadsIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	f := newFront()
	post := func() time.Time {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		f.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("slow")))
		return w.until
	}
	if until := post(); until.IsZero() || time.Until(until) > headerTimeout {
		t.Errorf("waited for until %v", until)
	}
	f.Open()
	if until := post(); !until.IsZero() {
		t.Errorf("the site has only until %v to read", until)
	}
}

// The site behind a door that is not open is not asked, and behind an open one it is in the
// name of the appliance.
func TestOnlyAnOpenDoorLeadsToTheSite(t *testing.T) {
	t.Parallel()
	asked := 0
	f := frontOf(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	for _, want := range []int{0, 1} {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		if got := w.Header().Get("X-Baton-Appliance"); asked != want || got != "alpha" {
			t.Errorf("asked %d times, want %d, by %q", asked, want, got)
		}
		f.Open()
	}
	if running(f) != 0 {
		t.Errorf("%d run", running(f))
	}
}

func TestClosedGateTurnsAwayWithOneSentence(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	newFront().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	body := strings.TrimSpace(w.Body.String())
	if w.Code != http.StatusServiceUnavailable || !strings.HasPrefix(body, "This appliance is not the primary") || strings.Contains(body, "\n") {
		t.Errorf("%d %q", w.Code, body)
	}
}

// serving runs a front on a loopback listener until the test ends.
func serving(t *testing.T) (f *Front, address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f = newFront()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f.Serve(ctx, listener); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return f, listener.Addr().String()
}

// dial opens a connection and returns a function that asks on it.
func dial(t *testing.T, address string) (answers *bufio.Reader, ask func()) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(conn), func() {
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: site\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
}

func status(t *testing.T, answers *bufio.Reader) int {
	t.Helper()
	response, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

func TestIdleConnectionsAreClosedWithTheGate(t *testing.T) {
	t.Parallel()
	f, address := serving(t)
	f.Open()
	answers, ask := dial(t, address)
	for range 2 { // the connection is kept while the gate is open
		ask()
		if got := status(t, answers); got != http.StatusOK {
			t.Fatalf("status %d", got)
		}
	}
	begun := time.Now()
	f.Close()
	if _, err := answers.ReadByte(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after Close: %v, want the connection closed", err)
	}
	if took := time.Since(begun); took > 4*time.Second { // what dial waits at most is 5 s
		t.Errorf("closed only after %s", took)
	}
}

func TestHeldRequestIsAnsweredOrCutOff(t *testing.T) {
	t.Parallel()
	f, address := serving(t)
	hold(t, f)
	answers, ask := dial(t, address)
	ask()
	untilHeld(t, f, 1)
	f.Open()
	if got := status(t, answers); got != http.StatusOK {
		t.Errorf("held, then open: status %d", got)
	}
	hold(t, f)
	ask()
	untilHeld(t, f, 1)
	f.Close()
	if b, err := answers.ReadByte(); err == nil {
		t.Errorf("held, then closed: answered %q, want the connection closed", b)
	}
}

// hold holds requests at a front where none run.
func hold(t *testing.T, f *Front) {
	t.Helper()
	if err := f.Hold(t.Context()); err != nil {
		t.Error(err)
	}
}

func untilHeld(t *testing.T, f *Front, count int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		f.gate.mu.Lock()
		held := f.gate.held
		f.gate.mu.Unlock()
		if held == count {
			return
		}
	}
	t.Fatalf("never %d requests held", count)
}

// Once the shared IP is off nothing reaches a client, so the answers leave before.
func TestHeldRequestsAreAnsweredWhenTheyAreDismissed(t *testing.T) {
	t.Parallel()
	f, address := serving(t)
	hold(t, f)
	const clients = 50
	var answered sync.WaitGroup
	for range clients {
		answers, ask := dial(t, address)
		ask()
		answered.Go(func() {
			response, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = response.Body.Close() }()
			if response.StatusCode != http.StatusServiceUnavailable || response.Header.Get("Retry-After") == "" {
				t.Errorf("status %d, headers %v", response.StatusCode, response.Header)
			}
		})
	}
	untilHeld(t, f, clients)
	f.Dismiss(t.Context())
	if f.gate.held != 0 {
		t.Errorf("%d requests are still held", f.gate.held)
	}
	answered.Wait()
	f.Close()
}

// A client that does not take its answer keeps nobody waiting for long.
func TestDismissEndsWithItsContext(t *testing.T) {
	t.Parallel()
	g := newGate(maxHold)
	g.move(holding)
	done := make(chan verdict)
	go func() { done <- g.enter(t.Context()) }()
	f := &Front{gate: g, log: slog.New(slog.DiscardHandler)}
	untilHeld(t, f, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	f.Dismiss(ctx)
	if got := <-done; got != dismiss {
		t.Errorf("verdict %d", got)
	}
}

func TestHoldWaitsForRunningRequests(t *testing.T) {
	t.Parallel()
	f := newFront()
	f.Open()
	if err := f.Hold(t.Context()); err != nil {
		t.Errorf("nothing runs: %v", err)
	}
	f.Open()
	if got := f.gate.enter(t.Context()); got != pass { // a request that runs
		t.Fatalf("verdict %d", got)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := f.Hold(short); !errors.Is(err, RunningError(1)) || err.Error() != "1 request still runs" {
		t.Errorf("one runs: %v", err)
	}
	time.AfterFunc(10*time.Millisecond, f.gate.leave)
	if err := f.Hold(t.Context()); err != nil || running(f) != 0 {
		t.Errorf("%v, %d run", err, running(f))
	}
}

// running is how many requests have been let in and have not ended.
func running(f *Front) int {
	count, _ := f.gate.running()
	return count
}

func TestServeEndsWithItsContextAndCutsOffWhoIsHeld(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFront()
	hold(t, f)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(ctx, listener) }()
	answers, ask := dial(t, listener.Addr().String())
	ask()
	untilHeld(t, f, 1)
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(3 * time.Second):
		t.Fatal("Serve does not end")
	}
	if _, err := answers.ReadByte(); err == nil {
		t.Error("held request answered")
	}
}

// A client that has connected before Serve ends, and asks only now, has its answer.
func TestAClientThatIsInHasItsAnswerWhenServeEnds(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFront()
	f.Open()
	ctx, end := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- f.Serve(ctx, listener) }()
	answers, ask := dial(t, listener.Addr().String())
	for open := 0; open == 0; time.Sleep(time.Millisecond) {
		f.conns.mu.Lock()
		open = len(f.conns.all)
		f.conns.mu.Unlock()
	}
	end()
	time.Sleep(20 * time.Millisecond) // Serve is about to end
	ask()
	if got := status(t, answers); got != http.StatusOK {
		t.Errorf("status %d", got)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

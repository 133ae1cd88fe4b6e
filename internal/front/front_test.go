package front

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
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
	if count(f) != 0 {
		t.Errorf("%d run", count(f))
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

// A server that asks this door among others, as the console's, keeps its connections: they may be the peer's.
func TestIdleConnectionsOfAnotherServerStay(t *testing.T) {
	t.Parallel()
	f, server := served(t, answering("hello"))
	f.Open()
	answers, ask := dial(t, server.Listener.Addr().String())
	ask()
	if got := status(t, answers); got != http.StatusOK {
		t.Fatalf("status %d", got)
	}
	f.Close()
	ask()
	if got := status(t, answers); got != http.StatusServiceUnavailable {
		t.Errorf("status %d", got)
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
	go func() { done <- enter(t.Context(), g) }()
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
	running := &answer{cut: func() {}}
	if got := f.gate.enter(t.Context(), running, nil); got != pass { // a request that runs
		t.Fatalf("verdict %d", got)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := f.Hold(short); !errors.Is(err, RunningError(1)) || err.Error() != "1 request still runs" {
		t.Errorf("one runs: %v", err)
	}
	time.AfterFunc(10*time.Millisecond, func() { f.gate.leave(running) })
	if err := f.Hold(t.Context()); err != nil || count(f) != 0 {
		t.Errorf("%v, %d run", err, count(f))
	}
}

// count is how many requests have been let in and have not ended.
func count(f *Front) int {
	n, _, _ := f.gate.running()
	return n
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

func TestARequestWithThousandsOfHeadersIsRefused(t *testing.T) {
	t.Parallel()
	f := newFront()
	f.Open()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for i := range maxFields {
		r.Header.Set(fmt.Sprintf("X-%d", i), "1")
	}
	for _, want := range []int{http.StatusOK, http.StatusRequestHeaderFieldsTooLarge} {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%d headers: %d", len(r.Header), w.Code)
		}
		r.Header.Set("One-More", "1")
	}
}

// Who is answered during a hold, and who was held, is asked to connect anew: the next request
// is another appliance's, maybe.
func TestAHoldAsksClientsToConnectAnew(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			running, finish := make(chan struct{}), make(chan struct{})
			f := frontOf(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					running <- struct{}{}
					<-finish
				}
				home(w, r)
			}))
			f.Open()
			server := httptest.NewUnstartedServer(f)
			f.Attach(server.Config)
			server.EnableHTTP2 = true
			server.StartTLS()
			t.Cleanup(server.Close)
			conns := map[string]bool{}
			get := func(path string) (connectAnew bool) {
				trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) { conns[info.Conn.LocalAddr().String()] = true }}
				r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, server.URL+path, http.NoBody)
				if err != nil {
					t.Error(err)
					return false
				}
				client := server.Client()
				if protocol == "HTTP/1.1" {
					client.Transport.(*http.Transport).ForceAttemptHTTP2 = false
					client.Transport.(*http.Transport).TLSClientConfig.NextProtos = []string{"http/1.1"}
				}
				res, err := client.Do(r)
				if err != nil || res.StatusCode != http.StatusOK || res.Proto != protocol {
					t.Error(err, res)
					return false
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
				return res.Close
			}
			get("/")
			if anew := get("/"); anew || len(conns) != 1 {
				t.Errorf("an open door: to connect anew %v, %d connections", anew, len(conns))
			}
			answered, held := make(chan bool), make(chan error, 1)
			go func() { answered <- get("/slow") }()
			<-running
			go func() { held <- f.Hold(t.Context()) }()
			for f.gate.isOpen.Load() {
				time.Sleep(time.Millisecond)
			}
			close(finish)
			if anew := <-answered; !anew && protocol == "HTTP/1.1" {
				t.Error("a request that ran: it is not asked to connect anew")
			}
			if err := <-held; err != nil {
				t.Error(err)
			}
			go func() { answered <- get("/") }()
			untilHeld(t, f, 1)
			f.Open()
			<-answered
			if len(conns) != 2 {
				t.Errorf("%d connections, want a second one after the hold", len(conns))
			}
		})
	}
}

// What is cut off by a hold that gives up is told by its context, and answers nobody any more.
func TestWhatStillRunsWhenAHoldGivesUpIsCutOff(t *testing.T) {
	t.Parallel()
	running, ended := make(chan struct{}), make(chan struct{})
	f := frontOf(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(running)
		<-r.Context().Done()
		close(ended)
	}))
	f.Open()
	go servedOrCut(f) // on no connection of its own
	<-running
	calledOff, callOff := context.WithCancel(t.Context())
	callOff()
	f.Open()
	_ = f.Hold(calledOff)
	select {
	case <-ended:
		t.Error("cut off by a hold that was called off")
	case <-time.After(10 * time.Millisecond):
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := f.Hold(short); !errors.Is(err, RunningError(1)) {
		t.Error(err)
	}
	<-ended
}

// Endless answers are counted apart, told to end, and cut off where they do not.
func TestAHoldEndsWhatDoesNotEndByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		obeys := make(chan bool, 1)
		f := frontOf(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			ending := Endless(r.Context())
			if Endless(r.Context()) != ending { // once is enough
				t.Error("another end")
			}
			<-ending
			if !<-obeys {
				<-r.Context().Done()
			}
		}))
		for wait, obeyed := range map[time.Duration]bool{0: true, endlessTime: false} {
			obeys <- obeyed
			f.Open()
			go servedOrCut(f)
			synctest.Wait()
			if n, endless, _ := f.gate.running(); n != 0 || endless != 1 {
				t.Errorf("%d run, %d without end", n, endless)
			}
			began := time.Now()
			if err := f.Hold(t.Context()); err != nil || time.Since(began) > wait+2*drainPause || time.Since(began) < wait {
				t.Errorf("obeyed %v: %v after %s", obeyed, err, time.Since(began))
			}
			synctest.Wait()
			if n, endless, _ := f.gate.running(); n != 0 || endless != 0 {
				t.Errorf("%d run, %d without end", n, endless)
			}
		}
	})
	if Endless(t.Context()) != nil {
		t.Error("a request through no door is to end")
	}
}

// servedOrCut asks a door as net/http does, which takes an aborted handler.
func servedOrCut(f *Front) {
	defer func() {
		if got := recover(); got != nil && got != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
			panic(got)
		}
	}()
	f.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
}

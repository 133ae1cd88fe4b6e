package front

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// served starts a door on a server, which asks site.
func served(t *testing.T, site http.Handler) (*Front, *httptest.Server) {
	t.Helper()
	f := New("alpha", site, 5*time.Second, slog.New(slog.DiscardHandler))
	server := httptest.NewUnstartedServer(f)
	f.Attach(server.Config)
	server.Start()
	t.Cleanup(server.Close)
	return f, server
}

func answering(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, text) })
}

// What is held is answered by the peer, and so is what comes afterwards; each answer asks the
// client to close.
func TestThePeerAnswersWhatIsHeld(t *testing.T) {
	f, server := served(t, answering("from here"))
	f.Open()
	if err := f.Hold(t.Context()); err != nil {
		t.Fatal(err)
	}
	var asking sync.WaitGroup
	ask := func() {
		answer, err := http.Get(server.URL)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		text, _ := io.ReadAll(answer.Body)
		if by := answer.Header[applianceHeader]; string(text) != "from the peer" || !answer.Close || len(by) > 0 {
			t.Errorf("answered %q by %v, last on its connection: %t", text, by, answer.Close)
		}
	}
	for range 20 {
		asking.Go(ask)
	}
	for deadline := time.Now().Add(5 * time.Second); waiting(f) < 20 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	f.PassOn(t.Context(), answering("from the peer"))
	asking.Go(ask)
	asking.Wait()
	if err := f.Empty(t.Context()); err != nil {
		t.Error(err)
	}
}

// An answer that takes longer than all the time there is, is counted; one that ends is waited for.
func TestEmptyWaitsForThePeersAnswers(t *testing.T) {
	f, server := served(t, answering("from here"))
	f.Open()
	_ = f.Hold(t.Context())
	release, began := make(chan struct{}), make(chan struct{}, 1)
	f.PassOn(t.Context(), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "late")
	}))
	got := make(chan string, 1)
	go func() {
		answer, err := http.Get(server.URL)
		if err != nil {
			got <- err.Error()
			return
		}
		defer func() { _ = answer.Body.Close() }()
		text, _ := io.ReadAll(answer.Body)
		got <- string(text)
	}()
	<-began
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := f.Empty(short); !errors.Is(err, RunningError(1)) {
		t.Errorf("Empty = %v while an answer is under way", err)
	}
	time.AfterFunc(50*time.Millisecond, func() { close(release) })
	if err := f.Empty(t.Context()); err != nil {
		t.Error(err)
	}
	if text := <-got; text != "late" {
		t.Errorf("the client got %q", text)
	}
}

// A connection that would become something else than requests is told to try again.
func TestAnUpgradeIsNotPassedOn(t *testing.T) {
	f, server := served(t, answering("from here"))
	f.Open()
	_ = f.Hold(t.Context())
	f.PassOn(t.Context(), answering("from the peer"))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "websocket")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("answered %s", answer.Status)
	}
}

// waiting is how many requests are held.
func waiting(f *Front) int {
	f.gate.mu.Lock()
	defer f.gate.mu.Unlock()
	return f.gate.held
}

// A browser that waits for events gets a stream that has ended: it connects anew to that, and
// would not after a refusal.
func TestAnEventStreamThatWasHeldIsToldToConnectAnew(t *testing.T) {
	f, server := served(t, answering("from here"))
	ask := func() (string, string) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", "text/event-stream")
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		text, _ := io.ReadAll(answer.Body)
		return answer.Status, string(text)
	}
	if status, _ := ask(); status != "503 Service Unavailable" {
		t.Errorf("a closed door: %s", status)
	}
	f.Open()
	_ = f.Hold(t.Context())
	f.PassOn(t.Context(), answering("from the peer"))
	if status, text := ask(); status != "200 OK" || text != "retry: 1000\n\n" {
		t.Errorf("passed on: %s %q", status, text)
	}
	f.Dismiss(t.Context())
	if status, text := ask(); status != "200 OK" || text != "retry: 1000\n\n" {
		t.Errorf("dismissed: %s %q", status, text)
	}
}

// What is passed on may rest between two pieces: its client takes all that there is.
func TestAnAnswerThatIsPassedOnMayRest(t *testing.T) {
	peer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first ")
		_ = http.NewResponseController(w).Flush()
		time.Sleep(stalled + 200*time.Millisecond)
		_, _ = io.WriteString(w, "second")
	})
	for _, version := range []int{1, 2} {
		f := New("alpha", answering("x"), 5*time.Second, slog.New(slog.DiscardHandler))
		server := httptest.NewUnstartedServer(f)
		f.Attach(server.Config)
		server.EnableHTTP2 = version == 2
		server.StartTLS()
		t.Cleanup(server.Close)
		f.Open()
		if err := f.Hold(t.Context()); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { defer close(ended); f.PassOn(t.Context(), peer) }()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := server.Client().Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err != nil || string(text) != "first second" || answer.ProtoMajor != version {
			t.Errorf("%s: %q, %v", answer.Proto, text, err)
		}
		_ = answer.Body.Close()
		<-ended
	}
}

// A connection that a browser keeps ready does not hold up a reload.
func TestASilentConnectionIsNotWaitedFor(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := New("alpha", answering("x"), 5*time.Second, slog.New(slog.DiscardHandler))
	f.Open()
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(ctx, listener) }()
	silent, err := new(net.Dialer).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	time.Sleep(2 * freshGrace)
	began := time.Now()
	end()
	if err := <-ended; err != nil || time.Since(began) > stopTimeout/2 {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}

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
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newFront(root string) *Front { return New(root, "alpha", maxHold, slog.New(slog.DiscardHandler)) }

// site writes a directory with everything that may lie in one.
func site(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	root := filepath.Join(top, "site")
	write := func(name, text string) {
		path := filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("secret.txt", "secret")
	write("site/index.html", "<h1>home</h1>")
	write("site/style.css", "h1 {}")
	write("site/docs/index.html", "docs")
	write("site/empty/page.txt", "page")
	write("site/.git/config", "hidden")
	write("site/.htpasswd", "hidden")
	write("site/.well-known/security.txt", "contact")
	write("site/odd/index.html/file", "an index that is a directory")
	err := errors.Join(
		os.Symlink("../secret.txt", filepath.Join(root, "relative")),
		os.Symlink(filepath.Join(top, "secret.txt"), filepath.Join(root, "absolute")),
		os.Symlink("..", filepath.Join(root, "up")),
		os.Symlink("style.css", filepath.Join(root, "inside.css")),
		syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestFilesAreServedAndNothingElse(t *testing.T) {
	t.Parallel()
	f := newFront(site(t))
	f.Open()
	tests := []struct {
		path   string
		status int
		body   string
		kind   string
	}{
		{"/", 200, "<h1>home</h1>", "text/html; charset=utf-8"},
		{"/index.html", 200, "<h1>home</h1>", "text/html; charset=utf-8"},
		{"/style.css", 200, "h1 {}", "text/css; charset=utf-8"},
		{"/docs/", 200, "docs", "text/html; charset=utf-8"},
		{"/inside.css", 200, "h1 {}", "text/css; charset=utf-8"},
		{"/.well-known/security.txt", 200, "contact", "text/plain; charset=utf-8"},
		{"/docs", 302, "", ""},
		{"/empty/", 404, "", ""},
		{"/odd/", 404, "", ""},
		{"/missing", 404, "", ""},
		{"/relative", 404, "", ""},
		{"/absolute", 404, "", ""},
		{"/up/secret.txt", 404, "", ""},
		{"/../secret.txt", 404, "", ""},
		{"/docs/../../secret.txt", 404, "", ""},
		{"/.git/config", 404, "", ""},
		{"/.htpasswd", 404, "", ""},
		{"/pipe", 404, "", ""},
		{"/nul\x00", 404, "", ""},
	}
	for _, test := range tests {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path = test.path
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		if w.Code != test.status || test.status == 200 && (w.Body.String() != test.body || w.Header().Get("Content-Type") != test.kind) {
			t.Errorf("%q: %d %s %q", test.path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		if got := w.Header().Get("X-Baton-Appliance"); got != "alpha" {
			t.Errorf("%q: appliance %q", test.path, got)
		}
	}
	if running(f) != 0 {
		t.Errorf("%d run", running(f))
	}
}

func TestDirectoriesLeadToTheirIndexAndNowhereElse(t *testing.T) {
	t.Parallel()
	f := newFront(site(t))
	f.Open()
	for path, want := range map[string]string{"/docs": "docs/", "//docs": "docs/", "/docs?a=b": "docs/?a=b"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); got != want {
			t.Errorf("%s: to %q, want %q", path, got, want)
		}
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	t.Parallel()
	f := newFront(site(t))
	f.Open()
	w := httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestDirectoryMayAppearLaterAndBeReplaced(t *testing.T) {
	t.Parallel()
	root := site(t)
	f := newFront("")
	f.Open()
	get := func() int {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w.Code
	}
	if got := get(); got != http.StatusNotFound {
		t.Errorf("no site: %d", got)
	}
	f.Show(root)
	if got := get(); got != http.StatusOK {
		t.Errorf("site shown: %d", got)
	}
	if err := os.Rename(root, root+".old"); err != nil {
		t.Fatal(err)
	}
	if got := get(); got != http.StatusNotFound {
		t.Errorf("site moved away: %d", got)
	}
}

func TestClosedGateTurnsAwayWithOneSentence(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	newFront(site(t)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
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
	f = newFront(site(t))
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
	f := newFront(site(t))
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
	f := newFront(site(t))
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

// deadlines is a writer that knows deadlines for reading.
type deadlines struct {
	*httptest.ResponseRecorder

	until time.Time
}

func (d *deadlines) SetReadDeadline(until time.Time) error { d.until = until; return nil }

func TestABodyThatNobodyReadsIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	f := newFront(site(t))
	f.Open()
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	f.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("slow")))
	if w.until.IsZero() || time.Until(w.until) > headerTimeout {
		t.Errorf("waited for until %v", w.until)
	}
}

// A client that has connected before Serve ends, and asks only now, has its answer.
func TestAClientThatIsInHasItsAnswerWhenServeEnds(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(site(t))
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

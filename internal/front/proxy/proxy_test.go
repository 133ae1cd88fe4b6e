package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"baton/internal/front"
	"baton/internal/pair"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stand is a door with an application behind it.
type stand struct {
	*front.Front
	site *Site
	url  string
	log  *text
	stop context.CancelFunc // ends the server
}

// text is a log that is read while it is written.
type text struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.String()
}

// before opens a door to an application that is at an address.
func before(t *testing.T, at Target, change ...func(*Options)) *stand {
	t.Helper()
	s := standAt(at, change...)
	s.open(t, s.site)
	return s
}

// standAt makes a site of an application, and no door yet.
func standAt(at Target, change ...func(*Options)) *stand {
	s := &stand{log: new(text)}
	o := Options{Target: at, Most: 100, Cookie: "__Host-ours", Log: slog.New(slog.NewTextHandler(s.log, nil))}
	for _, c := range change {
		c(&o)
	}
	s.site = New(o)
	return s
}

// open serves the site by a handler.
func (s *stand) open(t *testing.T, site http.Handler) {
	t.Helper()
	s.Front = front.New("alpha", site, time.Minute, slog.New(slog.DiscardHandler))
	s.Open()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s.stop = stop
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.upstream().drop()
	})
}

func (s *stand) upstream() *upstream { return s.site.upstream }

// beforeApp opens a door to an application that net/http serves.
func beforeApp(t *testing.T, app http.HandlerFunc, change ...func(*Options)) *stand {
	t.Helper()
	server := httptest.NewServer(app)
	t.Cleanup(server.Close)
	return before(t, Target{Network: "tcp", Address: server.Listener.Addr().String()}, change...)
}

// beforeRaw opens a door to an application that does with every connection what it likes.
func beforeRaw(t *testing.T, app func(conn net.Conn)) *stand {
	t.Helper()
	return before(t, serveRaw(t, app))
}

// serveRaw serves such an application.
func serveRaw(t *testing.T, app func(conn net.Conn)) Target {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer func() { _ = conn.Close() }()
				app(conn)
			})
		}
	})
	t.Cleanup(func() { _ = listener.Close(); running.Wait() })
	return Target{Network: "tcp", Address: listener.Addr().String()}
}

// says is an application that reads the head of each request and answers it with the same text.
func says(text string) func(conn net.Conn) {
	return func(conn net.Conn) {
		if _, err := http.ReadRequest(reader(conn)); err == nil {
			_, _ = io.WriteString(conn, text)
		}
	}
}

// answer is what a client got.
type answer struct {
	*http.Response

	body string
	err  error // of reading the body
}

// do asks with a client of net/http.
func do(t *testing.T, client *http.Client, method, url string, body io.Reader, header ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	res, err := client.Do(r)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	return answer{res, string(got), err}
}

func (s *stand) get(t *testing.T, path string, header ...string) answer {
	t.Helper()
	return do(t, http.DefaultClient, http.MethodGet, s.url+path, nil, header...)
}

func TestRequestsAndAnswersPassUnchanged(t *testing.T) {
	s := beforeApp(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Add("X-Seen", r.Method+" "+r.RequestURI+" "+r.Host+" "+r.Header.Get("X-App"))
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		w.Header().Set("Date", "Mon, 02 Jan 2006 15:04:05 GMT")
		w.Header()["Content-Type"] = nil
		switch r.URL.Path {
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		case "/unchanged":
			w.WriteHeader(http.StatusNotModified)
		case "/trailer":
			w.Header().Set("Trailer", "Sum")
			_, _ = w.Write(body)
			w.Header().Set("Sum", "42")
		default:
			w.WriteHeader(http.StatusTeapot)
			_, _ = w.Write(body)
		}
	})
	large := strings.Repeat("0123456789abcdef", 100_000)
	for _, ask := range []struct {
		method, path, body, want string
		status                   int
	}{
		{"GET", "/a%2fb//c/../d?x=1;y=%zz&z", "", "", 418},
		{"POST", "/?", "hello", "hello", 418},
		{"PUT", "/large", large, large, 418},
		{"HEAD", "/", "", "", 418},
		{"BREW", "/", "tea", "tea", 418},
		{"GET", "/none", "", "", 204},
		{"GET", "/unchanged", "", "", 304},
		{"POST", "/trailer", "sum", "sum", 200},
	} {
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(ask.body)
			if chunked {
				body = struct{ io.Reader }{body}
			}
			if ask.body == "" {
				body = nil
			}
			got := do(t, http.DefaultClient, ask.method, s.url+ask.path, body, "X-App", "it")
			if got.err != nil || got.StatusCode != ask.status || got.body != ask.want {
				t.Errorf("%s %s: %v %v, %d bytes", ask.method, ask.path, got.err, got.Response, len(got.body))
				continue
			}
			host := strings.TrimPrefix(s.url, "http://")
			if seen := got.Header.Get("X-Seen"); seen != ask.method+" "+ask.path+" "+host+" it" {
				t.Errorf("%s %s: the application saw %q", ask.method, ask.path, seen)
			}
			if !slices.Equal(got.Header["Set-Cookie"], []string{"a=1", "b=2"}) || len(got.Header["Date"]) != 1 || got.Header.Get("Date")[:3] != "Mon" || got.Header["Content-Type"] != nil {
				t.Errorf("%s %s: %v", ask.method, ask.path, got.Header)
			}
			if ask.path == "/trailer" && got.Trailer.Get("Sum") != "42" {
				t.Errorf("trailer %v", got.Trailer)
			}
		}
	}
}

// Who asks is known from the connection: whatever a client says of itself is dropped.
func TestTheApplicationIsToldOfTheClientByItsConnection(t *testing.T) {
	s := beforeApp(t, func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Host", r.Host)
		_ = r.Header.Write(w)
	})
	forged := []string{
		"X-Forwarded-For", "6.6.6.6", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example", "X-Forwarded-Port", "1", "X-Forwarded-User", "root",
		"Forwarded", "for=6.6.6.6", "X-Real-Ip", "6.6.6.6", "X-Baton-Appliance", "beta", "X-Baton-Anything", "1", "Proxy", "http://evil.example",
		"X_Forwarded_For", "6.6.6.6", "X_Baton-Anything", "1", "x_real_ip", "6.6.6.6",
		"Connection", "X-Secret, keep-alive", "X-Secret", "1", "Keep-Alive", "timeout=5", "Proxy-Authorization", "x", "Te", "gzip", "Upgrade", "h2c", "HTTP2-Settings", "AAMAAABk",
	}
	ask := func(w *httptest.ResponseRecorder, remote string, secure bool) string {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr, r.Host = remote, "site.example:8443"
		if secure {
			r.TLS = &tls.ConnectionState{}
		}
		for i := 0; i < len(forged); i += 2 {
			r.Header[http.CanonicalHeaderKey(forged[i])] = []string{forged[i+1]}
		}
		s.ServeHTTP(w, r) // as a request that came over another way
		return w.Body.String()
	}
	for _, from := range []struct {
		remote string
		secure bool
		want   string
	}{
		{"203.0.113.5:1234", false, "Host: site.example:8443\r\nHttp2-Settings: AAMAAABk\r\nX-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Host: site.example:8443\r\nX-Forwarded-Proto: http\r\n"},
		{"[2001:db8::5]:1234", true, "Host: site.example:8443\r\nHttp2-Settings: AAMAAABk\r\nX-Forwarded-For: 2001:db8::5\r\nX-Forwarded-Host: site.example:8443\r\nX-Forwarded-Proto: https\r\n"},
	} {
		if got := ask(httptest.NewRecorder(), from.remote, from.secure); got != from.want {
			t.Errorf("from %s:\n%s", from.remote, got)
		}
	}
}

// An application speaks neither as Baton, nor to the console's users by way of their browsers.
func TestTheApplicationAndTheConsoleShareNoCookie(t *testing.T) {
	s := beforeApp(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1", " __Host-ours=planted; Secure", "b=2"}
		w.Header().Set("X-Baton-Appliance", "forged")
		w.Header().Set("X-Baton-More", "forged")
		_, _ = fmt.Fprintf(w, "%q", r.Header["Cookie"])
	})
	for sent, want := range map[string]string{
		"__Host-ours=secret":                 `[]`,
		"a=1;__Host-ours=secret; b=2":        `["a=1; b=2"]`,
		"a=1; __Host-ours = secret":          `["a=1"]`,
		"a=__Host-ours; __Host-ours2=2; b=3": `["a=__Host-ours; __Host-ours2=2; b=3"]`,
		"a=1; b=2":                           `["a=1; b=2"]`,
	} {
		got := s.get(t, "/", "Cookie", sent)
		if got.body != want || !slices.Equal(got.Header["Set-Cookie"], []string{"a=1", "b=2"}) || !slices.Equal(got.Header["X-Baton-Appliance"], []string{"alpha"}) || got.Header.Get("X-Baton-More") != "" {
			t.Errorf("%s: %s %v %v", sent, got.body, got.Header, got.err)
		}
	}
}

// What could mean something else to the application than to us does not reach it.
func TestOddRequestsReachNoApplication(t *testing.T) {
	s := beforeApp(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("it was asked for %s %s", r.Method, r.RequestURI)
	})
	for name, change := range map[string]func(r *http.Request){
		"a tunnel":            func(r *http.Request) { r.Method = http.MethodConnect },
		"a trace":             func(r *http.Request) { r.Method = http.MethodTrace },
		"no path":             func(r *http.Request) { r.URL.Path = "" },
		"an opaque address":   func(r *http.Request) { r.URL.Opaque = "//evil.example/" },
		"a space in a query":  func(r *http.Request) { r.URL.RawQuery = "a HTTP/1.1\r\nX: y" },
		"a line in the host":  func(r *http.Request) { r.Host = "a\r\nX: y" },
		"a space in a method": func(r *http.Request) { r.Method = "GET /other" },
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		change(r)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest && w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
}

// Connections are kept: a second request does not connect anew, and one that rests is closed
// after a while.
func TestConnectionsAreKept(t *testing.T) {
	conns := map[string]bool{}
	s := beforeApp(t, func(_ http.ResponseWriter, r *http.Request) { conns[r.RemoteAddr] = true })
	for range 20 {
		s.get(t, "/")
	}
	if len(conns) != 1 {
		t.Errorf("20 requests took %d connections", len(conns))
	}
	u := s.upstream()
	u.mu.Lock()
	kept := len(u.idle)
	for _, c := range u.idle {
		c.since = c.since.Add(-idleTime)
	}
	u.mu.Unlock()
	u.sweep()
	if kept != 1 || len(u.idle) != 0 {
		t.Errorf("%d were kept, then %d", kept, len(u.idle))
	}
}

func TestAnApplicationMayBeASocketOrSpeakTLS(t *testing.T) {
	path := t.TempDir() + "/app.sock"
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	if got := before(t, Target{Network: "unix", Address: path}).get(t, "/"); got.body != "hello" {
		t.Errorf("%v", got)
	}
	secure := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("asked without trust") }))
	t.Cleanup(secure.Close)
	s := before(t, Target{Network: "tcp", Address: secure.Listener.Addr().String(), TLS: true})
	if got := s.get(t, "/"); got.StatusCode != http.StatusServiceUnavailable || !strings.Contains(s.log.String(), "certificate") {
		t.Errorf("a certificate that nobody trusts: %v, log %s", got, s.log)
	}
}

func TestNoMoreArePassedOnThanThereMayBe(t *testing.T) {
	running, end := make(chan struct{}), make(chan struct{})
	s := beforeApp(t, func(http.ResponseWriter, *http.Request) { running <- struct{}{}; <-end }, func(o *Options) { o.Most = 1 })
	var first sync.WaitGroup
	first.Go(func() { s.get(t, "/") })
	<-running
	got := s.get(t, "/")
	close(end)
	first.Wait()
	if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") != "1" || !strings.Contains(got.body, "Too many requests") {
		t.Errorf("%v %s", got.Response, got.body)
	}
}

// Browsers speak HTTP/2 with the front.
func TestTheFrontSpeaksHTTP2(t *testing.T) {
	s := beforeApp(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%d %s %s %v", len(body), r.Proto, r.Header.Get("X-Forwarded-Proto"), err)
	})
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	got := do(t, server.Client(), http.MethodPost, server.URL, struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 1<<20))})
	if got.err != nil || got.ProtoMajor != 2 || got.body != "1048576 HTTP/1.1 https <nil>" {
		t.Errorf("%v %s", got.Response, got.body)
	}
	cut := beforeRaw(t, says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"))
	broken := httptest.NewUnstartedServer(cut)
	broken.EnableHTTP2 = true
	broken.StartTLS()
	t.Cleanup(broken.Close)
	if got := do(t, broken.Client(), http.MethodGet, broken.URL, nil); got.err == nil {
		t.Errorf("an answer that broke off looks whole: %s", got.body)
	}
}

func TestThePageOfASiteThatCannotBeReached(t *testing.T) {
	s := before(t, Target{Network: "tcp", Address: "127.0.0.1:1"})
	check := func(want ...string) {
		t.Helper()
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			got := do(t, http.DefaultClient, method, s.url+"/any/where", nil)
			policy := got.Header.Get("Content-Security-Policy")
			if got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") != "5" || !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
				t.Errorf("%v", got.Response)
			}
			for _, part := range want {
				if !strings.Contains(got.body, part) {
					t.Errorf("no %q in %s", part, got.body)
				}
			}
		}
	}
	check("Back in a moment", "Please try again in a few seconds.")
	if err := s.site.SetPage(pair.Site{Name: "Help desk", Title: "We are moving", Message: "Call 4711."}); err != nil {
		t.Fatal(err)
	}
	check("Help desk", "We are moving", "Call 4711.")
	if lines := strings.Count(s.log.String(), "\n"); lines != 1 {
		t.Errorf("%d lines in the log for four requests: %s", lines, s.log)
	}
	s.site.log.next = time.Time{}
	check()
	if !strings.Contains(s.log.String(), "not_logged_before=3") {
		t.Errorf("what was not logged is not counted: %s", s.log)
	}
}

// An application that is being started is waited for, and one that does not come is given up.
func TestAnApplicationThatIsBeingStartedIsWaitedFor(t *testing.T) {
	path := t.TempDir() + "/app.sock"
	s := before(t, Target{Network: "unix", Address: path}, func(o *Options) { o.Patience = 20 * time.Second })
	const clients = 20
	answers := make(chan answer, clients)
	for range clients {
		go func() { answers <- s.get(t, "/") }()
	}
	for waiting := 0; waiting < clients; time.Sleep(time.Millisecond) {
		waiting = int(s.site.running.Load())
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	for range clients {
		if got := <-answers; got.err != nil || got.StatusCode != http.StatusOK {
			t.Errorf("%v %v", got.Response, got.err)
		}
	}
}

func TestAnApplicationThatDoesNotComeIsGivenUp(t *testing.T) {
	s := before(t, Target{Network: "unix", Address: t.TempDir() + "/app.sock"}, func(o *Options) { o.Patience = 300 * time.Millisecond })
	began := time.Now()
	if got := s.get(t, "/"); got.StatusCode != http.StatusServiceUnavailable || time.Since(began) < 300*time.Millisecond {
		t.Errorf("%v after %s", got.Response, time.Since(began))
	}
	u := s.upstream()
	u.mu.Lock()
	first := u.outage
	u.mu.Unlock()
	s.get(t, "/") // finds out by itself
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.outage != first {
		t.Error("it is waited for again")
	}
	u.outage.refused = u.outage.refused.Add(-2 * outageFades)
	u.mu.Unlock()
	s.get(t, "/")
	u.mu.Lock()
	if u.outage == first {
		t.Error("it is not waited for anew after a long time")
	}
}

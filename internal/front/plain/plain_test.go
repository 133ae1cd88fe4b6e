package plain

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http/httpguts"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhatIsPlain(t *testing.T) {
	t.Parallel()
	plain := "GET /a?b=%20 HTTP/1.1\r\nHost: site.example:80\r\nCookie: a=b; c=\"d\"\r\nConnection: Keep-Alive\r\n\r\n"
	if plainRequest([]byte(plain)) == nil {
		t.Errorf("%q is not", plain)
	}
	for _, change := range [][2]string{
		{"GET", "POST"},
		{"GET", "get"},
		{"GET ", "GET  "},
		{"/a", "http://site.example/a"},
		{"/a", "*"},
		{"%20", "\t"},
		{"%20", "\x80"},
		{"/a", "/%zz"},
		{"HTTP/1.1", "HTTP/1.0"},
		{"HTTP/1.1\r", "HTTP/1.1"},
		{"Host: site.example:80\r\n", ""},
		{"site.example:80", ""},
		{"site.example:80", "site.example/a"},
		{"Host", "Host "},
		{"site.example:80", "site.example\u00a0"},
		{"site.example:80", "\u0085site.example"},
		{"\r\nHost", "\r\n Host"},
		{"\r\nHost", "\nHost"},
		{"Cookie: ", "Host: b\r\nCookie: "},
		{"Cookie: ", "Content-Length: 0\r\nCookie: "},
		{"Cookie: ", "content-length: 5\r\nCookie: "},
		{"Cookie: ", "Transfer-Encoding: chunked\r\nCookie: "},
		{"Cookie: ", "Transfer-Encoding : chunked\r\nCookie: "},
		{"Cookie: ", "Upgrade: websocket\r\nCookie: "},
		{"Cookie: ", "Expect: 100-continue\r\nCookie: "},
		{"Cookie: ", "TE: trailers\r\nCookie: "},
		{"Cookie: a", "Cookie: a\r\n folded"},
		{"Cookie: a", "Cookie: a\x00"},
		{"Cookie: a", "Cookie: a\rb"},
		{"Cookie: a", "Cookie: a\n\nb"},
		{"Keep-Alive", "close"},
		{"Keep-Alive", "Keep-Alive, Cookie"},
		{"\r\n\r\n", "\r\n"},
		{"\r\n\r\n", "\r\n\r\nG"},
		{"\r\n\r\n", "\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n"},
	} {
		text := strings.Replace(plain, change[0], change[1], 1)
		if plainRequest([]byte(text)) != nil {
			t.Errorf("%q is", text)
		}
	}
}

// What is plain is one request for net/http as well, without a body.
func FuzzPlain(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Add([]byte("HEAD /?a HTTP/1.1\r\nhost: a:1\r\nA:\xff\r\nConnection: keep-alive\r\n\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := plainRequest(text)
		if r == nil {
			return
		}
		from := bufio.NewReader(io.MultiReader(bytes.NewReader(text), strings.NewReader("next")))
		_, err := http.ReadRequest(from)
		rest, _ := io.ReadAll(from)
		if err != nil || string(rest) != "next" || !httpguts.ValidHostHeader(r.Host) || r.Body != http.NoBody || r.ContentLength != 0 || r.Close || r.Host == "" || r.Header.Get("Upgrade") != "" {
			t.Errorf("%q: %v, then %q: %+v", text, err, rest, r)
		}
	})
}

// serving serves a handler, with net/http alone or with what is here before it. Calls counts the requests that net/http
// did not read.
func serving(t *testing.T, handler http.HandlerFunc, before bool) (address string, calls *atomic.Int64) {
	t.Helper()
	calls = new(atomic.Int64)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, is := w.(*answer); is {
			calls.Add(1)
		}
		handler(w, r)
	}))
	server.Config.ConnState = func(net.Conn, http.ConnState) {}
	server.Config.ReadHeaderTimeout, server.Config.IdleTimeout = 10*time.Second, 10*time.Second
	if before {
		server.Listener = Listen(server.Listener, server.Config, func() bool { return true })
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String(), calls
}

type client struct {
	net.Conn
	answers *bufio.Reader
}

func dial(t *testing.T, address string) *client {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{conn, bufio.NewReader(conn)}
}

// reply is an answer, read to its end.
type reply struct {
	*http.Response
	body string
	err  error
}

// ask sends a text, and reads the answer to it.
func (c *client) ask(t *testing.T, text string) reply {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	res, err := http.ReadResponse(c.answers, &http.Request{Method: method})
	if err != nil {
		return reply{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return reply{res, string(body), err}
}

// Answers are those that net/http would give.
func TestAnswersAreThoseOfNetHTTP(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 1000)
	for name, handler := range map[string]http.HandlerFunc{
		"nothing":    func(http.ResponseWriter, *http.Request) {},
		"small":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>hello") },
		"large":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, long) },
		"in pieces":  func(w http.ResponseWriter, _ *http.Request) { _, _ = io.Copy(w, halves(long)) },
		"error":      func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusTeapot) },
		"no content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"unchanged": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "5")
			w.Header().Set("Etag", `"a"`)
			w.WriteHeader(http.StatusNotModified)
			_, _ = io.WriteString(w, "hello")
		},
		"a length": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10000")
			w.Header()["Content-Type"] = nil
			_, _ = io.WriteString(w, long)
			_, err := io.WriteString(w, "more")
			if r.Method == http.MethodGet && !errors.Is(err, http.ErrContentLength) {
				panic(err)
			}
		},
		"a file": func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "a.txt", time.Unix(1e9, 0), strings.NewReader(long))
		},
		"flushed": func(w http.ResponseWriter, _ *http.Request) {
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "a")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "b")
		},
		"encoded": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, "<html>")
		},
		"late headers": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			w.Header().Set("Late", "yes")
			w.WriteHeader(http.StatusBadGateway)
		},
		"two lines in one": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("A", "b\r\nC: d") },
		"trailers": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Trailer", "A")
			_, _ = io.WriteString(w, "hello")
			w.Header().Set("A", "b")
			w.Header().Set(http.TrailerPrefix+"C", "d")
			_ = http.NewResponseController(w).Flush()
		},
		"closes": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, calls := serving(t, handler, true)
			theirs, _ := serving(t, handler, false)
			for _, method := range []string{"GET", "HEAD"} {
				text := method + " / HTTP/1.1\r\nHost: site\r\n\r\n"
				got, want := dial(t, ours).ask(t, text), dial(t, theirs).ask(t, text)
				if got.err != nil || want.err != nil {
					t.Fatal(got.err, want.err)
				}
				got.Header.Del("Date")
				want.Header.Del("Date")
				if got.Status != want.Status || got.Close != want.Close || got.ContentLength != want.ContentLength || !reflect.DeepEqual(got.Header, want.Header) ||
					!reflect.DeepEqual(got.Trailer, want.Trailer) || !reflect.DeepEqual(got.TransferEncoding, want.TransferEncoding) || got.body != want.body {
					t.Errorf("%s: %+v\nwant %+v", method, got, want)
				}
			}
			if calls.Load() != 2 {
				t.Errorf("%d of the requests were served here", calls.Load())
			}
		})
	}
}

func halves(text string) io.Reader {
	return struct{ io.Reader }{io.MultiReader(strings.NewReader(text[:len(text)/2]), strings.NewReader(text[len(text)/2:]))}
}

// An answer that its handler has not written to the end breaks off.
func TestAnAnswerThatBreaksOff(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"too short": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "hello")
		},
		"given up": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "hello")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		},
		"given up at once": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, _ := serving(t, handler, true)
			c := dial(t, address)
			if got := c.ask(t, "GET / HTTP/1.1\r\nHost: site\r\n\r\n"); got.err == nil {
				t.Errorf("it looks whole: %q", got.body)
			}
			if _, err := c.answers.ReadByte(); err == nil {
				t.Error("the connection goes on")
			}
		})
	}
}

// One connection asks for this and that: all is answered, in order, and once something was not plain, net/http
// answers the rest.
func TestWhatIsNotPlainIsLeftToNetHTTP(t *testing.T) {
	t.Parallel()
	get := "GET / HTTP/1.1\r\nHost: site\r\n\r\n"
	for name, test := range map[string]struct {
		asks []string
		here int64
	}{
		"a body":         {[]string{get, get, "POST / HTTP/1.1\r\nHost: site\r\nContent-Length: 5\r\n\r\nhello", get}, 2},
		"two at a time":  {[]string{get, get + get, "", get}, 1},
		"half a request": {[]string{get, get[:20], get[20:]}, 1},
		"bytes":          {strings.SplitAfter(get, ""), 0},
		"chunks":         {[]string{"POST / HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", get}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, calls := serving(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				_, _ = io.WriteString(w, r.Method+string(body))
			}, true)
			c := dial(t, address)
			half := ""
			for _, text := range test.asks {
				if half += text; text != "" && !strings.Contains(half, "\r\n\r\n") {
					_, _ = io.WriteString(c, text)
					time.Sleep(5 * time.Millisecond) // it comes by itself
					continue
				}
				want := "GET"
				if strings.HasPrefix(half, "POST") {
					want = "POSThello"
				}
				half = ""
				if got := c.ask(t, text); got.err != nil || got.body != want {
					t.Fatalf("%q: %q %v", text, got.body, got.err)
				}
			}
			if calls.Load() != test.here {
				t.Errorf("%d were served here, want %d", calls.Load(), test.here)
			}
		})
	}
}

// A request whose path is written wrongly has net/http's answer.
func TestAWrongPathIsRefused(t *testing.T) {
	t.Parallel()
	address, _ := serving(t, func(http.ResponseWriter, *http.Request) {}, true)
	if got := dial(t, address).ask(t, "GET /%zz HTTP/1.1\r\nHost: site\r\n\r\n"); got.err != nil || got.StatusCode != http.StatusBadRequest {
		t.Errorf("%+v", got)
	}
}

// The request of a client that goes away ends.
func TestAClientThatGoesAway(t *testing.T) {
	t.Parallel()
	running, ended := make(chan struct{}), make(chan error, 1)
	address, _ := serving(t, func(_ http.ResponseWriter, r *http.Request) {
		close(running)
		select {
		case <-r.Context().Done():
			ended <- r.Context().Err()
		case <-time.After(20 * time.Second):
			ended <- errors.New("it runs on")
		}
	}, true)
	c := dial(t, address)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: site\r\n\r\n")
	<-running
	_ = c.Close()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// net/http takes a connection that has never said anything to it for idle. An answer that is under way is
// not cut off by that; it is the last of its connection.
func TestAnAnswerOutlastsTheEndOfIdleConnections(t *testing.T) {
	t.Parallel()
	address, _ := serving(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = w.(*answer).conn.Close()
		_, _ = io.WriteString(w, "hello")
	}, true)
	c := dial(t, address)
	if got := c.ask(t, "GET / HTTP/1.1\r\nHost: site\r\n\r\n"); got.err != nil || got.body != "hello" || !got.Close {
		t.Errorf("%+v", got)
	}
	if _, err := c.answers.ReadByte(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// What a request costs is what this package is for: net/http takes some 30 allocations, and a goroutine.
func TestARequestCostsLittle(t *testing.T) {
	address, calls := serving(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }, true)
	c := dial(t, address)
	got := make([]byte, 1<<10)
	allocations := testing.AllocsPerRun(100, func() {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: site\r\nCookie: a=b\r\n\r\n")
		if n, err := c.Read(got); err != nil || !bytes.HasSuffix(got[:n], []byte("hello")) {
			t.Fatalf("%q %v", got[:n], err)
		}
	})
	t.Logf("%.0f allocations", allocations)
	if calls.Load() == 0 || allocations > 30 {
		t.Errorf("%.0f allocations for each of %d requests", allocations, calls.Load())
	}
}

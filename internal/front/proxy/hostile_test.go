package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func reader(conn net.Conn) *bufio.Reader { return bufio.NewReader(conn) }

// Whatever an application does, a client has a whole answer, a page that says that there is
// none, or an answer that plainly breaks off.
func TestAnApplicationThatMisbehaves(t *testing.T) {
	const brokenOff = -1
	for name, test := range map[string]struct {
		app    func(conn net.Conn)
		status int
	}{
		"closes at once":           {func(net.Conn) {}, 502},
		"says nothing":             {says(""), 502},
		"speaks something else":    {says("SSH-2.0-OpenSSH\r\n"), 502},
		"half a head":              {says("HTTP/1.1 200 OK\r\nContent-Le"), 502},
		"promises too much":        {says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"), brokenOff},
		"promises too little":      {says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, this is more"), 200},
		"two lengths":              {says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello!!"), 502},
		"a length that is none":    {says("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello"), 502},
		"half a chunk":             {says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\nhello"), brokenOff},
		"no last chunk":            {says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), brokenOff},
		"a chunk that is none":     {says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"), brokenOff},
		"a large head":             {says("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxHeader) + "\r\n\r\n"), 502},
		"announces without end":    {says(strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100)), 502},
		"announces, then answers":  {says("HTTP/1.1 103 Early Hints\r\nX-Baton-Appliance: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), 200},
		"switches without a wish":  {says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), 502},
		"a status that is none":    {says("HTTP/1.1 9 What\r\n\r\n"), 502},
		"ends with the connection": {says("HTTP/1.0 200 OK\r\n\r\nhello"), 200},
		"resets": {func(conn net.Conn) {
			says("HTTP/1.1 200 OK\r\n\r\nhello")(conn)
			_ = conn.(*net.TCPConn).SetLinger(0)
		}, brokenOff},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := beforeRaw(t, test.app)
			got := s.get(t, "/")
			switch {
			case test.status == brokenOff:
				if got.err == nil {
					t.Errorf("it looks whole: %s %q", got.Status, got.body)
				}
			case got.err != nil || got.StatusCode != test.status:
				t.Errorf("%v %v", got.Response, got.err)
			case test.status == http.StatusOK && got.body != "hello":
				t.Errorf("%q", got.body)
			case test.status == http.StatusBadGateway && (!strings.Contains(got.body, "No answer") || s.log.String() == ""):
				t.Errorf("%q, log %q", got.body, s.log)
			}
			if got.Response != nil && got.Header.Get("X-Baton-Appliance") != "alpha" {
				t.Errorf("%v", got.Header)
			}
		})
	}
}

// A request that came by another way than a server of net/http breaks off, too.
func TestAnAnswerThatBreaksOffIsNeverWhole(t *testing.T) {
	s := beforeRaw(t, says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello"))
	for _, body := range []io.Reader{http.NoBody, strings.NewReader("a body")} {
		func() {
			defer func() {
				if got := recover(); got != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
					t.Errorf("ended with %v", got)
				}
			}()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", body)
			if err != nil {
				t.Fatal(err)
			}
			r.RemoteAddr = "203.0.113.5:1"
			s.site.ServeHTTP(discarding{http.Header{}}, r)
		}()
	}
}

type discarding struct{ header http.Header }

func (d discarding) Header() http.Header         { return d.header }
func (d discarding) Write(p []byte) (int, error) { return len(p), nil }
func (d discarding) WriteHeader(int)             {}

func TestAnApplicationThatHangs(t *testing.T) {
	s := beforeRaw(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	s.upstream().answer = 50 * time.Millisecond
	for _, body := range []string{"", "something"} {
		got := do(t, http.DefaultClient, http.MethodPost, s.url, strings.NewReader(body))
		if got.StatusCode != http.StatusGatewayTimeout || !strings.Contains(got.body, "took too long") {
			t.Errorf("%v %s", got.Response, got.body)
		}
	}
}

// A connection that the application has closed is found out before a request that may not be
// sent twice; one that is closed at the very moment is answered by another, where it may be.
func TestARequestIsSentTwiceOnlyIfItMayBe(t *testing.T) {
	var requests, conns atomic.Int32
	s := beforeRaw(t, func(conn net.Conn) {
		conns.Add(1)
		from := reader(conn)
		for n := 0; ; n++ {
			r, err := http.ReadRequest(from)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			requests.Add(1)
			if n > 0 && r.URL.Path == "/kept" {
				return // it read the request, and goes away
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	if got := s.get(t, "/"); got.body != "ok" {
		t.Fatal(got)
	}
	if got := s.get(t, "/kept"); got.body != "ok" || requests.Load() != 3 || conns.Load() != 2 {
		t.Errorf("GET: %v, %d requests on %d connections", got, requests.Load(), conns.Load())
	}
	requests.Store(0)
	if got := do(t, http.DefaultClient, http.MethodPost, s.url+"/kept", strings.NewReader("x")); got.StatusCode != http.StatusBadGateway || requests.Load() != 1 {
		t.Errorf("POST: %v, it was sent %d times", got.Response, requests.Load())
	}
}

func TestAConnectionThatWasClosedIsNotUsedForAPost(t *testing.T) {
	closed := make(chan struct{})
	s := beforeRaw(t, func(conn net.Conn) {
		says("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")(conn)
		_ = conn.Close()
		closed <- struct{}{}
	})
	for range 3 {
		got := do(t, http.DefaultClient, http.MethodPost, s.url, nil)
		if got.body != "ok" {
			t.Errorf("%v", got)
		}
		<-closed
	}
}

// An answer that is more than it should be says nothing of the next one.
func TestWhatComesBesidesAnAnswerAnswersNobody(t *testing.T) {
	var asked atomic.Int32
	s := beforeRaw(t, func(conn net.Conn) {
		for from := reader(conn); ; {
			if _, err := http.ReadRequest(from); err != nil {
				return
			}
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%dHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged", asked.Add(1)-1)
		}
	})
	for i := range 3 {
		if got := s.get(t, "/"); got.body != strconv.Itoa(i) {
			t.Errorf("answer %d: %q %v", i, got.body, got.err)
		}
	}
}

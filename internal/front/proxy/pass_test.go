package proxy

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strings"
	"testing"
	"time"
)

// byReverseProxy passes everything on by ReverseProxy, as it is with its own means: what pass does has to be the same.
func byReverseProxy(s *Site) http.Handler {
	proxy := &httputil.ReverseProxy{
		Transport: s.upstream, ErrorHandler: s.fail, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
		ModifyResponse: func(res *http.Response) error { s.modify(res); return nil },
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.URL.RawQuery = "http", "upstream", r.In.URL.RawQuery
			for name := range r.Out.Header {
				if isOurs(name) {
					delete(r.Out.Header, name)
				}
			}
			r.SetXForwarded()
			for _, name := range []string{"Expect", "Connection", "Upgrade"} {
				delete(r.Out.Header, name)
			}
			if cookies := r.Out.Header["Cookie"]; cookies != nil {
				r.Out.Header["Cookie"] = s.withoutOurs(cookies)
			}
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := odd(r); status != 0 {
			http.Error(w, "This is no request for the site.", status)
			return
		}
		w.Header()["Content-Type"] = nil
		proxy.ServeHTTP(w, r)
	})
}

// exchanged is what client and application sent and got, with the headers in order.
type exchanged struct {
	asked        string // of the application
	head, body   string // of the answer
	trailer      http.Header
	broken, ends bool // the answer; the connection
}

// exchangeOf has a client ask with a text, and an application answer with one, through a door.
func exchangeOf(t *testing.T, through func(*Site) http.Handler, ask, answer string) (got exchanged) {
	t.Helper()
	asked := make(chan string, maxAnnounced)
	s := standAt(serveRaw(t, func(conn net.Conn) {
		var text bytes.Buffer
		if _, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &text))); err != nil {
			return
		}
		asked <- text.String()
		_, _ = io.WriteString(conn, answer)
	}))
	s.open(t, through(s.site))
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, ask); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(ask, " ")
	var text bytes.Buffer
	from := bufio.NewReader(io.TeeReader(conn, &text))
	res, err := http.ReadResponse(from, &http.Request{Method: method})
	if err != nil {
		got.broken = true
	} else {
		body, err := io.ReadAll(res.Body)
		head, _, _ := strings.Cut(text.String(), "\r\n\r\n")
		got.head, got.body, got.trailer, got.broken = sorted(head), string(body), res.Trailer, err != nil
		_ = res.Body.Close()
	}
	if !got.broken && !res.Close {
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: again\r\n\r\n")
	}
	got.ends = err != nil || readWhole(from) != nil
	select {
	case got.asked = <-asked:
		got.asked = sorted(got.asked)
	default:
	}
	return got
}

func readWhole(from *bufio.Reader) error {
	res, err := http.ReadResponse(from, nil)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// sorted sorts the lines of a head, without its date, after the first.
func sorted(head string) string {
	lines := strings.Split(strings.TrimSpace(head), "\r\n")
	slices.Sort(lines[1:])
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "Date: ") })
	return strings.Join(lines, "\n")
}

// Each request goes to the application, and each answer to the client, as by ReverseProxy: with the same heads, to
// the byte, but for the order of their lines.
func TestWhatPassesIsThatOfReverseProxy(t *testing.T) {
	const get, ok = "GET /a HTTP/1.1\r\nHost: site\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
	compare := func(t *testing.T, ask, answer string) {
		t.Helper()
		t.Parallel()
		got, want := exchangeOf(t, func(s *Site) http.Handler { return s }, ask, answer), exchangeOf(t, byReverseProxy, ask, answer)
		if got.asked != want.asked {
			t.Errorf("%q asks\n%s\nand by ReverseProxy\n%s", ask, got.asked, want.asked)
		}
		got.asked, want.asked = "", ""
		if got.broken && want.broken {
			got.head, want.head = "", "" // ReverseProxy has sent it by then, or not
		}
		if got.head != want.head || got.body != want.body || got.broken != want.broken || got.ends != want.ends || !slices.Equal(got.trailer["Sum"], want.trailer["Sum"]) || len(got.trailer) != len(want.trailer) {
			t.Errorf("%q is answered by\n%+v\nand by ReverseProxy by\n%+v", answer, got, want)
		}
	}
	for _, line := range []string{
		"User-Agent: a browser", "User-Agent: ", "Cookie: a=b; __Host-ours=secret\r\nCookie: c=d", "Cookie: __Host-ours=secret", "Accept: a\r\naccept: b\r\nACCEPT: ",
		"X-Forwarded-For: 6.6.6.6\r\nx-forwarded-host: evil\r\nX-Forwarded-Port: 1\r\nForwarded: for=a\r\nX_Real_IP: 6.6.6.6\r\nProxy: a\r\nX-Baton-Appliance: x",
		"Connection: x-secret , keep-alive,,Cookie\r\nX-Secret: 1\r\nCookie: a=b", "Connection: X-Forwarded-For", "Connection: close", "Connection: keep-alive\r\nKeep-Alive: timeout=5",
		"Connection: User-Agent\r\nUser-Agent: a", "Proxy-Connection: close", "Proxy-Authorization: a\r\nProxy-Authenticate: b", "TE: trailers", "Te: gzip, trailers;q=1", "TE: gzip", "Trailer: Sum",
		"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk", "Upgrade: h2c", "Expect: 100-continue", "Content-Length: 0", "Range: bytes=0-1", "A: \xff\xfe", "A!#$%&'*+-.^_`|~: b",
		"Content-Type: text/plain", "Accept-Encoding: gzip, br", "If-None-Match: \"a\"", "X: " + strings.Repeat("x", 5000), "Host2: a",
	} {
		t.Run("asks with "+line[:min(len(line), 30)], func(t *testing.T) {
			compare(t, strings.Replace(get, "\r\n\r\n", "\r\n"+line+"\r\n\r\n", 1), ok)
		})
	}
	for _, first := range []string{
		"GET /a%2fb//c/../d?x=1;y=%zz&z HTTP/1.1", "GET /? HTTP/1.1", "GET // HTTP/1.1", "GET http://other.example/a?b HTTP/1.1", "GET http://other.example HTTP/1.1", "GET /\xc3\xa4 HTTP/1.1",
		"HEAD / HTTP/1.1", "POST / HTTP/1.1", "DELETE /a HTTP/1.1", "OPTIONS / HTTP/1.1", "OPTIONS * HTTP/1.1", "PUT / HTTP/1.1", "BREW / HTTP/1.1", "CONNECT a:1 HTTP/1.1", "TRACE / HTTP/1.1", "GET / HTTP/1.0", "GET / HTTP/1.0\r\nConnection: keep-alive",
	} {
		t.Run("asks for "+first, func(t *testing.T) { compare(t, strings.Replace(get, "GET /a HTTP/1.1", first, 1), ok) })
	}
	t.Run("without a host", func(t *testing.T) { compare(t, "GET / HTTP/1.0\r\n\r\n", ok) })
	for _, answer := range []string{
		"200 OK\r\nContent-Type: text/html\r\nSet-Cookie: a=1\r\nset-cookie: __Host-ours=planted\r\nSet-Cookie: b=2\r\nContent-Length: 5\r\n\r\nhello",
		"200 OK\r\nContent-Length: 100000\r\n\r\n" + strings.Repeat("0123456789", 10_000),
		"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n5\r\nhello\r\n0\r\nSum: 42\r\n\r\n",
		"200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n5\r\nhello\r\n0\r\nSum: 42\r\nMore: 1\r\n\r\n",
		"200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n5\r\nhello\r\n0\r\nSum: 42\r\n\r\n",
		"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nSum: 42\r\n\r\n",
		"200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
		"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\nhello", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
		"200 OK\r\n\r\nhello", "200\r\nContent-Length: 0\r\n\r\n", "200 All is well\r\nContent-Length: 0\r\n\r\n", "599 Odd\r\nContent-Length: 0\r\n\r\n",
		"200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", "200 OK\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\nContent-Length: 5\r\n\r\nhello",
		"200 OK\r\nUpgrade: h2c\r\nProxy-Authenticate: a\r\nTE: b\r\nProxy-Connection: c\r\nContent-Length: 5\r\n\r\nhello", "426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n",
		"204 No Content\r\n\r\n", "204 No Content\r\nContent-Length: 5\r\n\r\n", "304 Not Modified\r\nContent-Length: 5\r\nEtag: \"a\"\r\nContent-Type: text/plain\r\n\r\n", "205 Reset Content\r\nContent-Length: 0\r\n\r\n",
		"103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		"200 OK\r\nContent-Length: 100\r\n\r\nhello", "200 OK\r\nContent-Length: 5\r\n\r\nhello, and more", "200 OK\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\nhello!!", "200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"200 OK\r\nContent-Length: -5\r\n\r\nhello", "200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", "200 OK\r\nA: b\r\n folded\r\nContent-Length: 5\r\n\r\nhello", "200 OK\r\nA : b\r\nContent-Length: 5\r\n\r\nhello",
		"200 OK\r\nX-Baton-Appliance: forged\r\nX: \xff\r\nx: b\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nServer: app\r\nContent-Type: \r\nContent-Length: 5\r\n\r\nhello",
		"200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 5\r\n\r\nhello", "200 OK\r\nContent-Type: text/event-stream\r\n\r\nhello", "200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
		"SSH-2.0-OpenSSH\r\n", "200 OK\r\nContent-Le",
	} {
		for _, method := range []string{"GET", "HEAD"} {
			t.Run(method+" answered by "+answer[:min(len(answer), 60)], func(t *testing.T) {
				compare(t, strings.Replace(get, "GET", method, 1), "HTTP/1.1 "+answer)
			})
		}
	}
	t.Run("an old application", func(t *testing.T) { compare(t, get, "HTTP/1.0 200 OK\r\n\r\nhello") })
}

package plain

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// What a client sends so that two programs read it in two ways reaches the handler as net/http alone would have it, or is refused
// by net/http: none of it is read here.
func TestWhatCouldBeReadInTwoWaysIsReadByNetHTTP(t *testing.T) {
	t.Parallel()
	const next = "GET /next HTTP/1.1\r\nHost: site\r\n\r\n"
	for _, text := range []string{
		"GET /a HTTP/1.1\r\nHost: site\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello" + next,
		"GET /a HTTP/1.1\r\nHost: site\r\nContent-Length: 0\r\n\r\n" + next,
		"GET /a HTTP/1.1\r\nHost: site\r\nContent-Length: 37\r\n\r\n" + next,
		"GET /a HTTP/1.1\r\nHost: site\r\ncOnTeNt-LeNgTh: +5\r\n\r\nhello",
		"GET /a HTTP/1.1\r\nHost: site\r\nContent-Length : 5\r\n\r\nhello",
		"GET /a HTTP/1.1\r\nHost: site\r\nContent-Length\r\n\r\nhello",
		"GET /a HTTP/1.1\r\nHost: site\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next,
		"GET /a HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + next,
		"GET /a HTTP/1.1\r\nHost: site\r\ntransfer-encoding: CHUNKED\r\n\r\n0\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nA: b\r\n\tTransfer-Encoding: chunked\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nA: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nA: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: identity\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /a HTTP/1.1\nHost: site\n\n",
		"GET /a HTTP/1.1\r\nHost: site\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\n\n" + next,
		"GET /a HTTP/1.1\r\nHost: site\r\n\r\n" + next,
		"GET /a HTTP/1.1\r\nHost: site\r\n\r\n\r\n",
		"\r\nGET /a HTTP/1.1\r\nHost: site\r\n\r\n",
		" GET /a HTTP/1.1\r\nHost: site\r\n\r\n",
		"GET  /a HTTP/1.1\r\nHost: site\r\n\r\n",
		"GET /a  HTTP/1.1\r\nHost: site\r\n\r\n",
		"GET\t/a HTTP/1.1\r\nHost: site\r\n\r\n",
		"GET /a HTTP/1.1 \r\nHost: site\r\n\r\n",
		"GET /a HTTP/1.1\r\n",
		"GET /a HTTP/1.1\r\n\r\n",
		"GET /a HTTP/1.1 HTTP/1.0\r\nHost: site\r\n\r\n",
		"GET /a\x00 HTTP/1.1\r\nHost: site\r\n\r\n",
		"GET /\xff HTTP/1.1\r\nHost: site\r\n\r\n",
		"GET /%zz HTTP/1.1\r\nHost: site\r\n\r\n",
		"GET http://other/a HTTP/1.1\r\nHost: site\r\n\r\n",
		"GET other:80 HTTP/1.1\r\nHost: site\r\n\r\n",
		"GET * HTTP/1.1\r\nHost: site\r\n\r\n",
		"GET a HTTP/1.1\r\nHost: site\r\n\r\n",
		"CONNECT /a HTTP/1.1\r\nHost: site\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nHost: other\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nhost: site\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\u00a0\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site, other\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: user@site\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost:\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost : site\r\n\r\n",
		"GET /a HTTP/1.1\r\n Host: site\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nA b: c\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nA\x00: c\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nA: b\x00c\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nA\xe4: b\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\n: b\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nno colon\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nConnection: keep-alive, upgrade\r\nUpgrade: h2c\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nConnection: close\r\n\r\n" + next,
		"GET /a HTTP/1.0\r\nHost: site\r\nConnection: keep-alive\r\n\r\n" + next,
		"GET /a HTTP/1.1\r\nHost: site\r\nA: " + strings.Repeat("x", 5000) + "\r\n\r\n",
		"GET /a HTTP/1.1\r\nHost: site\r\nA: " + strings.Repeat("x", 2<<20) + "\r\n\r\n",
		"GET /" + strings.Repeat("x", 5000) + " HTTP/1.1\r\nHost: site\r\n\r\n",
	} {
		t.Run(text[:min(len(text), 80)], func(t *testing.T) {
			t.Parallel()
			answers, requests, here := answersTo(t, text, true)
			wantAnswers, wantRequests, _ := answersTo(t, text, false)
			if answers != wantAnswers || !slices.Equal(requests, wantRequests) {
				t.Errorf("answered by %q\nto %q,\nand by net/http alone by %q\nto %q", answers, requests, wantAnswers, wantRequests)
			}
			if here > 0 {
				t.Error("it is read here")
			}
		})
	}
}

// answersTo returns all that comes back for a text, without dates, the requests that a handler has of it, and how many of these
// net/http did not read.
func answersTo(t *testing.T, text string, before bool) (answers string, requests []string, here int64) {
	t.Helper()
	var mu sync.Mutex
	address, calls := serving(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		requests = append(requests, fmt.Sprintf("%s %s %s %v %v %q %v", r.Method, r.RequestURI, r.Host, r.Header, r.TransferEncoding, body, err))
		_, _ = io.WriteString(w, "hello")
	}, before)
	c := dial(t, address)
	_, _ = io.WriteString(c, text) // net/http may refuse it before it is whole
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	got, _ := io.ReadAll(c) // a reset is an end as well
	mu.Lock()
	defer mu.Unlock()
	return regexp.MustCompile(`Date: [^\r]*\r\n`).ReplaceAllString(string(got), ""), requests, calls.Load()
}

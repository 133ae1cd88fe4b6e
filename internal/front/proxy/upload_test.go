package proxy

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func newTLSServer(handler http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	server.StartTLS()
	return server
}

// What a client sends is with the application before the client sends more, and the answer with the client
// before the upload has ended.
func TestAnUploadIsStreamed(t *testing.T) {
	s := beforeApp(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		piece := make([]byte, 5)
		for {
			if _, err := io.ReadFull(r.Body, piece); err != nil {
				return
			}
			_, _ = w.Write(piece)
			_ = control.Flush()
		}
	})
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		client, url := http.DefaultClient, s.url
		if protocol == "HTTP/2.0" {
			client, url = overTLS(t, s)
		}
		body, more := io.Pipe()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = io.WriteString(more, "hello") }()
		res, err := client.Do(r)
		if err != nil || res.Proto != protocol {
			t.Fatal(err, res)
		}
		for range 3 {
			read(t, res.Body, "hello")
			go func() { _, _ = io.WriteString(more, "hello") }()
		}
		read(t, res.Body, "hello")
		_ = more.Close()
		if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
			t.Errorf("%q %v", rest, err)
		}
		_ = res.Body.Close()
	}
}

// An application may answer before it has everything, and the client gets that.
func TestAnApplicationMayRefuseAnUpload(t *testing.T) {
	s := beforeApp(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nsome")
	res, err := http.ReadResponse(reader(conn), nil)
	if err != nil || res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Fatal(err, res)
	}
	_ = res.Body.Close()
}

// An upload that the client leaves in the middle is never whole for the application.
func TestAnUploadThatBreaksOffIsNeverWhole(t *testing.T) {
	ended := make(chan error, 1)
	s := beforeApp(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		ended <- err
	})
	for _, head := range []string{"Content-Length: 100\r\n\r\nsome", "Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\n"+head)
		for s.site.running.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		_ = conn.Close()
		if err := <-ended; err == nil {
			t.Error("it looks whole")
		}
	}
	if log := s.log.String(); log != "" {
		t.Errorf("the application is blamed: %s", log)
	}
}

// A slow upload may take as long as it likes; a byte now and then is none.
func TestAnUploadHasAPace(t *testing.T) {
	for name, test := range map[string]struct {
		piece  int
		pause  time.Duration
		pieces int
		whole  bool
	}{
		"a long one":         {64 << 10, 50 * time.Second, 100, true},
		"a byte in a moment": {1, time.Second, 1000, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				conns := make(chan net.Conn, 1)
				conns <- server
				result := make(chan error, 1)
				s := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body := &upload{ReadCloser: r.Body, control: http.NewResponseController(w)}
					defer body.end()
					_, err := io.Copy(io.Discard, body)
					if err == nil {
						time.Sleep(time.Hour) // the answer may take as long as it likes
						err = r.Context().Err()
					}
					result <- err
				})}
				go func() { _ = s.Serve(&oneConn{conns: conns, done: make(chan struct{})}) }()
				go func() { _, _ = io.Copy(io.Discard, client) }()
				_, _ = io.WriteString(client, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
				chunk := chunkOf(test.piece)
				for range test.pieces {
					time.Sleep(test.pause)
					if _, err := io.WriteString(client, chunk); err != nil {
						break
					}
				}
				_, _ = io.WriteString(client, "0\r\n\r\n")
				if err := <-result; (err == nil) != test.whole {
					t.Errorf("it ended with %v", err)
				}
				_ = s.Close()
				_ = client.Close()
			})
		})
	}
}

func chunkOf(size int) string {
	const hex = "0123456789abcdef"
	var head []byte
	for n := size; n > 0; n /= 16 {
		head = append([]byte{hex[n%16]}, head...)
	}
	return string(head) + "\r\n" + strings.Repeat("x", size) + "\r\n"
}

// oneConn is a listener in memory, so that its clock can be that of a test.
type oneConn struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error   { close(l.done); return nil }
func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// The time to answer of one request does not end the upload of the next on its connection.
func TestALongUploadOnAKeptConnection(t *testing.T) {
	s := beforeApp(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "ok")
	})
	s.upstream().answer = 300 * time.Millisecond
	do(t, http.DefaultClient, http.MethodGet, s.url, nil)
	if a := do(t, http.DefaultClient, http.MethodPost, s.url, &slowBody{8}); a.StatusCode != http.StatusOK {
		t.Errorf("answered %d", a.StatusCode)
	}
}

// slowBody is a body of so many pieces, one each 0.1 s.
type slowBody struct{ pieces int }

func (s *slowBody) Read(p []byte) (int, error) {
	if s.pieces == 0 {
		return 0, io.EOF
	}
	s.pieces--
	time.Sleep(100 * time.Millisecond)
	return copy(p, bytes.Repeat([]byte("x"), 1000)), nil
}

// Who asks anew on a kept connection after a request whose body nobody has read to its end has been told
// that it is closed.
func TestAnAnswerBeforeTheWholeUploadClosesTheConnection(t *testing.T) {
	early := beforeApp(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = silent.Close() // nothing listens there
	away := before(t, Target{Network: "tcp", Address: silent.Addr().String()})
	for name, test := range map[string]struct {
		url, request string
		status       int
		closes       bool
	}{
		"no application, a small body": {away.url, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nsome", 503, true},
		"no application, no body":      {away.url, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 503, false},
		"no application, none to come": {away.url, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 503, false},
		"an early answer":              {early.url, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nsome", 413, true},
		"an answer":                    {early.url, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nsome", 413, false},
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(test.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(conn, test.request)
		from := reader(conn)
		res, err := http.ReadResponse(from, nil)
		if err != nil || res.StatusCode != test.status || res.Close != test.closes {
			t.Fatalf("%s: %v, %+v", name, err, res)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if !test.closes {
			_, _ = io.WriteString(conn, test.request)
			again, err := http.ReadResponse(from, nil)
			if err != nil || again.StatusCode != test.status {
				t.Fatalf("%s, once more: %v, %+v", name, err, again)
			}
			_ = again.Body.Close()
		}
		_ = conn.Close()
	}
}

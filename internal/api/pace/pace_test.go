package pace

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
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// wire is a listener in memory, so that its clock can be that of a test.
type wire struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *wire) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *wire) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *wire) Addr() net.Addr { return &net.UnixAddr{Name: "wire", Net: "unix"} }

func (l *wire) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// onWire serves a paced handler for the time of a test in a bubble.
func onWire(t *testing.T, handler http.HandlerFunc) *wire {
	t.Helper()
	l := &wire{conns: make(chan net.Conn), done: make(chan struct{})}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: Paced(handler), Protocols: protocols, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), <-ended); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l
}

// clients are an HTTP/1.1 and an HTTP/2 client of the wire.
func (l *wire) clients(t *testing.T) map[string]*http.Client {
	t.Helper()
	clients := map[string]*http.Client{}
	for name, set := range map[string]func(*http.Protocols){
		"HTTP/1.1": func(p *http.Protocols) { p.SetHTTP1(true) },
		"HTTP/2":   func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
	} {
		protocols := new(http.Protocols)
		set(protocols)
		transport := &http.Transport{
			Protocols:   protocols,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx) },
		}
		t.Cleanup(transport.CloseIdleConnections)
		clients[name] = &http.Client{Transport: transport}
	}
	return clients
}

// answerOf is what somebody at the other end of the wire may read.
func answerOf(t *testing.T, client *http.Client) io.Reader {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://wire/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response.Body
}

// More than HTTP/2 lets anybody have on the way.
const large = 16 << 20

func TestWhoTakesNothingKeepsNothing(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan error, 1)
			l := onWire(t, func(w http.ResponseWriter, _ *http.Request) {
				_, err := w.Write(make([]byte, large))
				ended <- err
			})
			begun := time.Now()
			answerOf(t, l.clients(t)[protocol]) // and never reads on
			if err := <-ended; err == nil {
				t.Errorf("%s: all of it was written to somebody who takes nothing", protocol)
			}
			if took := time.Since(begun); took > paceTime {
				t.Errorf("%s: the answer rested for %v", protocol, took)
			}
		})
	}
}

func TestWhoTakesAByteAMinuteKeepsNothing(t *testing.T) {
	for name, text := range map[string][]byte{"a page": make([]byte, 100_000), "what fits into a buffer": make([]byte, 10)} {
		synctest.Test(t, func(t *testing.T) {
			l := onWire(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(text) })
			conn, err := l.dial(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: wire\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			for err == nil {
				time.Sleep(time.Minute)
				_, err = conn.Read(make([]byte, 1))
			}
			if took := time.Since(begun); took > paceTime+time.Minute {
				t.Errorf("%s was there for %v", name, took)
			}
		})
	}
}

func TestWhoTakesLittleButSteadilyGetsAll(t *testing.T) {
	const text = 256 << 10
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		synctest.Test(t, func(t *testing.T) {
			l := onWire(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, text)) })
			body := answerOf(t, l.clients(t)[protocol])
			begun := time.Now()
			got := 0
			for {
				time.Sleep(time.Second)
				n, err := body.Read(make([]byte, 1<<10))
				got += n
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatalf("%s: after %d bytes, %v: %v", protocol, got, time.Since(begun), err)
				}
			}
			if got != text || time.Since(begun) < 2*paceTime {
				t.Errorf("%s: %d bytes in %v", protocol, got, time.Since(begun))
			}
		})
	}
}

// Somebody who makes an answer may take as long as it needs.
func TestAStreamThatHasNothingToSayGoesOn(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2"} {
		synctest.Test(t, func(t *testing.T) {
			l := onWire(t, func(w http.ResponseWriter, _ *http.Request) {
				for i := range 3 {
					_, _ = fmt.Fprintf(w, "word %d\n", i)
					if err := http.NewResponseController(w).Flush(); err != nil {
						t.Errorf("%s: %v", protocol, err)
					}
					time.Sleep(10 * paceTime)
				}
			})
			lines := bufio.NewScanner(answerOf(t, l.clients(t)[protocol]))
			heard := 0
			for lines.Scan() {
				heard++
			}
			if err := lines.Err(); err != nil || heard != 3 {
				t.Errorf("%s: heard %d words, %v", protocol, heard, err)
			}
		})
	}
}

// lateWriter is taken from just after the time for it is over, and is told of the
// end of that time a moment late.
type lateWriter struct {
	http.ResponseWriter
	over    atomic.Bool // the handler has returned: the server may use what is behind the writer for others
	touched atomic.Bool // the deadline was set after that
}

func (l *lateWriter) Write(text []byte) (int, error) {
	time.Sleep(paceTime + time.Nanosecond)
	return len(text), nil
}

func (l *lateWriter) SetWriteDeadline(at time.Time) error {
	if at.Before(time.Now()) {
		time.Sleep(time.Second)
	}
	if l.over.Load() {
		l.touched.Store(true)
	}
	return nil
}

// The server of HTTP/2 panics when a writer is touched whose handler has returned;
// on a timer's goroutine that ends the whole daemon.
func TestNothingIsCutOnceItsHandlerHasReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &lateWriter{ResponseWriter: httptest.NewRecorder()}
		Paced(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "taken at the last moment")
		})).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody))
		w.over.Store(true)
		time.Sleep(2 * paceTime)
		if w.touched.Load() {
			t.Error("the writer was touched after its handler had returned")
		}
	})
}

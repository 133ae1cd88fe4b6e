package front

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// pipes is a listener in memory: two ends of ten thousand connections are more files than a test may have.
type pipes struct {
	conns chan net.Conn
	done  <-chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// Ten thousand requests wait, in a bounded memory; who comes then is told why he does not, and all that
// waited are answered.
func TestTenThousandRequestsAreHeld(t *testing.T) {
	const (
		more       = 50
		memoryEach = 64 << 10 // of a held request and its connection, both ends
	)
	f := newFront()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	listener := &pipes{conns: make(chan net.Conn), done: ctx.Done()}
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(ctx, listener) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	hold(t, f)
	before := memory()
	conns := make([]net.Conn, maxHeld+more)
	ask := func(from, to int) {
		for i := from; i < to; i++ {
			conn, server := net.Pipe()
			t.Cleanup(func() { _ = conn.Close() })
			listener.conns <- server
			if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: site.example\r\nCookie: "+strings.Repeat("c", 500)+"\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			conns[i] = conn
		}
	}
	answered := func(i, want int) string {
		_ = conns[i].SetReadDeadline(time.Now().Add(time.Minute))
		answer, err := http.ReadResponse(bufio.NewReaderSize(conns[i], 512), nil)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != want {
			t.Fatalf("request %d: %s %v", i, answer.Status, err)
		}
		return string(text)
	}
	f.gate.longest = time.Minute // they are many, and this machine may be slow
	ask(0, maxHeld)
	untilHeld(t, f, maxHeld)
	if each := (memory() - before) / maxHeld; each > memoryEach {
		t.Errorf("each takes %d bytes", each)
	} else {
		t.Logf("each takes %d bytes", each)
	}
	ask(maxHeld, maxHeld+more)
	for i := maxHeld; i < maxHeld+more; i++ {
		if text := answered(i, http.StatusServiceUnavailable); text != "The site is being handed over: try again in a few seconds.\n" {
			t.Errorf("one more is told %q", text)
		}
	}
	began := time.Now()
	f.Open()
	for i := range maxHeld {
		answered(i, http.StatusOK)
	}
	t.Logf("all were answered within %s", time.Since(began))
}

// memory is what the heap and the stacks take.
func memory() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

package front

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"baton/internal/front/static"
)

// largeFile is more than the kernel keeps for a client that does not read.
const largeFile = 48 << 20

// downloading serves a large file, and returns the body of the answer. Last: it is the
// last request of its connection. Patience: for how long a client that has stalled is
// waited for.
func downloading(t *testing.T, last bool, patience time.Duration) (*Front, io.Reader) {
	t.Helper()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "large.bin"), make([]byte, largeFile), 0o600); err != nil {
		t.Fatal(err)
	}
	f := frontOf(static.New(root, slog.New(slog.DiscardHandler)))
	f.conns.stalled = patience
	f.Open()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(ctx, listener) }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = conn.Close() // nobody reads on
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if err := conn.(*net.TCPConn).SetReadBuffer(1 << 20); err != nil { // else it grows
		t.Fatal(err)
	}
	header := ""
	if last {
		header = "Connection: close\r\n"
	}
	if _, err := fmt.Fprintf(conn, "GET /large.bin HTTP/1.1\r\nHost: site\r\n%s\r\n", header); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(err, response)
	}
	t.Cleanup(func() { _, _ = conn.Close(), response.Body.Close() }) // what is left of it nobody reads
	return f, response.Body
}

// What a handler has written, and the kernel has not sent yet, is not lost.
func TestAHoldWaitsUntilAnswersHaveLeft(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]bool{"kept open": false, "closed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, body := downloading(t, last, time.Minute)
			held := make(chan error, 1)
			go func() { held <- f.Hold(t.Context()) }()
			read := 0
			for chunk := make([]byte, 1<<20); read < largeFile; time.Sleep(2 * time.Millisecond) {
				n, err := io.ReadFull(body, chunk)
				if read += n; err != nil {
					t.Fatalf("after %d bytes: %v", read, err)
				}
				select {
				case err := <-held:
					if left := largeFile - read; err != nil || left > 8<<20 { // what this side's kernel may have
						t.Fatalf("held with %d bytes to come: %v", left, err)
					}
					held <- nil
				default:
				}
			}
			if err := <-held; err != nil {
				t.Error(err)
			}
		})
	}
}

// A client that has stopped reading keeps nobody waiting for long.
func TestAHoldDoesNotWaitForAClientThatHasStalled(t *testing.T) {
	t.Parallel()
	f, _ := downloading(t, false, stalled)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := f.Hold(ctx); !errors.Is(err, RunningError(1)) {
		t.Errorf("told %v", err)
	}
	if took := time.Since(began); took < stalled || took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}

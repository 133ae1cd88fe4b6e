package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"baton/internal/front"
)

// events is an application that sends an event each time that it is told to.
func events(send <-chan string, ended chan<- struct{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case text := <-send:
				_, _ = fmt.Fprintf(w, "data: %s\n\n", text)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				ended <- struct{}{}
				return
			}
		}
	}
}

// An event comes as soon as it was sent; when a hold begins the stream ends whole, at once, and so does
// what the application has of it.
func TestAnEventStreamEndsWholeWithAHold(t *testing.T) {
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(protocol, func(t *testing.T) {
			send, ended := make(chan string), make(chan struct{}, 1)
			s := beforeApp(t, events(send, ended))
			client, url := http.DefaultClient, s.url
			if protocol == "HTTP/2.0" {
				client, url = overTLS(t, s)
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(r)
			if err != nil || res.Proto != protocol {
				t.Fatal(err, res)
			}
			defer func() { _ = res.Body.Close() }()
			got := bufio.NewReader(res.Body)
			for _, text := range []string{"one", "two"} {
				send <- text
				if line, err := got.ReadString('\n'); line != "data: "+text+"\n" {
					t.Errorf("%q %v", line, err)
				}
				_, _ = got.ReadString('\n')
			}
			began := time.Now()
			if err := s.Hold(t.Context()); err != nil {
				t.Errorf("held with %v", err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("the hold took %s", took)
			}
			if rest, err := io.ReadAll(got); err != nil || len(rest) > 0 {
				t.Errorf("it ended with %q %v", rest, err)
			}
			<-ended
			if log := s.log.String(); log != "" {
				t.Errorf("the application is blamed: %s", log)
			}
		})
	}
}

// The server ends, as in a restart that keeps the site up: streams end whole, and are not waited for.
func TestAnEventStreamEndsWholeWithTheServer(t *testing.T) {
	ended := make(chan struct{}, 1)
	s := beforeApp(t, events(nil, ended))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	s.stop()
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("it ended with %q %v", rest, err)
	}
	<-ended
}

// overTLS is the same door with HTTPS, as listen opens it.
func overTLS(t *testing.T, s *stand) (*http.Client, string) {
	t.Helper()
	server := newTLSServer(s.Front)
	t.Cleanup(server.Close)
	return server.Client(), server.URL
}

// A client that leaves takes the application's stream along.
func TestAClientThatLeavesEndsItsStream(t *testing.T) {
	ended := make(chan struct{}, 1)
	s := beforeApp(t, events(nil, ended))
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	leave()
	_ = res.Body.Close()
	<-ended
	if log := s.log.String(); log != "" {
		t.Errorf("the application is blamed: %s", log)
	}
}

// upgraded is an application that changes to websockets, and does with them what it likes.
func upgraded(app func(conn net.Conn, from *bufio.Reader)) func(net.Conn) {
	return func(conn net.Conn) {
		from := reader(conn)
		r, err := http.ReadRequest(from)
		if err != nil {
			return
		}
		if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.Header.Get("Connection") != "Upgrade" {
			_, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "+r.Header.Get("Sec-WebSocket-Key")+"\r\n\r\n")
		app(conn, from)
	}
}

// dialWebsocket changes to a websocket, and returns what comes on it.
func (s *stand) dialWebsocket(t *testing.T) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: site\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: abc\r\nSec-WebSocket-Version: 13\r\n\r\n")
	from := bufio.NewReader(conn)
	res, err := http.ReadResponse(from, nil) //nolint:bodyclose // it has none
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-WebSocket-Accept") != "abc" {
		t.Fatal(err, res)
	}
	return conn, from
}

// closed is the frame with which a websocket ends when a hold begins.
const closed = "\x88\x02\x03\xf4"

// frameOf is one frame of the application's, as long as it is said to be.
func frameOf(size int) string {
	switch {
	case size < 126:
		return string([]byte{0x82, byte(size)}) + strings.Repeat("x", size)
	case size < 1<<16:
		return string([]byte{0x82, 126, byte(size >> 8), byte(size)}) + strings.Repeat("x", size)
	}
	return string([]byte{0x82, 127, 0, 0, 0, 0, byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}) + strings.Repeat("x", size)
}

// held holds, and tells how that ended and how long it took.
func (s *stand) held(t *testing.T) (result chan error) {
	t.Helper()
	result = make(chan error, 1)
	began := time.Now()
	go func() {
		err := s.Hold(t.Context())
		if took := time.Since(began); err == nil && took > 3*time.Second {
			err = fmt.Errorf("it took %s", took)
		}
		result <- err
	}()
	return result
}

func TestAWebsocketIsClosedAtTheEndOfAFrame(t *testing.T) {
	echo := func(conn net.Conn, from *bufio.Reader) { _, _ = io.Copy(conn, from) }
	for name, size := range map[string]int{"nothing": -1, "empty": 0, "small": 5, "medium": 1000, "large": 300_000} {
		t.Run(name, func(t *testing.T) {
			s := beforeRaw(t, upgraded(echo))
			conn, from := s.dialWebsocket(t)
			frame := frameOf(max(size, 0))
			if size < 0 {
				frame = ""
			}
			half := len(frame) / 2
			_, _ = io.WriteString(conn, frame[:half])
			read(t, from, frame[:half])
			hold := s.held(t)
			untilHolding(t, s)
			if half > 0 {
				_, _ = io.WriteString(conn, frame[half:]+frameOf(3)) // the next one is not begun any more
				read(t, from, frame[half:])
			}
			read(t, from, closed)
			_ = conn.(*net.TCPConn).CloseWrite()
			if rest, err := io.ReadAll(from); err != nil || len(rest) > 0 {
				t.Errorf("then %q, %v", rest, err)
			}
			if err := <-hold; err != nil {
				t.Error(err)
			}
		})
	}
}

func read(t *testing.T, from io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(from, got); err != nil || string(got) != want {
		t.Fatalf("%d bytes: %.20q, %v, want %.20q", len(got), got, err, want)
	}
}

func untilHolding(t *testing.T, s *stand) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(r.Context(), 50*time.Millisecond)
		res, err := http.DefaultClient.Do(r.WithContext(ctx))
		cancel()
		if err != nil {
			return
		}
		_ = res.Body.Close()
	}
	t.Fatal("it does not hold")
}

// An application that leaves off in the middle of a frame, or a client that takes nothing and says nothing,
// is cut off after a second.
func TestAWebsocketThatDoesNotEndIsCutOff(t *testing.T) {
	for name, sent := range map[string]string{"half a frame": frameOf(100)[:50], "a client that does not answer": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := beforeRaw(t, upgraded(func(conn net.Conn, from *bufio.Reader) {
				_, _ = io.WriteString(conn, sent)
				_, _ = io.Copy(io.Discard, from)
			}))
			_, from := s.dialWebsocket(t)
			read(t, from, sent)
			if err := <-s.held(t); err != nil {
				t.Error(err)
			}
			if rest, err := io.ReadAll(from); err == nil && string(rest) != "" && string(rest) != closed {
				t.Errorf("then %q", rest)
			}
		})
	}
}

// What either side sends comes to the other; either may end it.
func TestAWebsocketPassesUnchanged(t *testing.T) {
	s := beforeRaw(t, upgraded(func(conn net.Conn, from *bufio.Reader) {
		got := make([]byte, 5)
		_, _ = io.ReadFull(from, got)
		_, _ = io.WriteString(conn, string(got)+frameOf(2)+"\x88\x00")
	}))
	conn, from := s.dialWebsocket(t)
	_, _ = io.WriteString(conn, "\x81\x03abc")
	if all, err := io.ReadAll(from); err != nil || string(all) != "\x81\x03abc"+frameOf(2)+"\x88\x00" {
		t.Errorf("%q %v", all, err)
	}
	if err := s.Hold(t.Context()); err != nil {
		t.Error(err)
	}
}

// A websocket may be silent for as long as it likes, and so may a stream: what an application has to begin its
// answer counts no more.
func TestWhatHasBegunMayBeSilent(t *testing.T) {
	silence := 100 * time.Millisecond
	s := beforeRaw(t, func(conn net.Conn) {
		from := reader(conn)
		r, err := http.ReadRequest(from)
		if err != nil {
			return
		}
		head, rest := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "hello"
		switch r.URL.Path {
		case "/socket":
			head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: abc\r\n\r\n"
		case "/chunks":
			head, rest = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"
		}
		_, _ = io.WriteString(conn, head)
		time.Sleep(silence)
		_, _ = io.WriteString(conn, rest)
	})
	s.upstream().answer = silence / 2
	_, from := s.dialWebsocket(t)
	read(t, from, "hello")
	for _, path := range []string{"/length", "/chunks"} {
		if got := s.get(t, path); got.err != nil || got.body != "hello" {
			t.Errorf("%s: %q %v", path, got.body, got.err)
		}
	}
}

// No other protocol is changed to: what it says would not be looked at.
func TestOnlyWebsocketsAreChangedTo(t *testing.T) {
	s := beforeRaw(t, upgraded(func(net.Conn, *bufio.Reader) { t.Error("changed") }))
	for _, to := range []string{"h2c", "TLS/1.0", "websocket, h2c"} {
		if got := s.get(t, "/", "Connection", "Upgrade", "Upgrade", to); got.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %v", to, got.Response)
		}
	}
}

// The frames of a websocket are found in whatever pieces they come.
func TestFramesAreFoundInPieces(t *testing.T) {
	masked := string([]byte{0x81, 0x80 | 3, 1, 2, 3, 4}) + "abc"
	stream := frameOf(0) + frameOf(5) + masked + frameOf(200) + "\x89\x00" + frameOf(70_000)
	ends := map[int]bool{}
	for _, part := range []string{frameOf(0), frameOf(5), masked, frameOf(200), "\x89\x00", frameOf(70_000)} {
		last := 0
		for at := range ends {
			last = max(last, at)
		}
		ends[last+len(part)] = true
	}
	for _, piece := range []int{1, 2, 3, 7, 1000, len(stream)} {
		var f frame
		for at := 0; at < len(stream); {
			n := f.read([]byte(stream[at:min(at+piece, len(stream))]))
			if at += n; f.between() != ends[at] {
				t.Fatalf("pieces of %d: at %d between frames: %v", piece, at, f.between())
			}
		}
	}
}

// A hold neither waits for what has no end nor leaves out what has one.
func TestAHoldWaitsForWhatEndsBesidesWhatDoesNot(t *testing.T) {
	ended, finish := make(chan struct{}, 1), make(chan struct{})
	stream := events(nil, ended)
	s := beforeApp(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/events" {
			stream(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		<-finish
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	got := make(chan answer, 1)
	go func() { got <- do(t, http.DefaultClient, http.MethodPost, s.url, strings.NewReader("x")) }()
	for s.site.running.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.Hold(ctx); !errors.Is(err, front.RunningError(1)) {
		t.Errorf("held with %v", err)
	}
	close(finish)
	if a := <-got; a.err == nil {
		t.Errorf("a request that was cut off was answered: %v", a.Response)
	}
}

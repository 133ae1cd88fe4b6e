package listen

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baton/internal/certificate"
	"baton/internal/config"
	"baton/internal/pair"
)

// serveSite opens the site's own addresses, and returns where: plain HTTP, then HTTPS.
func serveSite(t *testing.T, site config.Site) (public *Public, at []string) {
	t.Helper()
	own, err := ConsoleCertificate(t.TempDir(), "alpha")
	if err != nil {
		t.Fatal(err)
	}
	site.Listen, site.ListenTLS = []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}
	c := config.Config{Name: "alpha", Site: &site}
	log := slog.New(slog.DiscardHandler)
	doors := NewDoors(c, nil, log)
	doors.Open()
	public = NewPublic(doors, own, nil)
	listeners := New(Listeners{Config: c, Doors: doors, Public: public, Log: log, Inherited: new(Inherited)})
	parts, err := listeners.listenSite(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, len(parts))
	for _, part := range parts {
		go func() { ended <- part.Serve(ctx) }()
	}
	t.Cleanup(func() {
		stop()
		for range parts {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
	for _, listener := range listeners.opened {
		at = append(at, listener.Addr().String())
	}
	return public, at
}

// The site's own TLS port shows its certificate whoever is asked for, also one that comes later, and files as
// well as an application, in HTTP/1.1 and HTTP/2.
func TestTheSiteHasATLSPortOfItsOwn(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "index.html"), []byte("http files"), 0o600); err != nil {
		t.Fatal(err)
	}
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-Proto")+" application")
	}))
	defer application.Close()
	for want, site := range map[string]config.Site{
		"http files":        {Root: root},
		"https application": {Upstream: &config.Upstream{Network: "tcp", Address: application.Listener.Addr().String()}},
	} {
		public, at := serveSite(t, site)
		for proto, major := range protocols() {
			shown := func() string {
				transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{proto}}, ForceAttemptHTTP2: major == 2}
				defer transport.CloseIdleConnections()
				res, err := (&http.Client{Transport: transport}).Get("https://" + at[1] + "/")
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = res.Body.Close() }()
				body, err := io.ReadAll(res.Body)
				if res.ProtoMajor != major || string(body) != want || err != nil || res.Header.Get("Content-Security-Policy") != "" {
					t.Errorf("%s: %s %q %v", proto, res.Proto, body, err)
				}
				return strings.Join(res.TLS.PeerCertificates[0].DNSNames, ",")
			}
			if got := shown(); got != "alpha" {
				t.Errorf("without a certificate of the site: %s", got)
			}
			if err := public.show(pair.Site{HostName: "www.example.org"}, stored(t, time.Hour, "www.example.org")); err != nil {
				t.Fatal(err)
			}
			if got := shown(); got != "www.example.org" {
				t.Errorf("with one: %s", got)
			}
			if err := public.show(pair.Site{}, certificate.Stored{}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A reader of HTTP/2 who takes nothing is not waited for without end; in HTTP/1.1 the connection sees to that, and files are
// sent by the kernel.
func TestStreamsHaveAPace(t *testing.T) {
	for major, paced := range map[int]bool{1: false, 2: true} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.ProtoMajor = major
		pacedStreams(http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
			if _, wrapped := got.(interface{ Unwrap() http.ResponseWriter }); wrapped != paced {
				t.Errorf("HTTP/%d: it has a pace: %t", major, wrapped)
			}
		})).ServeHTTP(w, r)
	}
}

// A websocket over TLS, on a door that holds: it is closed as one without.
func TestAHoldClosesAWebsocketOverTLS(t *testing.T) {
	application, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		conn, err := application.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		from := bufio.NewReader(conn)
		_, _ = http.ReadRequest(from)
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x02hi")
		_, _ = io.Copy(io.Discard, from)
	}()
	defer func() { _ = application.Close() }()
	public, at := serveSite(t, config.Site{Upstream: &config.Upstream{Network: "tcp", Address: application.Addr().String()}})
	conn, err := tls.Dial("tcp", at[1], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	from := bufio.NewReader(conn)
	if res, err := http.ReadResponse(from, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols { //nolint:bodyclose // it has none
		t.Fatal(err, res)
	}
	frame := make([]byte, 4)
	if _, err := io.ReadFull(from, frame); err != nil || string(frame) != "\x81\x02hi" {
		t.Fatalf("%q %v", frame, err)
	}
	held := make(chan error, 1)
	go func() { held <- public.doors.Hold(t.Context()) }()
	if rest, err := io.ReadAll(from); string(rest) != "\x88\x02\x03\xf4" || err != nil {
		t.Errorf("%q %v", rest, err)
	}
	_ = conn.Close()
	if err := <-held; err != nil {
		t.Error(err)
	}
}

// Where the console answers as well, an application's pages have an origin of their own, whatever
// the application sends before its answer.
func TestAnApplicationIsSandboxedWhereTheConsoleIs(t *testing.T) {
	application, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = application.Close() }()
	go func() {
		for {
			conn, err := application.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_, _ = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Security-Policy: default-src *\r\nContent-Length: 4\r\n\r\nevil")
			_ = conn.Close()
		}
	}()
	c := config.Config{Name: "alpha", Site: &config.Site{Upstream: &config.Upstream{Network: "tcp", Address: application.Addr().String()}}}
	p := &Public{doors: NewDoors(c, nil, slog.New(slog.DiscardHandler)), certificates: &certificates{}}
	p.doors.Open()
	server := httptest.NewServer(p.besideConsole(p.doors.Console()))
	defer server.Close()
	res, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if policy := res.Header["Content-Security-Policy"]; len(policy) != 2 || policy[0] != sandbox {
		t.Errorf("%v", policy)
	}
}

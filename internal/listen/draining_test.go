package listen

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"baton/internal/config"
	"baton/internal/front"
	"baton/internal/peer"
)

// largeFile is more than the kernel keeps for a client that does not read.
const largeFile = 48 << 20

// smallFile is what the kernel takes at once, and a client that does not read does not.
const smallFile = 1 << 20

// served is a TLS port with a site that has a large file, and a client.
type served struct {
	doors  Doors
	client *http.Client
	resume context.CancelFunc // has the client's machine go on
	url    string
}

// pausing is a client's connection whose machine takes the beginning, and nothing more until
// resumed is done.
type pausing struct {
	net.Conn
	resumed context.Context //nolint:containedctx // for a test, the shortest way
	taken   int
}

// Read implements net.Conn.
func (p *pausing) Read(b []byte) (int, error) {
	if p.taken > smallFile/8 {
		<-p.resumed.Done()
	}
	n, err := p.Conn.Read(b)
	p.taken += n
	return n, err
}

func serveLarge(t *testing.T, protocol string) *served {
	t.Helper()
	root, log := t.TempDir(), slog.New(slog.DiscardHandler)
	for name, size := range map[string]int{"large.bin": largeFile, "small.bin": smallFile} {
		if err := os.WriteFile(filepath.Join(root, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	identity, err := peer.LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link, err := peer.New(peer.Options{Identity: identity, Keeper: noSecrets{}, Self: func() peer.Hello { return peer.Hello{} }, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	own, err := ConsoleCertificate(t.TempDir(), "alpha")
	if err != nil {
		t.Fatal(err)
	}
	doors := NewDoors(config.Config{Name: "alpha", Site: &config.Site{Root: root}}, nil, log)
	doors.Open()
	listeners := New(Listeners{Link: link, Doors: doors, Public: &Public{doors: doors, certificates: &certificates{console: own}}, Log: log})
	socket, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() {
		ended <- listeners.ServeTLS(ctx, newAdmission(listeners.isPeer).guard(socket), besideOther(doors.Console()))
	}()
	resumed, resume := context.WithCancel(context.WithoutCancel(t.Context()))
	s := &served{doors: doors, resume: resume, url: "https://" + socket.Addr().String()}
	transport := &http.Transport{
		Protocols:       new(http.Protocols),
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				err = conn.(*net.TCPConn).SetReadBuffer(64 << 10) // else it grows
			}
			return &pausing{Conn: conn, resumed: resumed}, err
		},
	}
	transport.Protocols.SetHTTP1(protocol == "http/1.1")
	transport.Protocols.SetHTTP2(protocol == "h2")
	s.client = &http.Client{Transport: transport}
	t.Cleanup(func() {
		resume()
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// besideOther answers at one path with what is not of the site.
func besideOther(site http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", site)
	mux.HandleFunc("/other", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, largeFile)) })
	return mux
}

// ask begins a download.
func (s *served) ask(t *testing.T, path string, major int) io.Reader {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.ProtoMajor != major {
		t.Fatalf("%s %s", response.Proto, response.Status)
	}
	return response.Body
}

// protocols that browsers speak on the TLS port, and their major versions.
func protocols() map[string]int { return map[string]int{"http/1.1": 1, "h2": 2} }

// What a handler has written, and the kernel has not sent yet, is not lost.
func TestAHoldOfTheTLSPortWaitsForTheKernel(t *testing.T) {
	for protocol, major := range protocols() {
		t.Run(protocol, func(t *testing.T) {
			s := serveLarge(t, protocol)
			body := s.ask(t, "/small.bin", major)
			time.Sleep(100 * time.Millisecond) // for the handler to end
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if err := s.doors.Hold(ctx); !errors.Is(err, front.RunningError(1)) {
				t.Errorf("nothing is taken: held with %v", err)
			}
			s.resume()
			if n, err := io.Copy(io.Discard, body); n != smallFile || err != nil {
				t.Errorf("%d bytes: %v", n, err)
			}
			if err := s.doors.Hold(t.Context()); err != nil {
				t.Errorf("all is taken: held with %v", err)
			}
		})
	}
}

// A client that has stopped reading keeps nobody waiting for long: one whose machine takes
// nothing, and one whose machine takes everything and lets no more be sent.
func TestAHoldOfTheTLSPortDoesNotWaitForAClientThatHasStalled(t *testing.T) {
	for protocol, major := range protocols() {
		for _, machine := range []bool{true, false} {
			t.Run(protocol, func(t *testing.T) {
				s := serveLarge(t, protocol)
				s.ask(t, "/large.bin", major)
				if !machine {
					s.resume()
				}
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				defer cancel()
				began := time.Now()
				if err := s.doors.Hold(ctx); !errors.Is(err, front.RunningError(1)) {
					t.Errorf("held with %v", err)
				}
				if took := time.Since(began); took < time.Second/2 || took > 12*time.Second {
					t.Errorf("it took %s", took)
				}
			})
		}
	}
}

// A connection that has asked for nothing of the site is not waited for, as one of the console.
func TestAHoldOfTheTLSPortWaitsForTheSiteAlone(t *testing.T) {
	for protocol, major := range protocols() {
		t.Run(protocol, func(t *testing.T) {
			s := serveLarge(t, protocol)
			s.ask(t, "/other", major)
			ended, cancel := context.WithDeadline(t.Context(), time.Now())
			defer cancel()
			if err := s.doors.Hold(ended); err != nil {
				t.Errorf("held with %v", err)
			}
		})
	}
}

package listen

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"baton/internal/config"
	"baton/internal/front"
	"baton/internal/pair"
)

// inspected is a site that tells what it was asked.
type inspected struct{}

func (inspected) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("X-Seen", fmt.Sprintf("%s %s host=%s client=%s tls=%t passed=%q", r.Method, r.RequestURI, r.Host, r.RemoteAddr, r.TLS != nil, r.Header.Get(uriHeader)))
	w.WriteHeader(http.StatusTeapot)
	_, _ = w.Write(body)
}

func (inspected) SetPage(pair.Site) error { return nil }

// The new primary's site meets a request that was passed on as if its client had asked there;
// and not at all before it is opened to the peer.
func TestARequestArrivesAsItsClientMadeIt(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	beta := NewDoors(config.Config{Name: "beta"}, nil, log)
	beta.site = inspected{}
	beta.fromPeer = front.New("beta", beta.site, 0, log)
	link := httptest.NewServer(beta.PassedOn())
	defer link.Close()
	toPeer := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, link.Listener.Addr().String())
	}}
	passing := passingOn(toPeer, log)
	ask := func() *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "https://site.example/a%2Fb?q=1", strings.NewReader("body"))
		r.RemoteAddr = "192.0.2.7:1234"
		r.Header.Set(uriHeader, "/forged")
		r.Header.Set(tlsHeader, "forged")
		w := httptest.NewRecorder()
		passing.ServeHTTP(w, r)
		return w
	}
	if w := ask(); w.Code != http.StatusServiceUnavailable {
		t.Errorf("before the door is open, the peer answers %d", w.Code)
	}
	beta.OpenToPeer()
	w := ask()
	if want := `PUT /a%2Fb?q=1 host=site.example client=192.0.2.7:1234 tls=true passed=""`; w.Code != http.StatusTeapot || w.Header().Get("X-Seen") != want || w.Body.String() != "body" {
		t.Errorf("answered %d %q, the site saw %s, want %s", w.Code, w.Body, w.Header().Get("X-Seen"), want)
	}
}

// A peer that does not answer ends the client's connection: nobody knows whether it got the request.
func TestARequestWithoutAnAnswerEndsItsConnection(t *testing.T) {
	passing := passingOn(silent{}, slog.New(slog.DiscardHandler))
	defer func() {
		if got := recover(); got != http.ErrAbortHandler { //nolint:errorlint // as net/http compares it
			t.Errorf("ended with %v", got)
		}
	}()
	passing.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://site.example/", http.NoBody))
}

type silent struct{}

func (silent) RoundTrip(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

// slowPeer answers after a while, and counts what it is asked.
type slowPeer struct{ asked *atomic.Int32 }

func (s slowPeer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked.Add(1)
	select {
	case <-time.After(5 * time.Millisecond):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 2, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("peer")), ContentLength: 4, Request: r}, nil
}

// Nobody who was held is cut off, however soon the door closes after Forward.
func TestForwardCutsNobodyOff(t *testing.T) {
	for _, n := range []int{1, 5, 50} {
		for range 20 {
			var asked, cut atomic.Int32
			d := NewDoors(config.Config{Name: "alpha", Site: &config.Site{Root: t.TempDir(), Listen: []string{"127.0.0.1:0"}}}, slowPeer{&asked}, slog.New(slog.DiscardHandler))
			listener, err := open(t.Context(), "127.0.0.1:0", sitePort)
			if err != nil {
				t.Fatal(err)
			}
			d.newcomers.add(listener)
			ctx, stop := context.WithCancel(t.Context())
			served := make(chan struct{})
			go func() { defer close(served); _ = d.all[1].Serve(ctx, listener) }()
			d.Open()
			_ = d.Hold(t.Context())
			var asking sync.WaitGroup
			for range n {
				asking.Go(func() {
					client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
					res, err := client.Post("http://"+listener.Addr().String(), "text/plain", strings.NewReader("write"))
					if err != nil || res.StatusCode != http.StatusOK {
						cut.Add(1)
						return
					}
					_ = res.Body.Close()
				})
			}
			time.Sleep(30 * time.Millisecond)
			err = d.Forward(t.Context())
			d.Close()
			asking.Wait()
			stop()
			<-served
			if cut.Load() > 0 {
				t.Errorf("%d held, %v: %d reached the peer, %d without an answer", n, err, asked.Load(), cut.Load())
			}
		}
	}
}

// A Forward that comes after the door was moved again moves nothing; and a primary that is
// open takes nothing from its peer.
func TestALateForwardMovesNothing(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	var asked atomic.Int32
	d := NewDoors(config.Config{Name: "alpha"}, slowPeer{&asked}, log)
	listener, err := open(t.Context(), "127.0.0.1:0", sitePort)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	d.newcomers.add(listener)
	d.newcomers.shared = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	d.Open()
	ctx, cancel := context.WithCancel(t.Context())
	_ = d.Hold(ctx)
	cancel()
	d.Close()
	_ = d.Forward(ctx)
	w := httptest.NewRecorder()
	d.Console().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://alpha/", http.NoBody))
	if w.Code != http.StatusServiceUnavailable || asked.Load() > 0 {
		t.Errorf("a closed door answers %d; the peer was asked %d times", w.Code, asked.Load())
	}
	d.Open()
	_ = d.Forward(ctx)
	if conn, err := net.DialTimeout("tcp", listener.Addr().String(), time.Second); err != nil {
		t.Errorf("at an open door: %v", err)
	} else {
		_ = conn.Close()
	}
	passed := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", http.NoBody)
	passed.Header.Set(uriHeader, "/")
	w = httptest.NewRecorder()
	d.PassedOn().ServeHTTP(w, passed)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("an open primary answers what its peer passes on: %d", w.Code)
	}
}

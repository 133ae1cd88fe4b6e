package listen

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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

package listen

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"baton/internal/certificate"
	"baton/internal/config"
	"baton/internal/pair"
	"baton/internal/peer"
)

// noSecrets keeps nothing.
type noSecrets struct{}

func (noSecrets) Load() (peer.Secrets, error) { return peer.Secrets{}, nil }
func (noSecrets) Save(peer.Secrets) error     { return nil }

// sharedLoopback stands for a shared IP.
const sharedLoopback = "127.0.0.2"

// shownAt is a TLS port on loopback and on the address that stands for a shared IP.
type shownAt struct {
	public *Public
	ports  map[string]string
}

func serveCertificates(t *testing.T) *shownAt {
	t.Helper()
	identity, err := peer.LoadIdentity(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link, err := peer.New(peer.Options{Identity: identity, Keeper: noSecrets{}, Self: func() peer.Hello { return peer.Hello{} }, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	own, err := ConsoleCertificate(t.TempDir(), "alpha")
	if err != nil {
		t.Fatal(err)
	}
	shared := []pair.SharedIP{{Address: netip.MustParsePrefix(sharedLoopback + "/8"), Interface: "lo"}}
	doors := NewDoors(config.Config{Name: "alpha"}, nil, slog.New(slog.DiscardHandler))
	doors.Open()
	at := &shownAt{public: &Public{doors: doors, certificates: &certificates{console: own, shared: shared}}, ports: map[string]string{}}
	for _, host := range []string{"127.0.0.1", sharedLoopback} {
		listener, err := net.Listen("tcp", host+":0")
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewUnstartedServer(doors.Console())
		server.Listener = listener
		server.TLS = link.TLS(at.public.certificates.tls())
		link.Attach(server.Config)
		server.StartTLS()
		t.Cleanup(server.Close)
		at.ports[host] = listener.Addr().String()
	}
	return at
}

// met returns the names of the certificate that a client meets.
func (s *shownAt) met(t *testing.T, host, name string, cache tls.ClientSessionCache, protocols ...string) (names string, state tls.ConnectionState) {
	t.Helper()
	client := &tls.Config{ServerName: name, InsecureSkipVerify: true, ClientSessionCache: cache, NextProtos: protocols}
	conn, err := tls.Dial("tcp", s.ports[host], client)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	state = conn.ConnectionState()
	if cache != nil { // a ticket comes behind the handshake
		_, _ = conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
		_, _ = conn.Read(make([]byte, 1))
	}
	return strings.Join(state.PeerCertificates[0].DNSNames, ","), state
}

func stored(t *testing.T, lasting time.Duration, names ...string) certificate.Stored {
	t.Helper()
	made, err := certificate.SelfSigned(certificate.Hosts{Names: names}, time.Now(), lasting)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := certificate.Site{Certificate: made}.Stored()
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func TestTheSiteShowsItsCertificateWhereItIsAskedFor(t *testing.T) {
	at := serveCertificates(t)
	check := func(when, host, name, want string) {
		t.Helper()
		if got, _ := at.met(t, host, name, nil); got != want {
			t.Errorf("%s, %q at %s: met the certificate of %s, want %s", when, name, host, got, want)
		}
	}
	check("none saved", sharedLoopback, "www.example.org", "alpha")
	site := pair.Site{HostName: "www.example.org"}
	if err := at.public.show(site, stored(t, time.Hour, "www.example.org", "*.example.net")); err != nil {
		t.Fatal(err)
	}
	const shown = "www.example.org,*.example.net"
	check("saved", "127.0.0.1", "www.example.org", shown)
	check("saved", "127.0.0.1", "WWW.Example.ORG", shown)
	check("saved", "127.0.0.1", "a.example.net", shown)
	check("saved", sharedLoopback, "", shown)
	check("saved", sharedLoopback, "other.example.com", shown)
	check("saved", "127.0.0.1", "", "alpha")
	check("saved", "127.0.0.1", "alpha", "alpha")
	check("saved", "127.0.0.1", "example.org", "alpha")
	if err := at.public.show(pair.Site{HostName: "new.example.com"}, stored(t, time.Hour, "other.example.com")); err != nil {
		t.Fatal(err)
	}
	check("replaced", "127.0.0.1", "new.example.com", "other.example.com")
	check("replaced", "127.0.0.1", "www.example.org", "alpha")
	if err := at.public.show(site, certificate.Stored{}); err != nil {
		t.Fatal(err)
	}
	check("removed", sharedLoopback, "www.example.org", "alpha")
}

func TestAChangeOfTheCertificateEndsItsSessions(t *testing.T) {
	at := serveCertificates(t)
	site := pair.Site{HostName: "www.example.org"}
	first := stored(t, time.Hour, "www.example.org")
	cache := tls.NewLRUClientSessionCache(4)
	resumed := func() bool {
		_, state := at.met(t, sharedLoopback, "www.example.org", cache)
		return state.DidResume
	}
	if err := at.public.show(site, first); err != nil {
		t.Fatal(err)
	}
	if resumed() || !resumed() {
		t.Fatal("sessions are not resumed at all: the test proves nothing")
	}
	site.Title = "Back soon"
	if err := errors.Join(at.public.show(site, first), at.public.show(site, first)); err != nil {
		t.Fatal(err)
	}
	if err := at.public.show(site, stored(t, time.Hour, "www.example.org", "again")); err != nil {
		t.Fatal(err)
	}
	if resumed() {
		t.Error("a session outlived its certificate")
	}
}

func TestThePeerLinkNeverMeetsACertificateOfTheSite(t *testing.T) {
	at := serveCertificates(t)
	identity := func() []byte {
		client := &tls.Config{ServerName: "www.example.org", InsecureSkipVerify: true, NextProtos: []string{peer.ALPN}, MinVersion: tls.VersionTLS13}
		var met []byte
		client.VerifyPeerCertificate = func(raw [][]byte, _ [][]*x509.Certificate) error { met = raw[0]; return nil }
		conn, err := tls.Dial("tcp", at.ports[sharedLoopback], client)
		if err == nil {
			_ = conn.Close()
		}
		return met
	}
	before := identity()
	if len(before) == 0 {
		t.Fatal("no identity met")
	}
	for _, document := range []certificate.Stored{stored(t, time.Hour, "www.example.org"), stored(t, time.Hour, "www.example.org"), {}} {
		if err := at.public.show(pair.Site{HostName: "www.example.org"}, document); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(identity(), before) {
			t.Error("the peer link's identity changed with the site's certificate")
		}
	}
}

func TestADamagedCertificateLeavesTheOneBeforeInForce(t *testing.T) {
	at := serveCertificates(t)
	if err := at.public.show(pair.Site{}, stored(t, time.Hour, "www.example.org")); err != nil {
		t.Fatal(err)
	}
	if err := at.public.show(pair.Site{}, certificate.Stored{Chain: "damaged", Key: "damaged"}); err == nil {
		t.Error("taken")
	}
	if got, _ := at.met(t, sharedLoopback, "", nil); got != "www.example.org" {
		t.Errorf("met the certificate of %s", got)
	}
}

func TestAnExpiringCertificateIsACondition(t *testing.T) {
	at := serveCertificates(t)
	certificates := at.public.certificates
	if got := certificates.expiring(time.Now()); got != nil {
		t.Errorf("without a certificate: %v", got)
	}
	if err := at.public.show(pair.Site{}, stored(t, 100*24*time.Hour, "www.example.org")); err != nil {
		t.Fatal(err)
	}
	for days, want := range map[int]pair.Severity{69: "", 71: pair.Warning, 99: pair.Warning, 101: pair.Critical} {
		found := certificates.expiring(time.Now().AddDate(0, 0, days))
		if want == "" && len(found) > 0 || want != "" && (len(found) != 1 || found[0].Severity != want || found[0].NextStep == "") {
			t.Errorf("after %d days: %+v, want %v", days, found, want)
		}
	}
}

func TestThePublicPageIsShownOnTheTLSPort(t *testing.T) {
	at := serveCertificates(t)
	if err := at.public.show(pair.Site{Title: "Back soon"}, certificate.Stored{}); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	response, err := client.Get("https://" + at.ports["127.0.0.1"] + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("%d %v", response.StatusCode, response.Header)
	}
}

package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"baton/internal/cause"
	"baton/internal/certificate"
	"baton/internal/front"
	"baton/internal/pair"
)

// opened is a TLS port on loopback; without a handler, it answers as the console's does.
func opened(t *testing.T, a *Appliance, handler http.Handler) (address string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	listeners, err := a.listeners()
	if err != nil {
		t.Fatal(err)
	}
	if handler == nil {
		handler = listeners.Routes()
	}
	go func() { ended <- listeners.ServeTLS(ctx, listener, handler) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

// wholePort has all that the port answers: console, API and site.
func wholePort(t *testing.T, a *Appliance) (address string) {
	t.Helper()
	return opened(t, a, nil)
}

// clientFrom asks from an address of this machine.
func clientFrom(t *testing.T, source string) *http.Client {
	t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
	transport := &http.Transport{DialContext: dialer.DialContext, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

type answered struct {
	status int
	header http.Header
	body   string
}

// asked asks the port, by a name.
func asked(t *testing.T, client *http.Client, address, name, path, accept string) answered {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = name
	request.Header.Set("Accept", accept)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{response.StatusCode, response.Header, string(body)}
}

func TestAllowedNetworksGoByWhereAConnectionComesFrom(t *testing.T) {
	b := withUsers(t)
	address := wholePort(t, b.Appliance)
	inside, outside := clientFrom(t, "127.0.0.1"), clientFrom(t, "127.0.0.2")
	saved, err := b.Security(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if saved.Values, err = pair.With(saved.Values, map[string]string{"console_networks": "127.0.0.1/32"}); err != nil {
		t.Fatal(err)
	}
	for path, allowed := range map[string]int{"/login": http.StatusOK, "/login/assets/none": http.StatusNotFound, "/api/v1/status": http.StatusUnauthorized} {
		if got := asked(t, outside, address, address, path, "*/*"); got.status != allowed {
			t.Errorf("%s, without allowed networks: %d", path, got.status)
		}
	}
	if _, err := b.SaveSecurity(fromLocal(t.Context()), saved); err != nil {
		t.Fatal(err)
	}
	for path, allowed := range map[string]int{"/login": http.StatusOK, "/login/assets/none": http.StatusNotFound, "/api/v1/status": http.StatusUnauthorized} {
		if got := asked(t, inside, address, address, path, "*/*"); got.status != allowed {
			t.Errorf("%s, from inside: %d", path, got.status)
		}
		if got := asked(t, outside, address, address, path, "*/*"); got.status != http.StatusForbidden || !strings.Contains(got.body, "allowed networks") {
			t.Errorf("%s, from outside: %d %s", path, got.status, got.body)
		}
	}
}

func TestAtTheSitesHostNameThereIsNoConsole(t *testing.T) {
	b := withUsers(t)
	address := wholePort(t, b.Appliance)
	show := func() (pair.Site, certificate.Stored, error) {
		return pair.Site{HostName: "www.example.org"}, certificate.Stored{}, nil
	}
	if err := b.public.Read(show); err != nil {
		t.Fatal(err)
	}
	client := clientFrom(t, "127.0.0.1")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"www.example.org", "WWW.example.org:443", "www.example.org:" + port} {
		page := asked(t, client, address, name, "/login/status", "text/html")
		if page.status != http.StatusForbidden || page.header.Get("Set-Cookie") != "" || !strings.Contains(page.body, "The console is not here") {
			t.Errorf("%s: %d %v %s", name, page.status, page.header, page.body)
		}
		if strings.Contains(page.body, port) || strings.Contains(strings.ToLower(page.body), "www.example.org") {
			t.Errorf("%s: what was asked for is in the answer: %s", name, page.body)
		}
	}
	if page := asked(t, client, address, address, "/login", "text/html"); page.status != http.StatusOK || !strings.Contains(page.body, "Sign in") {
		t.Errorf("at the address: %d %s", page.status, page.body)
	}
	if problem := asked(t, client, address, "www.example.org", "/login", "application/json"); problem.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("to a program: %v", problem)
	}
}

func TestAConnectionHasABoundedNumberOfRequests(t *testing.T) {
	b := withUsers(t)
	var running atomic.Int64
	release := make(chan struct{})
	address := opened(t, b.Appliance, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		running.Add(1)
		<-release
	}))
	t.Cleanup(func() { close(release) })
	conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}}}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	const tooMany = 20
	framer := http2.NewFramer(conn, conn)
	var fields strings.Builder
	encoder := hpack.NewEncoder(&fields)
	write := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = io.WriteString(conn, http2.ClientPreface)
	write(err)
	write(framer.WriteSettings())
	for i := range front.MostStreams + tooMany {
		fields.Reset()
		for _, field := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "alpha"}, {":path", "/"}} {
			write(encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}))
		}
		write(framer.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: []byte(fields.String()), EndStream: true, EndHeaders: true}))
	}
	for refused := 0; refused < tooMany; {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("%d refused: %v", refused, err)
		}
		if _, reset := frame.(*http2.RSTStreamFrame); reset {
			refused++
		}
	}
	if n := running.Load(); n > front.MostStreams {
		t.Errorf("%d run at a time", n)
	}
}

// A port that another program has is told in one sentence with the next step, before
// anything begins, and by config check.
func TestAPortThatIsTakenIsToldWithTheNextStep(t *testing.T) {
	other, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	taken := other.Addr().String()
	dir := t.TempDir()
	file := filepath.Join(dir, "baton.toml")
	for setting, text := range map[string]string{
		"change listen in the configuration file":           fmt.Sprintf("listen = [%q]\n", taken),
		"change listen in [site] in the configuration file": fmt.Sprintf("listen = [%q]\n[site]\nlisten = [%q]\nroot = %q\n", strings.Replace(taken, "127.0.0.1", "127.0.0.2", 1), taken, dir),
	} {
		text = fmt.Sprintf("data_dir = %q\nsocket = %q\n", filepath.Join(dir, "data"), filepath.Join(dir, "socket")) + text
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		commands := Commands("test")
		_, checked := commands.ConfigCheck(file)
		for what, err := range map[string]error{"check": checked, "serve": commands.Serve(t.Context(), file)} {
			if err == nil || !strings.HasPrefix(err.Error(), "another program listens on "+taken+": see which one with ss -ltnp") ||
				!strings.Contains(err.Error(), setting) || cause.Rough(err.Error()) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
			t.Error("something had begun")
		}
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if warnings, err := Commands("test").ConfigCheck(file); err != nil || len(warnings) > 0 {
		t.Errorf("the port is free again: %v, %v", warnings, err)
	}
}

// What the file names and this machine has not is a warning: it may come later.
func TestConfigCheckWarnsOfWhatIsAbsent(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "baton.toml")
	for site, want := range map[string]string{
		fmt.Sprintf("root = %q", filepath.Join(dir, "www")):                  filepath.Join(dir, "www"),
		fmt.Sprintf("upstream = %q", "unix:"+filepath.Join(dir, "app.sock")): "nothing listens at unix:" + filepath.Join(dir, "app.sock"),
	} {
		text := fmt.Sprintf("data_dir = %[1]q\nsocket = %[2]q\nlisten = [\"127.0.0.1:1\", \"198.51.100.7:1\"]\n[[shared_ip]]\naddress = \"198.51.100.10/24\"\ninterface = \"eth9none\"\n[site]\n%[3]s\nlisten = [\"127.0.0.1:2\"]\n",
			filepath.Join(dir, "data"), filepath.Join(dir, "socket"), site)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		warnings, err := Commands("test").ConfigCheck(file)
		if err != nil || len(warnings) != 3 || !strings.Contains(warnings[0], "no interface eth9none") ||
			!strings.HasPrefix(warnings[1], "listen[1]: no interface of this machine has 198.51.100.7 now") || !strings.Contains(warnings[2], want) {
			t.Errorf("%q, %v", warnings, err)
		}
	}
}

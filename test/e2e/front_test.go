//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"baton/internal/pair"
)

// socketOf is where the application of an appliance listens.
const socketOf = "app.sock"

// numbersFile is the file of the application, which is protected.
const numbersFile = "numbers.log"

// application answers a number once it is on disk. It runs on both appliances, and only
// who is served by the front of the primary reaches it.
type application struct {
	of     *appliance
	server *http.Server
	mu     sync.Mutex
}

func (a *appliance) application() *application {
	a.t.Helper()
	app := &application{of: a}
	listener, err := net.Listen("unix", a.Path(socketOf))
	if err != nil {
		a.t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /number/{n}", app.number)
	mux.HandleFunc("GET /events", app.events)
	mux.HandleFunc("GET /socket", app.socket)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "up") })
	app.server = &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = app.server.Serve(listener) }()
	a.t.Cleanup(app.close)
	return app
}

func (a *application) close() { _ = a.server.Close() }

func (a *application) number(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	file, err := os.OpenFile(a.of.Path(site(numbersFile)), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(file, r.PathValue("n"))
		err = errors.Join(err, file.Sync(), file.Close())
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = fmt.Fprintf(w, "%s by %s", r.PathValue("n"), a.of.Name())
}

func (a *application) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	for r.Context().Err() == nil {
		_, _ = fmt.Fprintf(w, "data: %s\n\n", a.of.Name())
		_ = http.NewResponseController(w).Flush()
		rest(20 * time.Millisecond)
	}
}

// socket sends frames without end.
func (a *application) socket(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	ended := make(chan struct{})
	go func() { defer close(ended); _, _ = io.Copy(io.Discard, conn) }()
	_, err = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	for err == nil && !isClosed(ended) {
		_, err = io.WriteString(conn, "\x81\x05hello")
		rest(5 * time.Millisecond)
	}
}

// dialSite connects to the site's address from the client.
func (w *world) dialSite(ctx context.Context) (net.Conn, error) {
	return w.lab.Host("client").DialContext(ctx, "tcp", netip.AddrPortFrom(w.shared[0].Addr(), 80).String())
}

// counter posts numbers, one after the other, until it is stopped; it tells which were acknowledged, and how often
// a request was not answered but by a wish to try again.
func (w *world) counter() (stop func() (acknowledged []int, failed []string)) {
	var acknowledged []int
	var failed []string
	client := &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dialSite(ctx) },
	}}
	ended := make(chan struct{})
	var working sync.WaitGroup
	working.Go(func() {
		defer client.CloseIdleConnections()
		for n := 0; !isClosed(ended); {
			res, err := client.Post(fmt.Sprintf("http://%s/number/%d", w.shared[0].Addr(), n), "", nil)
			if err != nil {
				failed = append(failed, err.Error())
				rest(5 * time.Millisecond)
				continue
			}
			body, err := io.ReadAll(res.Body)
			_ = res.Body.Close()
			switch {
			case err != nil:
				failed = append(failed, err.Error())
			case res.StatusCode == http.StatusOK && strings.HasPrefix(string(body), fmt.Sprintf("%d by ", n)):
				acknowledged = append(acknowledged, n)
				n++
			case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
			default:
				failed = append(failed, fmt.Sprintf("%s %q", res.Status, body))
			}
			rest(5 * time.Millisecond)
		}
	})
	return func() ([]int, []string) {
		close(ended)
		working.Wait()
		return acknowledged, failed
	}
}

// has checks that the numbers are in the file of an application.
func (a *application) has(wanted []int) {
	a.of.t.Helper()
	text, err := os.ReadFile(a.of.Path(site(numbersFile)))
	if err != nil {
		a.of.t.Fatal(err)
	}
	there := strings.Fields(string(text))
	missing := slices.DeleteFunc(slices.Clone(wanted), func(n int) bool { return slices.Contains(there, strconv.Itoa(n)) })
	if len(missing) > 0 {
		a.of.t.Errorf("%d of %d numbers that were acknowledged are not on %s: %v", len(missing), len(wanted), a.of.Name(), missing)
	}
}

// endsWhole reads an event stream to its end, which must be that of an event.
func (w *world) endsWhole(result chan<- error) {
	conn, err := w.dialSite(context.Background())
	if err != nil {
		result <- err
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "GET /events HTTP/1.1\r\nHost: site\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		result <- err
		return
	}
	defer func() { _ = res.Body.Close() }()
	all, err := io.ReadAll(res.Body)
	if err == nil && !strings.HasPrefix(string(all), "data: alpha\n") {
		err = fmt.Errorf("it began with %.30q", all)
	}
	result <- err
}

// closesCleanly reads a websocket to its end, which must be the frame that closes it.
func (w *world) closesCleanly(result chan<- error) {
	conn, err := w.dialSite(context.Background())
	if err != nil {
		result <- err
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: site\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	from := bufio.NewReader(conn)
	if res, err := http.ReadResponse(from, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols { //nolint:bodyclose // it has none
		result <- fmt.Errorf("not changed to a websocket: %w", err)
		return
	}
	all, err := io.ReadAll(from)
	frames := strings.TrimSuffix(string(all), "\x88\x02\x03\xf4")
	if err == nil && (len(frames) == len(all) || strings.ReplaceAll(frames, "\x81\x05hello", "") != "") {
		err = fmt.Errorf("it ended with %q", all[max(0, len(all)-20):])
	}
	result <- err
}

// An application behind the front is served through planned switches and a takeover: what it has acknowledged is
// with the next primary, and streams end cleanly.
func TestAnApplicationBehindTheFront(t *testing.T) {
	apps := map[string]*application{}
	w := steadyPair(t, plan{timeout: moderate, upstream: true, prepare: func(a *appliance) { apps[a.Name()] = a.application() }})
	alpha, beta := apps["alpha"], apps["beta"]

	streams := make(chan error, 2)
	go w.endsWhole(streams)
	go w.closesCleanly(streams)
	stop := w.counter()
	rest(time.Second)
	at := time.Now()
	w.beta.baton("become primary --final-sync --wait")
	took := time.Since(at)
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	for range 2 {
		if err := <-streams; err != nil {
			t.Error(err)
		}
	}
	w.settled(w.beta, w.alpha)
	rest(500 * time.Millisecond)
	acknowledged, failed := stop()
	beta.has(acknowledged)
	t.Logf("planned switch in %s: %d numbers acknowledged, %d requests failed: %v", took, len(acknowledged), len(failed), failed)
	if took > 4*time.Second {
		t.Errorf("the switch took %s: it waited for what does not end", took)
	}

	stop = w.counter()
	rest(time.Second)
	w.alpha.baton("sync --wait") // what was acknowledged so far is with alpha
	acknowledged, _ = stop()
	w.alpha.baton("sync --wait")
	beta.close()
	at = w.fault(w.lab.PowerCut(w.beta.Host))
	w.tookOver(w.beta, w.alpha, at, 20*time.Second)
	alpha.has(acknowledged)
}

// While the application is away the front says so, and the primary's condition does; it is served as soon as it is
// back.
func TestAnApplicationThatIsAway(t *testing.T) {
	w := twoDaemons(t, plan{upstream: true})
	w.pair()
	told := func() bool {
		status, err := w.alpha.ask()
		return err == nil && slices.ContainsFunc(status.Conditions, func(c pair.Condition) bool { return c.ID == "site-application-unreachable" })
	}
	eventually(t, "the condition is there", 20*time.Second, told)
	if got := w.alpha.run("", "doctor"); !strings.Contains(got.Out, "where the application behind the public site should be") {
		t.Errorf("the doctor says: %s", got.Out)
	}
	get := func() (int, string) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return w.dialSite(ctx) }}}
		res, err := client.Get("http://" + w.shared[0].Addr().String() + "/")
		if err != nil {
			return 0, err.Error()
		}
		defer func() { _ = res.Body.Close() }()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	began := time.Now()
	if status, body := get(); status != http.StatusServiceUnavailable || !strings.Contains(body, "Back in a moment") || time.Since(began) > 20*time.Second {
		t.Errorf("%d %s after %s", status, body, time.Since(began))
	}
	app := w.alpha.application()
	if status, body := get(); status != http.StatusOK || body != "up" {
		t.Errorf("%d %s", status, body)
	}
	eventually(t, "the condition is gone", 20*time.Second, func() bool { return !told() })
	app.close()
}

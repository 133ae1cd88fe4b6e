package front

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"baton/internal/front/plain"
)

// MostStreams is how many requests one HTTP/2 connection may have open: no fewer than RFC 9113,
// section 6.5.2, advises, and what a busy browser asks for.
const MostStreams = 100

// maxUnread is how many bytes of bodies wait on one HTTP/2 connection until somebody reads them.
const maxUnread = 256 << 10

// HTTP2 bounds what one HTTP/2 connection of a client may ask of a server.
func HTTP2() *http.HTTP2Config {
	return &http.HTTP2Config{MaxConcurrentStreams: MostStreams, MaxReceiveBufferPerConnection: maxUnread, MaxReceiveBufferPerStream: maxUnread}
}

// Bounds of a request's head, besides the time that it has.
const (
	maxHead   = 64 << 10 // bytes
	maxFields = 200      // different headers: thousands of small ones would take far more memory than they are long
)

// applianceHeader names the appliance that answers.
const applianceHeader = "X-Baton-Appliance"

// Timeouts of connections.
const (
	headerTimeout = 10 * time.Second // for a client to say what it wants
	idleTimeout   = 15 * time.Second // for a client to want something more
	stopTimeout   = time.Second      // for running requests when Serve ends
)

// Front is a door, and what serves the site behind it. It starts closed.
type Front struct {
	name   string                       // of the appliance
	site   http.Handler                 // serves the requests that pass
	peer   atomic.Pointer[http.Handler] // answers those that are passed on; set before the gate moves to forwarding
	log    *slog.Logger
	gate   *gate
	conns  connections
	server *http.Server
	kept   atomic.Bool // connections are, after an answer
}

var _ http.Handler = (*Front)(nil)

// New returns a closed door to a site, in the name of an appliance. Held is how long a
// request waits at most while requests are held. The door asks site with the address of the
// client in RemoteAddr, and with TLS set where the client came by HTTPS.
func New(name string, site http.Handler, held time.Duration, log *slog.Logger) *Front {
	f := &Front{name: name, site: site, log: log, gate: newGate(held), conns: connections{stalled: stalled, all: map[net.Conn]*client{}}}
	f.server = &http.Server{
		Handler:           f,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHead,
		HTTP2:             HTTP2(),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	f.Attach(f.server)
	f.keepNone()
	return f
}

// Attach has Hold wait for the answers of a server that asks this door, among others. Its
// connections that ask for nothing of the site are not waited for.
func (f *Front) Attach(server *http.Server) {
	server.ConnState, server.ConnContext = f.conns.note, within
}

// Open lets requests in, also those that were held.
func (f *Front) Open() {
	f.kept.Store(true)
	f.server.SetKeepAlivesEnabled(true)
	f.move(open)
}

// keepNone closes each connection after its answer, and those that are idle.
func (f *Front) keepNone() {
	f.kept.Store(false)
	f.server.SetKeepAlivesEnabled(false)
	f.conns.closeIdle()
}

// RunningError is how many requests still ran when the time that they had was over.
type RunningError int

// Error implements error.
func (r RunningError) Error() string {
	if r == 1 {
		return "1 request still runs"
	}
	return strconv.Itoa(int(r)) + " requests still run"
}

// drainPause is how often a drain looks at what clients have taken.
const drainPause = 5 * time.Millisecond

// endlessTime is what answers that do not end by themselves have to end once a hold has begun.
const endlessTime = time.Second

// Hold makes new requests wait for Open or Close, and returns once those that run have
// ended and their answers have left this machine. It does not wait for clients that have
// stalled. Answers that do not end by themselves are ended. The error, a RunningError, says how
// many requests are left then, or when ctx ends; these are cut off. A ctx that
// was cancelled before Open or Close was called moves nothing afterwards, however late
// Hold is.
func (f *Front) Hold(ctx context.Context) error {
	f.gate.moveFor(ctx, holding)
	began := time.Now()
	pause := time.NewTicker(drainPause)
	defer pause.Stop()
	for before := map[net.Conn]rest{}; ; {
		count, endless, ended := f.gate.running()
		if endless > 0 && time.Since(began) >= endlessTime {
			f.gate.cutEndless()
			endless = 0
		}
		flow := f.conns.sending(before)
		if flow.moving == 0 && count <= flow.running && endless == 0 || ctx.Err() != nil {
			if !errors.Is(ctx.Err(), context.Canceled) {
				f.gate.cutAll() // what they do is not in the last data sync: their clients must not hear of it
			}
			return left(max(count, flow.moving+flow.stuck))
		}
		select {
		case <-ended:
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

func left(running int) error {
	if running == 0 {
		return nil
	}
	return RunningError(running)
}

// Dismiss turns new requests away, and answers those that are held: try again in a
// moment. It returns once every answer is on its way, or ctx ends. It is for a
// release that was planned: once the shared IP is off, nothing reaches a client.
func (f *Front) Dismiss(ctx context.Context) {
	f.move(dismissing)
	select {
	case <-f.gate.noneHeld():
	case <-ctx.Done():
	}
}

// Close turns new requests away. Held requests and idle connections are cut off,
// so that their clients try again at once, and find the new primary. So are requests that
// run, if the site looks at their context.
func (f *Front) Close() {
	f.move(closed)
	f.gate.cutAll()
	f.keepNone()
}

func (f *Front) move(to position) {
	f.gate.move(to)
	f.log.Debug("site gate moved", slog.String("position", to.String()))
}

// Serve answers on a listener until ctx is done, which is no error. Requests that run have a
// moment to end. The gate stays as it is.
func (f *Front) Serve(ctx context.Context, listener net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- f.server.Serve(plain.Listen(listener, f.server, f.kept.Load)) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve site on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	// Shutdown would cut off who has connected just before: so nobody is let in any more, and
	// those who are in have their answer first.
	_ = listener.Close()
	f.gate.endEndless()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("serve site on %s: %w", listener.Addr(), err)
	}
	f.keepNone()
	f.conns.awaitNone(stopTimeout)
	_ = f.server.Close() // what still runs had its time
	f.conns.cutOff()
	return nil
}

// ServeHTTP implements http.Handler.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(applianceHeader, f.name)
	if len(r.Header) > maxFields {
		w.Header().Set("Connection", "close")
		http.Error(w, "This request has too many headers.", http.StatusRequestHeaderFieldsTooLarge)
		return
	}
	a := &answer{ResponseWriter: w, gate: f.gate, streamed: r.ProtoMajor > 1}
	a.conn, _ = r.Context().Value(connKey{}).(net.Conn)
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), answerKey{}, a))
	defer cancel()
	a.cut = cancel
	switch v := f.gate.enter(ctx, a, func() int { return headSize(r) }); v {
	case pass, passOn:
		defer f.gate.leave(a)
		f.conns.begin(a)
		defer f.conns.end(a)
		if v == passOn {
			f.passedOn(a, r.WithContext(ctx))
		} else {
			f.site.ServeHTTP(a, r.WithContext(ctx))
		}
		a.mustGoOn() // else net/http would answer for a site that has written nothing
		if r.Close || v == passOn {
			_ = http.NewResponseController(w).Flush() // a client that is gone takes no answer
			finish(ctx)
		}
	case turnAway:
		f.refuse(w, r)
	case dismiss:
		f.refuse(w, r)
		f.gate.dismissed(a)
	case cutOff:
		panic(http.ErrAbortHandler) // net/http's way to end a connection without an answer
	}
}

// refuse answers that this appliance does not serve the site now. The answer has left
// when it returns.
func (f *Front) refuse(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// Nobody reads the body, but the connection would wait for it. A test's writer may
		// have no deadlines.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(headerTimeout))
	}
	text, kind, status := f.refusal()+"\n", "text/plain; charset=utf-8", http.StatusServiceUnavailable
	if wantsEvents(r) && f.gate.now() != closed {
		text, kind, status = "retry: 1000\n\n", "text/event-stream", http.StatusOK // a browser would not try again after a refusal
	}
	w.Header().Set("Retry-After", "1")
	w.Header().Set("Connection", "close")
	w.Header().Set("Content-Type", kind)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)            // a client that is gone reads no answer
	_ = http.NewResponseController(w).Flush() // nor does it here
}

// wantsEvents reports whether a request is that of an event stream.
func wantsEvents(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Accept"), "text/event-stream")
}

func (f *Front) refusal() string {
	if f.gate.now() == closed {
		return "This appliance is not the primary: the site answers on the shared IP."
	}
	return "The site is being handed over: try again in a few seconds."
}

package front

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"
)

// At the end of a planned switch the peer answers what was held here. Each answer asks its
// client to close the connection. A client that connects meanwhile is answered as well, until
// there is a moment in which nobody is: then nobody is let in any more (which is not for the
// door to see to), those who are in have their answer, and the address can go.

// Bounds of passing requests on.
const (
	passingTime = time.Second            // until new clients are kept out, also where requests still run
	idleGrace   = 100 * time.Millisecond // for a client that has an idle connection to ask for something once more
	freshGrace  = 100 * time.Millisecond // for a client that has connected to say what it wants
	roundTrip   = 40 * time.Millisecond  // for one that was connecting when nobody was let in any more to be seen here
)

// PassOn has the peer answer the requests that are held, and new ones. It returns at a moment
// in which none runs, when they have had a second, or when ctx ends.
func (f *Front) PassOn(ctx context.Context, peer http.Handler) {
	f.peer.Store(&peer)
	f.gate.moveFor(ctx, forwarding)
	began := time.Now()
	pause := time.NewTicker(drainPause)
	defer pause.Stop()
	for ctx.Err() == nil {
		running, _, ended := f.gate.running()
		kept := f.conns.count(func(c *client) bool { return c.ofSite && c.state == http.StateIdle })
		since := time.Since(began)
		if running == 0 && (kept == 0 || since > idleGrace) || since > passingTime {
			return
		}
		select {
		case <-ended:
		case <-pause.C:
		case <-ctx.Done():
		}
	}
}

// Empty closes idle connections, and returns once all that were let in have their answer, and
// it has left this machine. The error, a RunningError, says how many have none when ctx ends.
func (f *Front) Empty(ctx context.Context) error {
	f.keepNone()
	began := time.Now()
	for before := map[net.Conn]rest{}; ; {
		running, _, _ := f.gate.running()
		settled := time.Since(began) > roundTrip
		flow := f.conns.sending(before)
		fresh := f.conns.count(func(c *client) bool { return c.state == http.StateNew && time.Since(c.opened) < freshGrace })
		if settled && flow.moving == 0 && fresh == 0 && running <= flow.running || ctx.Err() != nil {
			return left(max(running, flow.moving+flow.stuck))
		}
		select {
		case <-time.After(drainPause):
		case <-ctx.Done():
		}
	}
}

// passedOn has the peer answer one request.
func (f *Front) passedOn(w http.ResponseWriter, r *http.Request) {
	if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || wantsEvents(r) { // what follows would outlast this appliance's part
		f.refuse(w, r)
		return
	}
	w.Header().Del(applianceHeader) // it was not this one that answered
	(*f.peer.Load()).ServeHTTP(hurried{w}, r)
}

// hurried is the writer of an answer that is passed on. A client that takes nothing of it is cut
// off, as a hold does: what waits for it keeps others on the same connection to the peer waiting.
type hurried struct{ http.ResponseWriter }

// Write implements http.ResponseWriter.
func (h hurried) Write(p []byte) (int, error) {
	defer h.inTime()()
	return h.ResponseWriter.Write(p)
}

// FlushError is what http.ResponseController flushes with.
func (h hurried) FlushError() error {
	defer h.inTime()()
	return http.NewResponseController(h.ResponseWriter).Flush()
}

// inTime bounds what is written until done is called. Between two pieces an answer may rest.
func (h hurried) inTime() (done func()) {
	control := http.NewResponseController(h.ResponseWriter)
	_ = control.SetWriteDeadline(time.Now().Add(stalled)) // a test's writer may have no deadlines
	return func() { _ = control.SetWriteDeadline(time.Time{}) }
}

// Unwrap is for http.ResponseController.
func (h hurried) Unwrap() http.ResponseWriter { return h.ResponseWriter }

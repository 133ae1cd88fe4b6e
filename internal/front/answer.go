package front

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// answer is one that the site is writing.
type answer struct {
	http.ResponseWriter
	gate *gate
	conn net.Conn           // of the client; nil: none of its own
	cut  context.CancelFunc // ends it: the site is told by the request's context
	over atomic.Bool        // it was cut: nothing more of it may leave
	size int                // of the head of its request in memory, while that is held

	streamed bool                      // one of several on its connection, as in HTTP/2
	begun    bool                      // its head is written
	since    atomic.Pointer[time.Time] // when the write began that has not returned; nil: none is under way
	ending   <-chan struct{}           // closed once it is to end, if it does not by itself
	endless  atomic.Bool               // it does not
}

type answerKey struct{}

// Endless notes that the answer to a request does not end by itself, as an event stream: a hold
// does not wait for it. The channel is closed when it is to end, which has to be within a second:
// then the request's context is cancelled. It is nil for a request that came through no door.
func Endless(ctx context.Context) (ending <-chan struct{}) {
	a, ok := ctx.Value(answerKey{}).(*answer)
	if !ok {
		return nil
	}
	a.gate.never(a)
	return a.ending
}

// mustGoOn ends the connection, as net/http's handlers do, if the answer was cut: the site may
// have got it just then.
func (a *answer) mustGoOn() {
	if a.over.Load() {
		panic(http.ErrAbortHandler)
	}
}

// head is called before the head of an answer is written. A client that is answered while the
// door is not open is asked to connect anew for what it wants next: that is elsewhere, maybe.
func (a *answer) head() {
	a.mustGoOn()
	if a.begun {
		return
	}
	a.begun = true
	if !a.gate.isOpen.Load() {
		a.Header().Set("Connection", "close") // in HTTP/2 this becomes a GOAWAY
	}
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK {
		a.head()
	}
	a.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter. A client of HTTP/2 that takes nothing lets the kernel send
// everything, and no more be written.
func (a *answer) Write(p []byte) (int, error) {
	a.head()
	if !a.streamed {
		return a.ResponseWriter.Write(p) // the kernel tells what the client has not taken
	}
	now := time.Now()
	a.since.Store(&now)
	defer a.since.Store(nil)
	return a.ResponseWriter.Write(p)
}

// ReadFrom implements io.ReaderFrom: files are sent by the kernel.
func (a *answer) ReadFrom(from io.Reader) (int64, error) {
	if sends, ok := a.ResponseWriter.(io.ReaderFrom); ok && !a.streamed {
		a.head()
		return sends.ReadFrom(from)
	}
	return io.Copy(struct{ io.Writer }{a}, from)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// headSize is about how many bytes the head of a request takes in memory.
func headSize(r *http.Request) int {
	const request, field = 4 << 10, 64 // what there is besides the text
	n := request + len(r.RequestURI)
	for name, values := range r.Header {
		n += len(name) + field
		for _, value := range values {
			n += len(value) + field/2
		}
	}
	return n
}

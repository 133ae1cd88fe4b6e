package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// The pace of a request's body: a client that is slower is cut off.
const (
	paceBytes = 16 << 10
	paceTime  = time.Minute
)

// upload is the body of a request. It may be as long as it likes, and take as long, but not
// come a byte at a time.
type upload struct {
	io.ReadCloser
	control *http.ResponseController
	left    int  // until it has more time
	kept    bool // its connection stays, whatever becomes of it

	mu    sync.Mutex // held while the server is asked for something: not after the handler has ended
	whole bool       // it was read to its end
	over  bool       // nobody reads it any more
}

// bodyError says that a request did not come to its end.
type bodyError struct{ cause error }

// Error implements error.
func (e *bodyError) Error() string { return fmt.Sprintf("read the request: %s", e.cause) }

// Unwrap leads to the cause.
func (e *bodyError) Unwrap() error { return e.cause }

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	if u.left <= 0 {
		u.left = paceBytes
		u.within(time.Now().Add(paceTime))
	}
	n, err := u.ReadCloser.Read(p)
	u.left -= n
	if err == nil {
		return n, nil
	}
	u.within(time.Time{}) // the answer may take as long as it likes
	if errors.Is(err, io.EOF) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.whole = true
		return n, io.EOF
	}
	return n, &bodyError{err}
}

// within sets until when more has to come. A test's writer may have no deadlines.
func (u *upload) within(deadline time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.over {
		_ = u.control.SetReadDeadline(deadline)
	}
}

// end is called when the answer has ended. Whoever still reads, as the application answered before it
// had everything, is woken.
func (u *upload) end() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.over = true
	if !u.whole {
		_ = u.control.SetReadDeadline(time.Now())
	}
}

type uploadKey struct{}

// announceClose says in the head of an answer that the connection ends with it, if the request has
// not come to its end by then: what is left of it is not read. Connections of HTTP/2 stay.
func announceClose(answer http.Header, r *http.Request) {
	u, is := r.Context().Value(uploadKey{}).(*upload)
	if !is || u.kept {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.whole {
		answer.Set("Connection", "close")
	}
}

package pace

import (
	"io"
	"net/http"
	"time"
)

// timedBody is a body that has to arrive within a time.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

// TimedBody bounds how long a request's body may take to arrive, so that nobody
// keeps a connection by sending a byte now and then.
func TimedBody(w http.ResponseWriter, body io.ReadCloser, within time.Duration) io.ReadCloser {
	made := &timedBody{body, http.NewResponseController(w)}
	// Not every writer has deadlines (a test's recorder has none): then the
	// server's own bound holds.
	_ = made.control.SetReadDeadline(time.Now().Add(within))
	return made
}

// Read implements io.Reader. Once all has arrived the time counts no more: the
// answer may take longer, and a deadline that passes would end its request.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

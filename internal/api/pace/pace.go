// Package pace bounds how long an answer may rest with its reader.
package pace

import (
	"net/http"
	"time"
)

// The pace of an answer: each piece has to be handed over within a time. Without
// buffers on the way 600 bytes a second would be enough. With them it takes more: a
// full one of megabytes, which somebody has left who read fast before, lets nothing
// follow until hundreds of kilobytes were read.
const (
	paceBytes = 16 << 10
	paceTime  = 2 * time.Minute
)

// Paced bounds how long an answer may rest with its reader: a reader that takes a byte a
// minute would keep a goroutine and the answer in memory for ever. The time counts
// for each piece while it is written, so that neither a long download nor a stream
// with nothing to say is cut.
func Paced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paced := &pacedWriter{ResponseWriter: w, control: http.NewResponseController(w), cutOff: make(chan struct{}, 1)}
		paced.late = time.AfterFunc(paceTime, paced.cut)
		paced.late.Stop()
		next.ServeHTTP(paced, r)
		_ = paced.control.SetWriteDeadline(time.Now().Add(paceTime)) // for what the server has kept back so far
	})
}

// pacedWriter is the writer of an answer whose reader keeps up. It has a timer of its
// own: a deadline set and taken back for each piece would be two messages within the
// server of HTTP/2.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	late    *time.Timer   // runs while something is written
	cutOff  chan struct{} // one for each time that it ran out
}

// cut ends what is being written. A writer without deadlines (a test's recorder) is
// bounded by its test.
func (p *pacedWriter) cut() {
	_ = p.control.SetWriteDeadline(time.Unix(1, 0))
	p.cutOff <- struct{}{}
}

// within does one act of writing, in its time. It waits for a cut that is being made:
// once the handler has returned, the server of HTTP/2 panics if its writer is touched.
func (p *pacedWriter) within(act func() error) error {
	p.late.Reset(paceTime)
	defer func() {
		if !p.late.Stop() {
			<-p.cutOff
		}
	}()
	return act()
}

// Write implements io.Writer.
func (p *pacedWriter) Write(text []byte) (written int, err error) {
	for {
		err := p.within(func() error {
			n, err := p.ResponseWriter.Write(text[written:min(len(text), written+paceBytes)])
			written += n
			return err
		})
		if err != nil || written >= len(text) {
			return written, err
		}
	}
}

// FlushError is what http.ResponseController flushes with.
func (p *pacedWriter) FlushError() error { return p.within(p.control.Flush) }

// Unwrap leads http.ResponseController to what this writer leaves as it is.
func (p *pacedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }

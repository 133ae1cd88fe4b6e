package pace

import (
	"context"
	"io"
	"net/http"
	"time"
)

// Answer is a writer of an answer that may take long, at the pace of the limiter: no fixed deadline, but one for
// every write, so that a peer that is gone holds nothing. Once the paced context is over, what is left passes without limit.
func (l *Limiter) Answer(request, paced context.Context, w http.ResponseWriter, idle time.Duration) io.Writer {
	l.Drain()
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Time{}) // not every connection has deadlines
	w.Header().Set("Content-Type", "application/octet-stream")
	return &Writer{
		Context: request, Paced: paced, To: flushWriter{w, control}, Limit: l,
		Before: func() { _ = control.SetWriteDeadline(time.Now().Add(idle)) },
	}
}

type flushWriter struct {
	w       io.Writer
	control *http.ResponseController
}

func (f flushWriter) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	if err == nil {
		err = f.control.Flush()
	}
	return n, err
}

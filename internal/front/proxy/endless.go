package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"

	"baton/internal/front"
)

// IsEndless reports whether the answer is a stream that does not end by itself.
func IsEndless(res *http.Response) bool {
	if res.ContentLength >= 0 {
		return false
	}
	of := kind(res)
	return of == eventStream || of == "multipart/x-mixed-replace"
}

const eventStream = "text/event-stream"

// kind is the media type of an answer.
func kind(res *http.Response) string {
	of, _, _ := strings.Cut(strings.ToLower(res.Header.Get("Content-Type")), ";")
	return strings.TrimSpace(of)
}

// stream is the body of such an answer. It ends whole when a hold begins: then a browser connects anew, and
// leaves out an event that was not complete.
type stream struct {
	*exchange

	over chan struct{} // closed with the body
	once sync.Once
}

func endStream(res *http.Response) io.ReadCloser {
	asked, ok := res.Body.(*exchange)
	if !ok {
		return res.Body // it has no content
	}
	s := &stream{exchange: asked, over: make(chan struct{})}
	ending := front.Endless(res.Request.Context())
	go func() {
		select {
		case <-ending:
			s.stopped.Store(true)
			s.abort()
		case <-s.over:
		}
	}()
	return s
}

// Close implements io.Closer.
func (s *stream) Close() error {
	s.once.Do(func() { close(s.over) })
	return s.exchange.Close()
}

// isWebsocket reports whether a request asks for a websocket: no other protocol is changed to.
func isWebsocket(r *http.Request) bool {
	return r.ProtoMajor == 1 && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// hijacker is the writer of an answer that may become a websocket.
type hijacker struct {
	http.ResponseWriter
	context context.Context //nolint:containedctx // of the request
}

// Hijack implements http.Hijacker.
func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return newWebsocket(h.context, conn), buffered, nil
}

// Unwrap is for http.ResponseController.
func (h *hijacker) Unwrap() http.ResponseWriter { return h.ResponseWriter }

package api

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// streamWriter sends its headers with the first byte, so that a failure before
// it is still a problem.
type streamWriter struct {
	http.ResponseWriter
	control     *http.ResponseController
	contentType string
	started     bool
}

// Write implements io.Writer.
func (w *streamWriter) Write(p []byte) (int, error) {
	w.start()
	return w.ResponseWriter.Write(p)
}

func (w *streamWriter) start() {
	if w.started {
		return
	}
	w.started = true
	w.Header().Set("Content-Type", w.contentType)
	w.WriteHeader(http.StatusOK)
}

// stream answers with what produce writes. A failure after the first byte cuts
// the connection, so that no client takes a part for the whole.
func (s *Server) stream(contentType string, produce func(context.Context, *streamWriter) error) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		_, raw := humago.Unwrap(ctx)
		w := &streamWriter{ResponseWriter: raw, control: http.NewResponseController(raw), contentType: contentType}
		err := produce(ctx.Context(), w)
		switch {
		case err == nil:
			w.start()
		case !w.started:
			problemOf(s.log, err).write(raw)
		default:
			s.log.Warn("stream cut", slog.String("operation", ctx.Operation().OperationID), slog.Any("error", err))
			panic(http.ErrAbortHandler)
		}
	}}
}

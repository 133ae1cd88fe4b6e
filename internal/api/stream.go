package api

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Stream is an operation whose answer is handed over as it streams in.
type Stream[S, Q any] struct {
	route
	question travels
	register func(*Server, route, func(ctx context.Context, question any) (any, error))
	act      func(S, context.Context, Q, *streamWriter) error
}

// as is a route that answers with a stream of this content type.
func (r route) as(contentType string) route {
	r.streams = contentType
	return r
}

// Call asks an appliance, and hands its answer to take as it streams in. Its failures
// are *pair.Refusal, or what take returns.
func (o Stream[S, Q]) Call(ctx context.Context, c *Client, question Q, take func(io.Reader) error) error {
	path, header, body, err := requestOf(o.route, o.question.pack(question).Interface())
	if err != nil {
		return err
	}
	response, err := c.send(ctx, o.method, path, header, body)
	if err != nil {
		return err
	}
	defer discard(response.Body)
	return take(response.Body)
}

func (o Stream[S, Q]) serve(s *Server, subject S) {
	o.register(s, o.route, func(_ context.Context, question any) (any, error) {
		return s.stream(o.streams, func(ctx context.Context, w *streamWriter) error {
			return o.act(subject, ctx, o.question.unpack(question).(Q), w)
		}), nil
	})
}

// stream is an operation whose question Q travels as I.
func stream[I, S, Q any](r route, act func(S, context.Context, Q, *streamWriter) error) Stream[S, Q] {
	return Stream[S, Q]{route: r, act: act, register: register[I, huma.StreamResponse], question: travels{reflect.TypeFor[Q](), reflect.TypeFor[I]()}}
}

// plainly is an act that needs no more than a writer.
func plainly[S, Q any](act func(S, context.Context, Q, io.Writer) error) func(S, context.Context, Q, *streamWriter) error {
	return func(s S, ctx context.Context, question Q, w *streamWriter) error { return act(s, ctx, question, w) }
}

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

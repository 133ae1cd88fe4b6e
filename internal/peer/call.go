package peer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"baton/internal/cause"
	"baton/internal/peer/wire"
)

// Bounds of a call.
const (
	maxBody     = wire.MaxSize     // bytes, each way
	defaultCall = 30 * time.Second // for a context without a deadline
)

const problemType = "application/problem+json"

// Call sends req as JSON to a path at the peer, over the client of Control or Bulk, and
// decodes the answer. The path begins with wire.Prefix. A problem answer becomes a
// *RemoteError.
func Call[Req, Resp any](ctx context.Context, client *http.Client, path string, req Req) (Resp, error) {
	var answer Resp
	body, err := json.Marshal(req)
	if err != nil {
		return answer, fmt.Errorf("encode call of %s: %w", path, err)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultCall)
		defer cancel()
	}
	data, err := post(ctx, client, path, body)
	if err != nil {
		return answer, fmt.Errorf("call %s at the peer: %w", path, err)
	}
	if err := wire.Decode(data, &answer); err != nil {
		return answer, fmt.Errorf("read the peer's answer to %s: %w", path, err)
	}
	return answer, nil
}

// Ask sends a question that is answered only by having been done. Its errors are those of
// Call.
func Ask[Question any](ctx context.Context, client *http.Client, path string, question Question) error {
	_, err := Call[Question, wire.Plain](ctx, client, path, question)
	return err
}

// post returns the body of a good answer.
func post(ctx context.Context, client *http.Client, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://peer"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxBody:
		return nil, fmt.Errorf("the answer is larger than %d bytes", maxBody)
	case response.StatusCode != http.StatusOK:
		return nil, ProblemIn(response, data)
	}
	return data, nil
}

// ProblemIn is the error that an answer tells, of which the body was read.
func ProblemIn(response *http.Response, data []byte) error {
	var told RemoteError
	if strings.HasPrefix(response.Header.Get("Content-Type"), problemType) && json.Unmarshal(data, &told) == nil && told.Text != "" {
		return &told
	}
	if response.StatusCode == http.StatusNotFound { // the peer's version does not know the path
		return ErrNotKnownThere
	}
	return &RemoteError{Code: "failed", Text: "the peer answered " + response.Status}
}

// Serve turns f into the handler that answers Call. An error that is a
// *RemoteError, or wraps a sentinel of this package, keeps its code.
func Serve[Req, Resp any](f func(ctx context.Context, req Req) (Resp, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			AnswerProblem(w, &RemoteError{Code: "malformed", Text: "the request is larger than 1 MiB, or was cut off"})
			return
		}
		var req Req
		if err := wire.Decode(data, &req); err != nil {
			AnswerProblem(w, Malformed(err))
			return
		}
		resp, err := f(r.Context(), req)
		if err != nil {
			AnswerProblem(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(resp) // the peer may be gone: nobody reads the error
	})
}

// Malformed is the answer to a request that cannot be read; if the versions are the reason, it names them.
func Malformed(err error) error {
	if told := remote(err); errors.Is(told, ErrVersion) {
		return told
	}
	return &RemoteError{Code: "malformed", Text: "the request is not what this appliance understands: " + cause.Of(err)}
}

// AnswerProblem answers with an error.
func AnswerProblem(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(http.StatusConflict)
	_ = json.NewEncoder(w).Encode(remote(err)) // the peer may be gone: nobody reads the error
}

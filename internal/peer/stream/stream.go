// Package stream has a question to the peer travel with a stream of bytes that belongs to it, over the link.
//
// Start reading at Send.
package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"baton/internal/peer"
	"baton/internal/peer/wire"
)

// idle is how long the peer may send nothing of a stream.
const idle = 30 * time.Second

// asked is the query in which the question of a stream travels.
const asked = "question"

// Send sends a question as JSON with a stream that belongs to it to a path at the peer, over the client of
// Bulk, and decodes the answer. A problem answer becomes a *peer.RemoteError. The context alone bounds it.
func Send[Req, Resp any](ctx context.Context, client *http.Client, path string, req Req, stream io.Reader) (Resp, error) {
	var answer Resp
	question, err := json.Marshal(req)
	if err != nil {
		return answer, fmt.Errorf("encode call of %s: %w", path, err)
	}
	unbounded := *client
	unbounded.Timeout = 0
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://peer"+path+"?"+url.Values{asked: {string(question)}}.Encode(), stream)
	if err != nil {
		return answer, fmt.Errorf("call %s at the peer: %w", path, err)
	}
	response, err := unbounded.Do(request)
	if err != nil {
		return answer, fmt.Errorf("call %s at the peer: %w", path, err)
	}
	defer func() { _ = response.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(response.Body, wire.MaxSize))
	if err == nil && response.StatusCode != http.StatusOK {
		err = peer.ProblemIn(response, data)
	}
	if err == nil {
		err = wire.Decode(data, &answer)
	}
	if err != nil {
		return answer, fmt.Errorf("call %s at the peer: %w", path, err)
	}
	return answer, nil
}

// Serve turns f into the handler that answers Send.
func Serve[Req, Resp any](f func(ctx context.Context, req Req, stream io.Reader) (Resp, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req Req
		if err := wire.Decode([]byte(r.URL.Query().Get(asked)), &req); err != nil {
			peer.AnswerProblem(w, peer.Malformed(err))
			return
		}
		resp, err := f(r.Context(), req, paced{r.Body, http.NewResponseController(w)})
		if err != nil {
			peer.AnswerProblem(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(resp) // the peer may be gone: nobody reads the error
	})
}

// paced is a stream that ends if the peer sends nothing for too long.
type paced struct {
	io.Reader

	control *http.ResponseController
}

func (p paced) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(idle)) // not every connection has deadlines
	return p.Reader.Read(b)
}

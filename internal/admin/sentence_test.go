package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"testing"

	"baton/internal/act"
	"baton/internal/cause"
	"baton/internal/cause/causetest"
	"baton/internal/pair"
	"baton/internal/peer"
)

// TestNobodyIsToldInTheWordsOfALibrary puts every failure of a library through the
// ways on which people are told.
func TestNobodyIsToldInTheWordsOfALibrary(t *testing.T) {
	quietly := NewTasks(slog.New(slog.DiscardHandler))
	for _, raw := range causetest.Raw() {
		for _, err := range []error{
			raw, fmt.Errorf("%w (198.51.100.2:443: %w)", peer.ErrUnreachable, raw), fmt.Errorf("%w: no connection yet: %w", peer.ErrUnreachable, errors.Join(context.DeadlineExceeded, raw)),
			fmt.Errorf("call /peer/v1/x at the peer: %w", &url.Error{Op: "Post", URL: "https://peer/peer/v1/x", Err: fmt.Errorf("%w: %w", peer.ErrUnreachable, raw)}),
			fmt.Errorf("%w (198.51.100.1:443: %w)", peer.ErrReverse, raw),
			pair.Refuse(pair.Refused, "it cannot be shared here: %w", cause.Plain(raw)),
		} {
			for where, told := range map[string]error{"answer": act.Failure(err), "task": quietly.explained("sync", err)} {
				if known, is := errors.AsType[*pair.Refusal](told); is && (cause.Rough(known.Text) || known.Cause == nil) {
					t.Errorf("%s: %v\nis told as %s (for the log: %v)", where, err, known.Text, known.Cause)
				}
			}
		}
	}
}

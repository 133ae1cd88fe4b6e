package app

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"baton/internal/pair"
	"baton/internal/peer"
)

func TestFullDiskIsSaidInASentence(t *testing.T) {
	err := failure(fmt.Errorf("save something: %w", syscall.ENOSPC))
	if pair.CodeOf(err) != pair.Failed || !strings.Contains(err.Error(), "full") {
		t.Errorf("got %v", err)
	}
}

func TestACallWithoutAnAnswerIsSaidWithoutItsInternals(t *testing.T) {
	lost := fmt.Errorf("%w: read tcp 198.51.100.2:55639->198.51.100.1:443: connection reset by peer", peer.ErrUnreachable)
	err := failure(fmt.Errorf("call /peer/v1/take at the peer: %w", &url.Error{Op: "Post", URL: "https://peer/peer/v1/take", Err: lost}))
	const want = "the peer does not answer: look at the peer machine, its cable and its network, then try again"
	if pair.CodeOf(err) != pair.Unreachable || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestATaskWithoutAnAnswerIsToldPlainlyAndLoggedInFull(t *testing.T) {
	var log bytes.Buffer
	lost := fmt.Errorf("ask the primary: %w: read tcp 198.51.100.2:55639->198.51.100.1:443: connection reset by peer", peer.ErrUnreachable)
	err := newTasks(slog.New(slog.NewTextHandler(&log, nil))).told("sync", lost)
	if pair.CodeOf(err) != pair.Unreachable || err.Error() != peer.Unanswered(lost) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(log.String(), "read tcp 198.51.100.2:55639") {
		t.Errorf("logged %q", log.String())
	}
}

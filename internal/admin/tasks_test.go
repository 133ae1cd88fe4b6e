package admin

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"baton/internal/pair"
	"baton/internal/peer"
)

func TestATaskWithoutAnAnswerIsToldPlainlyAndLoggedInFull(t *testing.T) {
	var log bytes.Buffer
	lost := fmt.Errorf("ask the primary: %w: read tcp 198.51.100.2:55639->198.51.100.1:443: connection reset by peer", peer.ErrUnreachable)
	err := NewTasks(slog.New(slog.NewTextHandler(&log, nil))).explained("sync", lost)
	if pair.CodeOf(err) != pair.Unreachable || err.Error() != peer.Unanswered(lost) {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(log.String(), "read tcp 198.51.100.2:55639") {
		t.Errorf("logged %q", log.String())
	}
}

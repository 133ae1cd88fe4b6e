package act

import (
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"baton/internal/pair"
	"baton/internal/peer"
)

func TestFullDiskIsSaidInASentence(t *testing.T) {
	err := Failure(fmt.Errorf("save something: %w", syscall.ENOSPC))
	if pair.CodeOf(err) != pair.Failed || !strings.Contains(err.Error(), "full") {
		t.Errorf("got %v", err)
	}
}

func TestACallWithoutAnAnswerIsSaidWithoutItsInternals(t *testing.T) {
	lost := fmt.Errorf("%w: read tcp 198.51.100.2:55639->198.51.100.1:443: connection reset by peer", peer.ErrUnreachable)
	err := Failure(fmt.Errorf("call /peer/v1/take at the peer: %w", &url.Error{Op: "Post", URL: "https://peer/peer/v1/take", Err: lost}))
	const want = "the peer does not answer: look at the peer machine, its cable and its network, then try again"
	if pair.CodeOf(err) != pair.Unreachable || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

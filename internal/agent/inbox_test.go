package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"baton/internal/pair"
)

// TestWhatHasHappenedIsNotLost has somebody leave who has just saved something.
func TestWhatHasHappenedIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone, leave := context.WithCancel(t.Context())
		leave()
		box := newInbox()
		for i := range cap(box.messages) {
			if err := box.post(gone, message{}); err != nil {
				t.Fatalf("message %d finds room, and is lost: %v", i, err)
			}
		}
		if err := box.post(gone, message{}); !errors.Is(err, context.Canceled) {
			t.Errorf("nobody waits any more, and there is no room: %v", err)
		}
		posted := make(chan struct{})
		go func() { box.tell(message{seq: 1}); close(posted) }()
		synctest.Wait()
		for range cap(box.messages) {
			<-box.messages
		}
		<-posted
		if m := <-box.messages; m.seq != 1 {
			t.Errorf("got message %d", m.seq)
		}
	})
}

// TestAnAgentThatHasEndedKeepsNobodyWaiting fills the inbox of one.
func TestAnAgentThatHasEndedKeepsNobodyWaiting(t *testing.T) {
	box := newInbox()
	for range cap(box.messages) {
		box.tell(message{})
	}
	close(box.ended)
	box.tell(message{})
	if err := box.wait(t.Context(), message{reply: make(chan error, 1)}); pair.CodeOf(err) != pair.Unreachable {
		t.Errorf("a command ends with %v", err)
	}
}

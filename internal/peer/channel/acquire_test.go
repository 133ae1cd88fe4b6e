package channel

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"
)

// TestAConnectionThatCameAndWentIsNotAnAnswer has a request wait while an attempt fails,
// another succeeds and its connection is given up again, all before the request looks: it
// waits for the next connection, and asks for it.
func TestAConnectionThatCameAndWentIsNotAnAnswer(t *testing.T) {
	c := New(Options{Refused: func(error) bool { return false }, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	type answer struct {
		conn *Line
		err  error
	}
	got := make(chan answer)
	go func() {
		conn, err := c.acquire(ctx)
		got <- answer{conn, err}
	}()
	<-c.wake // it waits, or is about to

	c.mu.Lock()
	c.next, c.failed, c.lastErr = 1, 1, errors.New("no answer") // an attempt failed
	c.tell()
	c.lastErr = nil // another succeeded, and LeaveIdle or a request gave its connection up
	c.tell()
	c.mu.Unlock()

	select {
	case <-c.wake:
	case <-ctx.Done():
		t.Error("the request that waits wants no connection")
	}
	cancel()
	if answer := <-got; answer.conn != nil || !errors.Is(answer.err, ErrUnreachable) {
		t.Errorf("acquire = %v, %v; want no connection and ErrUnreachable", answer.conn, answer.err)
	}
}

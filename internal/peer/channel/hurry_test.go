package channel

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// TestABrokenConnectionIsMadeAnewAtThePaceOfPolls counts the attempts at a peer that does not
// answer: for two timeouts they come as often as polls, then as often as it does no harm.
func TestABrokenConnectionIsMadeAnewAtThePaceOfPolls(t *testing.T) {
	for name, test := range map[string]struct {
		pace   func() time.Duration
		within map[time.Duration]int // attempts
	}{
		"fast polls": {func() time.Duration { return 20 * time.Millisecond }, map[time.Duration]int{
			50 * time.Millisecond: 3, 390 * time.Millisecond: 20, 1390 * time.Millisecond: 25,
		}},
		"slow polls": {func() time.Duration { return time.Second }, map[time.Duration]int{390 * time.Millisecond: 2, 1390 * time.Millisecond: 7}},
		"no polls":   {nil, map[time.Duration]int{390 * time.Millisecond: 2, 1390 * time.Millisecond: 7}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				var began []time.Duration
				start := time.Now()
				c := New(Options{Refused: func(error) bool { return false }, Log: slog.New(slog.DiscardHandler), Pace: test.pace, Dial: func(ctx context.Context) (*Line, error) {
					began = append(began, time.Since(start))
					<-ctx.Done()
					return nil, ctx.Err()
				}})
				ended := make(chan struct{})
				go func() { defer close(ended); c.Run(ctx) }()
				go func() { _, _ = c.acquire(ctx) }()
				time.Sleep(3 * time.Second)
				synctest.Wait()
				cancel()
				<-ended
				for within, want := range test.within {
					n := 0
					for _, at := range began {
						if at <= within {
							n++
						}
					}
					if n != want {
						t.Errorf("%d attempts within %s, want %d: %v", n, within, want, began)
					}
				}
			})
		})
	}
}

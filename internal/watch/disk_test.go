package watch

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// told counts what a check of the disk tells.
type told struct{ found []error }

func (t *told) StoreChecked(why error) { t.found = append(t.found, why) }

// A write that fails is told once, within a second, and so is one that succeeds again. One that hangs
// counts as failed after 10 s, and ends nothing.
func TestADiskThatTakesNoWritesIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var agent told
		broken, full := make(chan struct{}), errors.New("full")
		result := full
		d := &Disk{Every: time.Second, Agent: &agent, Log: slog.New(slog.DiscardHandler), Write: func() error {
			<-broken
			return result
		}}
		close(broken)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = d.Run(ctx) }()
		expect := func(after time.Duration, want ...error) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if len(agent.found) != len(want) || len(want) > 0 && !errors.Is(agent.found[len(want)-1], want[len(want)-1]) {
				t.Fatalf("told %v, want %v", agent.found, want)
			}
		}
		expect(1500*time.Millisecond, full)
		expect(10*time.Second, full)
		result = nil
		expect(time.Second, full, nil)
		hangs := make(chan struct{})
		broken = hangs
		expect(9*time.Second, full, nil)
		expect(3*time.Second, full, nil, errDiskSlow)
		expect(time.Minute, full, nil, errDiskSlow)
		close(hangs)
		expect(time.Second, full, nil, errDiskSlow, nil)
		stop()
		synctest.Wait()
	})
}

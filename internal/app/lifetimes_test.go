package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestLifetimesAreExtendedBesideTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lifetimes
		done, failing := 0, errors.New("no")
		slow := func(err error) func(context.Context, func() bool) error {
			return func(_ context.Context, due func() bool) error {
				time.Sleep(300 * time.Millisecond)
				if due() {
					done++
				}
				return err
			}
		}
		begun := time.Now()
		if err := l.extend(t.Context(), time.Second, slow(failing)); err != nil || time.Since(begun) > 0 {
			t.Fatalf("the first one: %v after %s", err, time.Since(begun))
		}
		if err := l.extend(t.Context(), 200*time.Millisecond, slow(nil)); err != nil {
			t.Errorf("while it is under way: %v", err)
		}
		time.Sleep(250 * time.Millisecond)
		if err := l.extend(t.Context(), 200*time.Millisecond, slow(nil)); err != nil {
			t.Errorf("under way for longer than the lease, and the kernel keeps the address for a second: %v", err)
		}
		l.wait()
		if err := l.extend(t.Context(), time.Second, slow(nil)); !errors.Is(err, failing) {
			t.Errorf("after one that failed: %v", err)
		}
		l.wait()
		stuck := make(chan struct{})
		_ = l.extend(t.Context(), 40*time.Millisecond, func(context.Context, func() bool) error { <-stuck; return nil })
		time.Sleep(1100 * time.Millisecond)
		if err := l.extend(t.Context(), 40*time.Millisecond, slow(nil)); !errors.Is(err, errExtending) {
			t.Errorf("under way for longer than the lifetime: %v", err)
		}
		close(stuck)
		l.wait()
		_ = l.extend(t.Context(), time.Second, slow(nil))
		l.drop() // the address is released: what is under way must not put it on again
		l.wait()
		if done != 2 {
			t.Errorf("%d extensions done, want 2: another was dropped", done)
		}
		if err := l.extend(t.Context(), time.Second, slow(nil)); err != nil {
			t.Errorf("after a release: %v", err)
		}
		l.wait()
	})
}

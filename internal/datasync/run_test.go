package datasync

import (
	"context"
	"errors"
	"testing"
	"time"

	"baton/internal/datasync/refusal"
)

// TestWhatYieldsHoldsNoDataSyncUp has a data sync begin while restore points are tended.
func TestWhatYieldsHoldsNoDataSyncUp(t *testing.T) {
	var r runs
	ctx, cancel := context.WithCancelCause(t.Context())
	tending, err := r.acquireToYield(cancel)
	must(t, err)
	go func() {
		<-ctx.Done()
		r.release(tending)
	}()
	began := time.Now()
	sync, err := r.acquire(func(error) {})
	must(t, err)
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
	if _, err := r.acquireToYield(cancel); !errors.Is(err, refusal.ErrRunning) {
		t.Errorf("beside a data sync: %v", err)
	}
	if _, err := r.acquire(func(error) {}); !errors.Is(err, refusal.ErrRunning) {
		t.Errorf("two data syncs: %v", err)
	}
	r.release(sync)
}

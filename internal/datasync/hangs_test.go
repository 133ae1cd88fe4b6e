package datasync

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"baton/internal/pair"
)

// TestAScanOfADiskThatHangsIsGivenUp: neither the backup nor the primary waits for a disk that hangs,
// and no second scan is begun while the first one waits.
func TestAScanOfADiskThatHangsIsGivenUp(t *testing.T) {
	p := newPair(t)
	p.pull(t)
	var hangs atomic.Bool
	var scans atomic.Int32
	back := make(chan struct{})
	list := p.primary.opt.Data
	p.primary.opt.Data = func(ctx context.Context) ([]pair.Data, error) {
		scans.Add(1)
		<-back
		return list(ctx)
	}
	p.primary.opt.Hangs, p.primary.opt.Idle = hangs.Load, 400*time.Millisecond
	p.primary.reopen(t)
	p.primary.Offer(p.epoch)
	p.server.Config.Handler = p.primary.Handler()

	// As long as the disk is not known to hang, the backup waits.
	ended := make(chan error, 1)
	go func() {
		_, err := p.tryPull(t, Request{})
		ended <- err
	}()
	select {
	case err := <-ended:
		t.Fatalf("it ended: %v", err)
	case <-time.After(time.Second):
	}
	hangs.Store(true)
	err := <-ended
	for range 3 {
		if err == nil || !strings.Contains(err.Error(), "hangs on the primary") {
			t.Fatal(err)
		}
		_, err = p.tryPull(t, Request{})
	}
	if n := scans.Load(); n != 1 {
		t.Errorf("%d scans were begun", n)
	}
	close(back)
	hangs.Store(false)
	p.pull(t)
}

package datasync

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"baton/internal/datasync/refusal"
)

// A failure lasts until a data sync has succeeded: one that is just tried again has
// not, nor has one that was cancelled or that the primary withholds.
func TestAFailureLastsUntilADataSyncHasSucceeded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	e := &Engine{opt: Options{Now: func() time.Time { return now }}}
	p := &e.progress
	failing := func(what, want string) {
		t.Helper()
		if got := p.Get(now).Failing; got != want {
			t.Errorf("%s: failing is %q, not %q", what, got, want)
		}
	}
	sync := func(err error) { p.Begin(now); e.ended(err) }

	sync(fmt.Errorf("cancelled: %w", context.Canceled))
	failing("cancelled", "")
	sync(errors.New("the disk is full"))
	failing("failed", "the disk is full")
	p.Begin(now)
	failing("tried again", "the disk is full")
	e.ended(errors.New("the peer does not answer"))
	failing("failed again", "the peer does not answer")
	sync(fmt.Errorf("withheld: %w", refusal.ErrNotPrimary))
	failing("withheld", "the peer does not answer")
	sync(nil)
	failing("succeeded", "")
	sync(errors.New("the disk is full"))
	p.Forget()
	failing("forgotten", "")
}

package datasync

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// A failure lasts until a data sync has succeeded: one that is just tried again has
// not, nor has one that was cancelled or that the primary withholds.
func TestAFailureLastsUntilADataSyncHasSucceeded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var p tracker
	failing := func(what, want string) {
		t.Helper()
		if got := p.get(now).Failing; got != want {
			t.Errorf("%s: failing is %q, not %q", what, got, want)
		}
	}
	sync := func(err error) { p.begin(now); p.end(now, err) }

	sync(fmt.Errorf("cancelled: %w", context.Canceled))
	failing("cancelled", "")
	sync(errors.New("the disk is full"))
	failing("failed", "the disk is full")
	p.begin(now)
	failing("tried again", "the disk is full")
	p.end(now, errors.New("the peer does not answer"))
	failing("failed again", "the peer does not answer")
	sync(fmt.Errorf("withheld: %w", ErrNotPrimary))
	failing("withheld", "the peer does not answer")
	sync(nil)
	failing("succeeded", "")
	sync(errors.New("the disk is full"))
	p.forget()
	failing("forgotten", "")
}

package datasync

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"baton/internal/pair"
)

// leftOut is what was left out when that was found out last.
type leftOut struct {
	mu   sync.Mutex
	last []string
}

// LeftOut names what is protected here and no part of the newest snapshot here, as the primary could not copy it for this backup: that stays as
// this appliance had it, and a takeover goes on with it. Of one that offers its data, or has pulled nothing since it did, it names nothing.
func (e *Engine) LeftOut(ctx context.Context) []string {
	e.left.mu.Lock()
	defer e.left.mu.Unlock()
	before := e.ledger.State()
	left := notIn(e.sources.WithInline(e.ledger.Data()), e.sources.With(ctx, nil))
	switch now := e.ledger.State(); {
	case e.server.Offers(), now.Snapshot.IsZero(), now.Given():
		e.left.last = nil
	case e.ledger.Pending() == nil && now.Newest() == before.Newest(): // else the definitions may be those of another snapshot
		e.left.last = left
	}
	return e.left.last
}

// notIn names what a snapshot lacks of what is protected as now defined.
func notIn(listed, defined []pair.Data) (left []string) {
	for _, d := range defined {
		at := slices.IndexFunc(listed, d.Same)
		if at < 0 {
			left = append(left, fmt.Sprintf("all of %q", d.Name))
			continue
		}
		for _, pattern := range listed[at].Spec.Excludes().List() {
			if !slices.Contains(d.Spec.Excludes().List(), pattern) {
				left = append(left, fmt.Sprintf("%s in %q", pattern, d.Name))
			}
		}
	}
	return left
}

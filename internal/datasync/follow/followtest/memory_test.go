package followtest

import (
	"errors"
	"testing"

	"baton/internal/datasync/follow"
)

// SetHook implements hooked.
func (m *Memory) SetHook(hook func(step string)) { m.Hook = hook }

func TestMemoryFollowsPromotesAndRejoins(t *testing.T) {
	Run(t, func(*testing.T) Side { return NewMemory() })
}

// TestAFollowerOfAnotherHistorySaysSo: it received more than the new leader had.
func TestAFollowerOfAnotherHistorySaysSo(t *testing.T) {
	a, b, c := NewMemory(), NewMemory(), NewMemory()
	leads(t, a, "1")
	must(t, b.Start(t.Context(), to(t, a)))
	caughtUp(t, b, position(t, a))
	ends(t, b)
	leads(t, c, "of another site")
	if err := b.Start(t.Context(), to(t, c)); !errors.Is(err, follow.ErrDiverged) {
		t.Errorf("got %v", err)
	}
	reads(t, b, "1")
}

package admin

import (
	"path/filepath"
	"testing"

	"baton/internal/pair/allowance"
)

// TestGuardedPlacesAreFollowed looks for what a link on this machine leads to from a
// place that is guarded.
func TestGuardedPlacesAreFollowed(t *testing.T) {
	led := led()
	for _, guard := range allowance.MayLead() {
		real, err := filepath.EvalSymlinks(guard)
		if err != nil || real == guard {
			continue
		}
		if led[guard] != real {
			t.Errorf("%s leads to %s, and %q is guarded", guard, real, led[guard])
		}
	}
}

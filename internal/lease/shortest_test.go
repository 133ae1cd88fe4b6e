package lease

import (
	"testing"
	"time"

	"baton/internal/pair"
)

// The shortest lease must outlast two renewals that do not come, whatever the kernel's tick:
// the kernel counts ticks and rounds down, and the first may be over in a moment.
func TestTheShortestLeaseOutlastsTwoRenewals(t *testing.T) {
	longest := pair.MinTimeout * 4 / 10
	at, ok := step(Term{Longest: longest, Until: time.Hour}, 0)
	if !ok || ladder()[at] != longest {
		t.Fatalf("a lease of %s is not on the ladder", longest)
	}
	for _, hz := range []time.Duration{100, 250, 300, 1000} {
		tick := time.Second / hz
		most := longest.Truncate(tick)
		if least := most - tick; least < longest*3/4 {
			t.Errorf("at %d Hz it may last %s only, with a renewal each %s", hz, least, longest/4)
		}
	}
}

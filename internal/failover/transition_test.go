package failover_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"baton/internal/failover"
	"baton/internal/failover/failovertest"
	"baton/internal/pair"
)

// The table of transitions says all there is, and nothing else.
func TestTransitionsAreThoseThatHappen(t *testing.T) {
	seen := map[failover.Explain]bool{}
	for _, path := range stories(t) {
		_, told, err := failovertest.RunStory(read(t, path), nil)
		if err != nil {
			t.Fatal(err)
		}
		fold(seen, told)
	}
	inStories := len(seen)
	for seed := range uint64(40) {
		fold(seen, failovertest.RandomRun(rand.New(rand.NewPCG(seed, 1)), 5*time.Minute).Transitions)
	}
	declared := declaredTransitions()
	for explain := range seen {
		if !declared[explain] {
			t.Errorf("happens, but is not declared: %s -> %s: %s", explain.From, explain.To, explain.Reason)
		}
	}
	for explain := range declared {
		if !seen[explain] {
			t.Errorf("is declared, but does not happen: %s -> %s: %s", explain.From, explain.To, explain.Reason)
		}
	}
	t.Logf("%d transitions, %d of them in stories", len(declared), inStories)
}

func declaredTransitions() map[failover.Explain]bool {
	declared := map[failover.Explain]bool{}
	for _, transition := range failover.Transitions() {
		for _, why := range transition.Reasons {
			declared[failover.Explain{From: transition.From, To: transition.To, Reason: why}] = true
		}
	}
	return declared
}

// fold notes transitions as the table has them: maintenance is a kind of steady,
// but where one becomes the other.
func fold(into map[failover.Explain]bool, seen map[failover.Explain]int) {
	for explain := range seen {
		for _, place := range []*failover.Place{&explain.From, &explain.To} {
			if place.Phase == pair.Maintenance && !betweenSteady(explain) {
				place.Phase = pair.Steady
			}
		}
		into[explain] = true
	}
}

func betweenSteady(explain failover.Explain) bool {
	return explain.From.Phase == pair.Maintenance && explain.To.Phase == pair.Steady ||
		explain.From.Phase == pair.Steady && explain.To.Phase == pair.Maintenance
}

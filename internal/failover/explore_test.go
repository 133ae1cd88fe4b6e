package failover_test

import (
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"baton/internal/failover"
	"baton/internal/failover/failovertest"
	"baton/internal/pair"
)

// TestMain has garbage collected seldom: states are many and short-lived.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}

// few are the bounds of what every test run explores.
func few() failovertest.Bounds {
	return failovertest.Bounds{Faults: 2, Steps: 6, Step: 200 * time.Millisecond}
}

func TestExploreFewFaults(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(200)) // many worlds are kept
	clashes := 0
	for _, start := range failovertest.Starts(failovertest.Quick()) {
		t.Run(start.Name, func(t *testing.T) {
			for explain, times := range explore(t, start, few()).Transitions {
				if explain.Reason == failover.EpochsClash {
					clashes += times
				}
			}
		})
	}
	if clashes == 0 {
		t.Error("no conflict was explored")
	}
}

// With the smallest timeout nothing is a round part of it any more: a poll waits longer, and
// what does not depend on the timeout is long.
func TestExploreTheSmallestTimeout(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(200))
	for _, start := range failovertest.Starts(failovertest.Smallest()) {
		t.Run(start.Name, func(t *testing.T) {
			explore(t, start, failovertest.Bounds{Faults: 2, Steps: 5, Step: pair.MinTimeout / 5})
		})
	}
}

// A hold, and what follows from it, lasts longer than the bounds of few.
func TestExploreHoldsToTheirEnd(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(200))
	for _, start := range failovertest.Starts(failovertest.Quick()) {
		if strings.HasPrefix(start.Name, "handover") {
			t.Run(start.Name, func(t *testing.T) {
				explore(t, start, failovertest.Bounds{Faults: 1, Steps: 18, Step: 200 * time.Millisecond})
			})
		}
	}
}

func explore(t *testing.T, start failovertest.Start, bounds failovertest.Bounds) failovertest.Found {
	t.Helper()
	began := time.Now()
	found := failovertest.Explore(start.World, start.Faults, bounds)
	t.Log(found, time.Since(began).Round(time.Millisecond))
	if found.Bug != "" {
		t.Fatal("an invariant breaks")
	}
	return found
}

// Without a guard that keeps an invariant, the explorer finds the world in
// which it breaks.
func TestExplorerFindsWhatGuardsPrevent(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(200))
	const steady, split = "steady pair", "two primaries"
	for _, missing := range []struct {
		guard         failover.Guard
		start         string
		faults, steps int
	}{
		{failover.GuardTimeout, steady, 1, 6},
		{failover.GuardNetwork, steady, 2, 6},
		{failover.GuardIsolation, steady, 1, 6},
		{failover.GuardHigherEpoch, split, 0, 1},
		{failover.GuardSetAside, steady, 1, 2},
		{failover.GuardLostAddress, split, 0, 12},
		{failover.GuardPace, "a pair whose timeout changes", 2, 4},
		{failover.GuardHandoverDrain, "handover under way", 0, 6},
		{failover.GuardReclaim, "handover by a primary whose services start late", 1, 18},
		{failover.GuardForwarding, "handover behind Baton's own doors", 1, 18},
		{failover.GuardRelease, "handover behind Baton's own doors", 0, 18},
		{failover.GuardOfferSick, "a pair whose site is sick", 1, 6},
	} {
		for _, start := range failovertest.Starts(failovertest.Quick().Without(missing.guard)) {
			if start.Name != missing.start {
				continue
			}
			bounds := failovertest.Bounds{Faults: missing.faults, Steps: missing.steps, Step: 200 * time.Millisecond}
			found := failovertest.Explore(start.World, start.Faults, bounds)
			t.Log(missing.guard, found)
			if found.Bug == "" {
				t.Errorf("guard %d is gone, and nothing breaks", missing.guard)
			}
		}
	}
}

// The explorer shifts every instant of a world: none may be left out.
func TestEveryInstantIsKnown(t *testing.T) {
	var w failovertest.World
	listed := 0
	w.Instants(func(*failover.Instant) { listed++ })
	if is := instantsIn(reflect.TypeFor[failovertest.World]()); is != listed {
		t.Errorf("a world has %d instants, %d are listed", is, listed)
	}
}

func instantsIn(t reflect.Type) (n int) {
	switch {
	case t == reflect.TypeFor[failover.Instant]():
		return 1
	case t.Kind() == reflect.Struct:
		for field := range t.Fields() {
			n += instantsIn(field.Type)
		}
	case t.Kind() == reflect.Array:
		return t.Len() * instantsIn(t.Elem())
	}
	return n
}

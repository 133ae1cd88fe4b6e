package failover_test

import (
	"reflect"
	"testing"
	"time"

	"baton/internal/failover"
	"baton/internal/failover/failovertest"
)

func TestExploreFewFaults(t *testing.T) {
	for _, start := range failovertest.Starts(failovertest.Quick()) {
		t.Run(start.Name, func(t *testing.T) {
			began := time.Now()
			found := failovertest.Explore(start.World, start.Faults, failovertest.Bounds{
				Faults: 2, Steps: 6, Step: 200 * time.Millisecond,
			})
			t.Log(found, time.Since(began).Round(time.Millisecond))
			if found.Bug != "" {
				t.Fatal("an invariant breaks")
			}
		})
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
		for i := range t.NumField() {
			n += instantsIn(t.Field(i).Type)
		}
	case t.Kind() == reflect.Array:
		return t.Len() * instantsIn(t.Elem())
	}
	return n
}

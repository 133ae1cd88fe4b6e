package failovertest

import (
	"reflect"

	"baton/internal/failover"
)

// epochStart is where canonical worlds stand in time.
const epochStart = failover.Instant(1e12)

// canonical returns the same world at a fixed time: two worlds that differ only
// in when they happen are one. Instants far in the past are as good as each other.
func canonical(w World) World {
	shift := epochStart - w.Now
	oldest := epochStart - 20*failover.Instant(w.Sides[Alpha].Config.Timeout)
	w.Bug = ""
	rebase(reflect.ValueOf(&w).Elem(), func(t failover.Instant) failover.Instant {
		if t == 0 || t == failover.Never {
			return t
		}
		return max(t+shift, oldest)
	})
	return w
}

var instantType = reflect.TypeFor[failover.Instant]()

// rebase applies f to every instant below v.
func rebase(v reflect.Value, f func(failover.Instant) failover.Instant) {
	switch {
	case v.Type() == instantType:
		if v.CanSet() {
			v.SetInt(int64(f(failover.Instant(v.Int()))))
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).Type.Kind() >= reflect.Int64 { // booleans and bytes hold none
				rebase(v.Field(i), f)
			}
		}
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			rebase(v.Index(i), f)
		}
	}
}

package watch

import (
	"testing"
	"time"
)

func TestTwoMachinesOfOneImageAreNoticed(t *testing.T) {
	at := time.Now()
	for _, row := range []struct {
		name string
		runs []uint64
		two  bool
	}{
		{"one run", []uint64{1, 1, 1, 1}, false},
		{"restarts", []uint64{1, 2, 3, 4, 5, 6}, false},
		{"a late message of the run before", []uint64{1, 2, 1, 2, 2, 2}, false},
		{"a version that tells nothing", []uint64{0, 1, 0, 1, 0, 1, 0}, false},
		{"two machines", []uint64{1, 2, 1, 2, 1}, true},
	} {
		var r Runs
		for i, run := range row.runs {
			r.Heard(run, at.Add(time.Duration(i)*100*time.Millisecond))
		}
		if got := r.two(at.Add(time.Second)); got != row.two {
			t.Errorf("%s: two machines: %t", row.name, got)
		}
		if r.two(at.Add(2 * clonedWithin)) {
			t.Errorf("%s: told for ever", row.name)
		}
	}
}

package probe

import (
	"errors"
	"testing"
)

func TestASiteIsSickAfterThreeFailuresInARow(t *testing.T) {
	gone := errors.New("gone")
	var c Judged
	for i, step := range []struct {
		failed error
		tell   bool
		sick   bool
	}{
		{gone, false, false},
		{gone, false, false},
		{nil, false, false}, // one answer in between begins anew
		{gone, false, false},
		{gone, false, false},
		{gone, true, true},
		{gone, true, true}, // as long as it lasts
		{nil, false, true},
		{gone, true, true},
		{nil, false, true},
		{nil, true, false},
		{nil, false, false},
	} {
		why, tell := c.Take(step.failed)
		if tell != step.tell || c.Sick() != step.sick || tell && (why != nil) != step.sick {
			t.Errorf("step %d: told %v (%v), sick %v", i, tell, why, c.Sick())
		}
	}
}

package health

import (
	"errors"
	"testing"
)

// step is one result of a check, and what is known after it.
type step struct {
	failed error
	judged bool
	why    error
}

func TestASiteIsSickAfterThreeFailuresInARow(t *testing.T) {
	gone, other := errors.New("gone"), errors.New("other")
	for name, row := range map[string]struct {
		pace  Pace
		steps []step
	}{
		"as usual": {Pace{}, []step{
			{gone, false, nil},
			{gone, false, nil},
			{nil, false, nil}, // one pass in between begins anew
			{gone, false, nil},
			{gone, false, nil},
			{gone, true, gone},
			{other, true, other}, // the newest reason
			{nil, true, other},
			{gone, true, gone},
			{nil, true, gone},
			{nil, true, nil},
			{gone, true, nil},
		}},
		"well at first": {Pace{}, []step{{nil, false, nil}, {nil, true, nil}}},
		"at once":       {Pace{Fails: 1, Passes: 1}, []step{{nil, true, nil}, {gone, true, gone}, {nil, true, nil}}},
		"patient":       {Pace{Fails: 5, Passes: 3}, []step{{gone, false, nil}, {gone, false, nil}, {gone, false, nil}, {gone, false, nil}, {gone, true, gone}, {nil, true, gone}, {nil, true, gone}, {nil, true, nil}}},
	} {
		var c Judged
		for i, step := range row.steps {
			c.Take(row.pace, step.failed)
			if c.Judged() != step.judged || !errors.Is(c.Why(), step.why) {
				t.Errorf("%s, step %d: judged %v, %v", name, i, c.Judged(), c.Why())
			}
		}
	}
}

package status

import (
	"slices"
	"strings"
	"testing"

	"baton/internal/pair"
)

// A peer can tell of any number of services, in any words.
func TestWhatAPeerTellsOfServicesIsCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 10_000)
	one := pair.ServiceStatus{Name: long, What: long, Check: long, Wanted: long, State: long, Trouble: long, Refused: long}
	told := sound(pair.Report{Services: slices.Repeat([]pair.ServiceStatus{one}, 1000)}).Services
	want := pair.ServiceStatus{
		Name: long[:mostName], What: long[:mostWords], Check: long[:mostWords], Wanted: long[:mostName], State: long[:mostName], Trouble: long[:mostWords], Refused: long[:mostWords],
	}
	if len(told) != mostTold || told[0] != want {
		t.Errorf("%d, %+v", len(told), told[0])
	}
}

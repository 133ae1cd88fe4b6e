//go:build e2e

package e2e

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
)

// What the reports say of a power cut and of a planned switch is what a client saw.
func TestReportsTellWhatAClientSaw(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate})
	eventually(t, "the backup knows that the primary serves", 20*time.Second, func() bool {
		return slices.ContainsFunc(w.beta.events(pair.KindRoleChanged), func(e api.Event) bool { return e.Detail["to"] == "primary steady" })
	})
	at := w.fault(w.lab.PowerCut(w.alpha.Host))
	gap := w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	seen := w.beta.availability().Outages[0]
	w.returns(w.alpha, w.beta)
	w.alpha.baton("become primary --final-sync --wait")
	w.settled(w.alpha, w.beta)
	var outages []api.ToldOutage
	eventually(t, "both histories are merged", 20*time.Second, func() bool {
		outages = w.alpha.availability().Outages
		return len(outages) > 1 && outages[0].Planned && outages[0].Lasted < 5000
	})
	planned, cut := outages[0], outages[1]
	t.Logf("a client missed the site for %s; the backup reported %d ms, both together %d ms; then a planned switch of %d ms", gap, seen.Lasted, cut.Lasted, planned.Lasted)
	for who, told := range map[string]api.ToldOutage{"the backup alone": seen, "both": cut} {
		lasted := time.Duration(told.Lasted) * time.Millisecond
		if told.Planned || told.Ongoing || (lasted-gap).Abs() > moderate/2 {
			t.Errorf("the power cut is reported by %s as %+v", who, told)
		}
	}
	if planned.Lasted <= 0 || planned.Lasted > 2000 {
		t.Errorf("the planned switch is reported as %+v", planned)
	}
}

func (a *appliance) availability() (known api.Availability) {
	a.t.Helper()
	if err := json.Unmarshal([]byte(a.baton("report availability --period 24h --json")), &known); err != nil {
		a.t.Fatal(err)
	}
	return known
}

// Of a daemon that was killed while nobody could take over, the reports claim as
// down no more than a client missed, and say how much more it may have been.
func TestReportsTellOfADaemonThatWasKilled(t *testing.T) {
	full(t)
	const tolerance = 500 * time.Millisecond
	w := steadyPair(t, plan{timeout: moderate})
	w.alpha.baton("unpair")
	rest(2 * time.Second) // leaves signs of life
	at := time.Now()
	w.killed(w.alpha)
	w.alpha.baton("cleanup")
	rest(2 * time.Second)
	w.alpha.start()
	w.reached(w.alpha, at, 20*time.Second)
	gap, _ := w.client.Report().GapAfter(at, "alpha")
	var outages []api.ToldOutage
	eventually(t, "the outage is over in the report", 10*time.Second, func() bool {
		outages = w.alpha.availability().Outages
		return len(outages) == 1 && !outages[0].Ongoing
	})
	lasted, unsure := time.Duration(outages[0].Lasted)*time.Millisecond, time.Duration(outages[0].Unsure)*time.Millisecond
	t.Logf("a client missed the site for %s; the report says %s, and up to %s more", gap, lasted, unsure)
	if lasted > gap+tolerance || lasted+unsure < gap-tolerance {
		t.Errorf("the report says %s, and up to %s more", lasted, unsure)
	}
}

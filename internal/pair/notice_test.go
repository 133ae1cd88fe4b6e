package pair

import "testing"

// What the peer says of itself is told here with its name, and with where to run what it
// advises.
func TestAConditionOfThePeerIsToldWithItsName(t *testing.T) {
	for _, c := range []struct{ text, step, wantText, wantStep string }{
		{
			"This appliance keeps 1 diverged copy: what it wrote.", "Look at them on its Status page; then delete them: baton diverged list.",
			"beta keeps 1 diverged copy: what it wrote.", "Look at them on its Status page; then delete them: baton diverged list, on beta.",
		},
		{
			"Files were written on this appliance after it had handed the site over.", "Find out what writes there while this appliance is not the primary.",
			"Files were written on beta after it had handed the site over.", "Find out what writes there while beta is not the primary.",
		},
		{
			"The peer does not answer polls.", "Look at the peer machine, its cable and its network.",
			"On beta: alpha does not answer polls.", "Look at alpha, its cable and its network.",
		},
		{
			"Both appliances are backups.", "Force Become Primary on the one whose data is newer, or run there: baton become primary --force.",
			"On beta: Both appliances are backups.", "Force Become Primary on the one whose data is newer, or run there: baton become primary --force.",
		},
		{
			"This appliance was told to stop: it takes nothing over.", "Wait.",
			"beta was told to stop: it takes nothing over.", "Wait.",
		},
		{
			"The disk was set back.", "This backup's: Become Primary here, or run here: baton become primary.",
			"On beta: The disk was set back.", "This backup's: Become Primary on beta, or run on beta: baton become primary.",
		},
		{
			"The last data sync failed.", "Remove the cause; it is tried again, or at once with Sync Now: baton sync --wait.",
			"On beta: The last data sync failed.", "Remove the cause; it is tried again, or at once with Sync Now: baton sync --wait, on beta.",
		},
	} {
		s := Status{
			Appliance: ApplianceStatus{Name: "alpha"},
			Peer:      &PeerStatus{Name: "beta", Reachable: true, Report: &PeerReport{Report: Report{Conditions: []Condition{{ID: "x", Severity: Warning, Text: c.text, NextStep: c.step}}}}},
		}
		told := s.Notices()
		if len(told) != 1 || told[0].Text != c.wantText || told[0].NextStep != c.wantStep || told[0].Where != "beta" {
			t.Errorf("%+v", told)
		}
		if s.Peer.Report.Conditions[0].Text != c.text {
			t.Error("the peer's report was changed")
		}
	}
	gone := Status{Peer: &PeerStatus{Name: "beta", Report: &PeerReport{Report: Report{Conditions: []Condition{{ID: "stopping"}}}}}}
	if told := gone.Notices(); len(told) > 0 {
		t.Errorf("a peer that is gone tells of now: %+v", told)
	}
	here := Status{Conditions: []Condition{{ID: "x", Text: "This appliance keeps 1 diverged copy.", NextStep: "Delete it: baton diverged list."}}}
	if told := here.Notices(); told[0].Text != here.Conditions[0].Text || told[0].NextStep != here.Conditions[0].NextStep {
		t.Errorf("here: %+v", told)
	}
}

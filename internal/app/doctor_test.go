package app

import (
	"strings"
	"testing"

	"baton/internal/pair"
	"baton/internal/peer"
)

// Doctor speaks for the pair: what is amiss on the other appliance alone is amiss here,
// as in status.
func TestDoctorTellsOfThePeersConditions(t *testing.T) {
	checks := checkConditions([]pair.Notice{
		{Condition: pair.Condition{ID: "site-sick", Severity: pair.Critical, Text: "The site fails.", NextStep: "Mend it."}, Where: "alpha"},
		{Condition: pair.Condition{ID: "clock-off", Severity: pair.Warning, Text: "The clocks differ.", NextStep: "Set them."}},
		{Condition: pair.Condition{ID: "maintenance", Severity: pair.Info, Text: "Maintenance.", NextStep: "End it."}, Where: "alpha"},
	})
	if len(checks) != 2 {
		t.Fatalf("got %+v", checks)
	}
	if c := checks[0]; c.OK || c.Text != "On alpha: The site fails." || c.NextStep != "Mend it." || c.Severity != pair.Critical {
		t.Errorf("of the peer: %+v", c)
	}
	if c := checks[1]; c.OK || c.Text != "The clocks differ." || c.Severity != pair.Warning {
		t.Errorf("of this appliance: %+v", c)
	}
}

// A key change that only one side has made is not done, and the old key still opens the link.
func TestDoctorTellsOfAKeyChangeThatIsHalfDone(t *testing.T) {
	done := peer.KeyState{Set: true, Fingerprint: "aaaa-bbbb"}
	if check := judgeKey(done); !check.OK {
		t.Errorf("a proved key: %+v", check)
	}
	half := peer.KeyState{Set: true, Fingerprint: "aaaa-bbbb", Pending: true, Previous: "cccc-dddd"}
	check := judgeKey(half)
	if check.OK || check.Severity != pair.Warning || !strings.Contains(check.Text, "aaaa-bbbb") || !strings.Contains(check.Text, "cccc-dddd") {
		t.Errorf("a key that the peer has not proved: %+v", check)
	}
	if check := judgeKey(peer.KeyState{}); check.OK || check.Severity != pair.Critical {
		t.Errorf("no key: %+v", check)
	}
}

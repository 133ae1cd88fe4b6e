package status

import (
	"slices"

	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/pair"
)

// checkOwnNetwork lists the faults of this machine's own network that are known without
// asking anybody: the peer does not cause them.
func checkOwnNetwork(decision agent.Decision, open []pair.Condition) []api.Check {
	own := []api.Check{}
	for _, id := range []string{"shared-ip-no-interface", "shared-ip-no-carrier", "own-network-at-fault", "isolated"} { // the cause before what it leads to
		at := slices.IndexFunc(open, func(c pair.Condition) bool { return c.ID == id })
		switch {
		case id == "shared-ip-no-carrier" && len(own) > 0: // there is not even the interface
		case at >= 0:
			own = append(own, api.Fail(id, open[at].Text, open[at].NextStep))
		case id == "shared-ip-no-carrier" && decision.State.Unplugged.Set: // no condition yet
			own = append(own, api.Fail(id, "The interface of a shared IP has no carrier.", "Look at the cable of that interface and at its switch."))
		}
	}
	return own
}

// sayings lists the conditions of this appliance that each check tells if it fails.
func sayings() map[string][]string {
	return map[string][]string{
		"peer":      {"peer-unreachable", "peer-stopped", "alone", "key-mismatch", "peer-identity-changed", "peer-version"},
		"clock":     {"clock-off"},
		"shared-ip": {"no-shared-ip", "shared-ip-differs"},
		"data":      {"nothing-protected"},
		"test-ips":  {"no-test-ips"},
		"snapshot":  {"no-snapshot", "data-age-unknown"},
	}
}

// unsaid drops the conditions of this appliance that a failed check has told already:
// under the same id, as one of its sayings, or with the same next step. It also leaves out a
// data sync that fails because the peer is silent. Only its condition names torn data.
func unsaid(open []pair.Notice, checks []api.Check) []pair.Notice {
	return slices.DeleteFunc(slices.Clone(open), func(notice pair.Notice) bool {
		told := func(check api.Check) bool {
			silence := check.ID == "peer" && notice.NextStep == silenceStep
			return !check.OK && (silence || check.ID == notice.ID || check.NextStep == notice.NextStep || slices.Contains(sayings()[check.ID], notice.ID))
		}
		return notice.Where == "" && notice.ID != "data-torn" && slices.ContainsFunc(checks, told)
	})
}

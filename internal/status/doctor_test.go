package status

import (
	"context"
	"errors"
	"strings"
	"testing"

	"baton/internal/act/acttest"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
)

// Doctor speaks for the pair: what is amiss on the other appliance alone is amiss here,
// as in status.
func TestDoctorTellsOfThePeersConditions(t *testing.T) {
	checks := checkConditions([]pair.Notice{
		{Condition: pair.Condition{ID: "site-sick", Severity: pair.Critical, Text: "On alpha: The site fails.", NextStep: "Mend it."}, Where: "alpha"},
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

// A peer that answers and refuses is not one whose cable is to be looked at.
func TestAPeerThatRefusesIsNotSilent(t *testing.T) {
	silent := &pair.PeerStatus{LastContactAgeMS: -1}
	for refuses, want := range map[pair.PollFailure][]string{
		pair.KeyMismatch:     {"the pre-shared keys of the two appliances differ", "baton key fingerprint", "baton key set"},
		pair.IdentityChanged: {"another certificate", "baton unpair", "baton pair HOST"},
		pair.VersionMismatch: {"do not understand each other", "baton version"},
		pair.NoAnswer:        {"The peer does not answer.", "its cable"},
	} {
		check := judgePeer(silent, refuses, false)
		for _, part := range want {
			if check.OK || !strings.Contains(check.Text+" "+check.NextStep, part) {
				t.Errorf("%s: %+v lacks %q", refuses, check, part)
			}
		}
		if refuses != pair.NoAnswer && (strings.Contains(check.Text, "does not answer") || strings.Contains(check.NextStep, "cable")) {
			t.Errorf("%s: %+v", refuses, check)
		}
	}
	if check := judgePeer(&pair.PeerStatus{Reachable: true}, pair.NoAnswer, false); !check.OK {
		t.Errorf("a peer that answers: %+v", check)
	}
	stopped := judgePeer(&pair.PeerStatus{Name: "beta", LastContactAgeMS: 11_000}, pair.NoAnswer, true)
	if stopped.OK || !strings.HasPrefix(stopped.Text, "Baton was told to stop on beta 11 s ago") || !strings.Contains(stopped.NextStep, "systemctl start baton") {
		t.Errorf("a peer that said goodbye: %+v", stopped)
	}
}

// With the own cable out, doctor looks here first, and says each cause once.
func TestDoctorLooksHereFirstAndSaysACauseOnce(t *testing.T) {
	carrier := pair.Condition{ID: "shared-ip-no-carrier", Severity: pair.Critical, Text: "No carrier.", NextStep: "Look at the cable."}
	unplugged := agent.Decision{State: failover.State{Unplugged: failover.Moment{Set: true}}}
	for name, own := range map[string][]api.Check{
		"with the condition": checkOwnNetwork(unplugged, []pair.Condition{{ID: "alone"}, carrier}),
		"before it":          checkOwnNetwork(unplugged, nil),
	} {
		if len(own) != 1 || own[0].OK || own[0].ID != carrier.ID {
			t.Errorf("%s: %+v", name, own)
		}
	}
	if own := checkOwnNetwork(unplugged, []pair.Condition{{ID: "isolated"}, carrier}); len(own) != 2 || own[0].ID != carrier.ID {
		t.Errorf("the cause does not stand first: %+v", own)
	}
	if own := checkOwnNetwork(agent.Decision{}, []pair.Condition{{ID: "alone"}}); len(own) != 0 {
		t.Errorf("nothing amiss here: %+v", own)
	}
	notice := func(id, step, where string) pair.Notice {
		return pair.Notice{Condition: pair.Condition{ID: id, Severity: pair.Critical, Text: id, NextStep: step}, Where: where}
	}
	checks := []api.Check{
		api.Fail("shared-ip-no-carrier", "", "a"), api.Fail("peer", "", "b"), api.Pass("data", ""), api.Fail("ready", "", "Turn it on."),
	}
	var left []string
	for _, n := range unsaid([]pair.Notice{
		notice("shared-ip-no-carrier", "c", ""), notice("peer-unreachable", "d", ""), notice("alone", "e", ""), notice("backup-operations-off", "Turn it on.", ""),
		notice("sync-failed", silenceStep, ""),
		notice("nothing-protected", "f", ""), notice("data-torn", "Turn it on.", ""), notice("alone", "g", "beta"),
	}, checks) {
		left = append(left, n.Where+n.ID)
	}
	if got := strings.Join(left, " "); got != "nothing-protected data-torn betaalone" {
		t.Errorf("left: %s", got)
	}
}

// A peer that answers and is of another version is not one that is to be brought back.
func TestWhyThePeersReachIsNotKnownIsSaid(t *testing.T) {
	const why = "not known: the version of Baton on beta does not test for its peer"
	check := checkReach(pair.Reach{IP: "198.51.100.254", Reachable: true, Peer: &pair.PeerReach{Name: "beta", Reason: why}})
	if check.OK || !strings.Contains(check.Text, why) || strings.Contains(check.NextStep, "Bring the peer back") {
		t.Errorf("doctor says %+v", check)
	}
}

// Shared IPs that only one appliance has are named, with the command for each.
func TestDoctorNamesSharedIPsOfOneApplianceOnly(t *testing.T) {
	for name, c := range map[string]struct {
		here, there []string
		text, step  string
	}{
		"others": {
			[]string{"198.51.100.10/24"},
			[]string{"198.51.100.11/24"},
			"Only here: 198.51.100.10. Only on beta: 198.51.100.11.",
			"Run on beta: baton shared-ip enable 198.51.100.10. Run here: baton shared-ip enable 198.51.100.11.",
		},
		"one more": {
			[]string{"198.51.100.10/24", "198.51.100.11/24"},
			[]string{"198.51.100.11/24"},
			"Only here: 198.51.100.10.",
			"Run on beta: baton shared-ip enable 198.51.100.10.",
		},
		"not reported yet": {[]string{"198.51.100.10/24"}, []string{"198.51.100.10/24"}, "says on both.", "the step"},
	} {
		check := judgeShared(c.here, c.there, "beta", "the step")
		if check.OK || !strings.HasSuffix(check.Text, c.text) || check.NextStep != c.step {
			t.Errorf("%s: %+v", name, check)
		}
	}
}

// The doctor tells why the peer refuses in the peer's own words, whatever the condition's
// sentence looks like.
func TestDoctorTellsWhyThePeerRefuses(t *testing.T) {
	o := primary(t, nil)
	o.Agent.(*acttest.Agent).Show(func(s *agent.Decision) {
		s.State.Failed, s.State.Failure = failover.Moment{Set: true}, pair.KeyMismatch
	}, pair.Condition{ID: "key-mismatch", Text: "A sentence.", Reason: "the key there has the fingerprint 0123"},
		pair.Condition{ID: "site-sick", Text: "Another one. The reason: none of this.", Reason: "none of this"})
	check := (&Checks{Overview: o}).checkPeer()
	if check.OK || !strings.HasSuffix(check.Text, ". The reason: the key there has the fingerprint 0123.") || strings.Contains(check.Text, "none of this") {
		t.Errorf("it says %+v", check)
	}
}

// A directory that nothing follows is a warning, with why.
func TestDoctorTellsByWhatADirectoryIsFollowed(t *testing.T) {
	d := &Checks{
		Data: func(context.Context) ([]pair.Data, error) {
			return []pair.Data{
				{Name: "a", Spec: pair.Directory{Path: "/srv/a"}}, {Name: "b", Spec: pair.Directory{Path: "/srv/b"}}, {Name: "site database", Spec: pair.SiteDatabase{}},
			}, nil
		},
		Following: func(data pair.Data) (string, bool) { return "Directory " + data.Name + ".", data.Name == "a" },
		Databases: func(context.Context, string, func(string) bool) []api.Check { return nil },
	}
	checks := d.checkFollowing(t.Context())
	if len(checks) != 2 || !checks[0].OK || checks[0].Text != "Directory a." || checks[1].OK || checks[1].Severity != pair.Warning || checks[1].Text != "Directory b." || checks[1].NextStep == "" {
		t.Errorf("got %+v", checks)
	}
	d.Data = func(context.Context) ([]pair.Data, error) { return nil, errors.New("the disk is full") }
	if checks = d.checkFollowing(t.Context()); len(checks) != 1 || checks[0].OK || !strings.Contains(checks[0].Text, "the disk is full") {
		t.Errorf("got %+v", checks)
	}
}

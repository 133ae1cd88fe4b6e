package status

import (
	"slices"
	"strings"
	"testing"

	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/pair"
)

func TestLossIsSaidPlainly(t *testing.T) {
	for want, loss := range map[string]api.Loss{
		"in the last 12 s is not carried over: 3 files, 4.20 MB, and 2 changes of users, tokens or protected data.": {Confirm: "alpha", DataAgeMS: 12_000, Files: 3, Bytes: 4_200_000, Changes: 2},
		"not carried over: 1 file, 7 B, and no user or token.":                                                      {Confirm: "alpha", DataAgeMS: 12_000, Files: 1, Bytes: 7},
		"not carried over: 1 change of users, tokens or protected data, and no file.":                               {Confirm: "alpha", DataAgeMS: 12_000, Changes: 1},
		"Nothing has changed on alpha":                              {Confirm: "alpha", DataAgeMS: 900},
		"how many files and changes of users that is, is not known": {Confirm: "alpha", DataAgeMS: 9_000_000, Files: -1, Bytes: -1, Changes: -1},
		"2 changes of users, tokens or protected data that this appliance has heard of, and files whose number is not known": {Confirm: "alpha", DataAgeMS: 9_000_000, Files: -1, Bytes: -1, Changes: 2},
		"3 files, 7 B; how many changes of users, is not known":                                                              {Confirm: "alpha", DataAgeMS: 900, Files: 3, Bytes: 7, Changes: -1},
		"0 files, 0 B; how many changes of users, is not known":                                                              {Confirm: "alpha", DataAgeMS: 900, Changes: -1},
		"whose age is not known": {Confirm: "alpha", DataAgeMS: -1, Files: -1, Bytes: -1},
	} {
		if got := lossText(loss); !strings.Contains(got, want) || !strings.Contains(got, "alpha") {
			t.Errorf("%q lacks %q", got, want)
		}
	}
}

// A switch without a final data sync says what it costs, and a check that is not ok is not followed by
// a word that nothing stands against it.
func TestPreflightSaysWhatASwitchCosts(t *testing.T) {
	o := primary(t, func(s *agent.Decision) {
		now := agent.BootClock()
		s.State.PeerHeard, s.State.Peer.Role, s.State.Peer.Sick = failover.Moment{At: now, Set: true}, pair.Backup, true
		s.State.Peer.Snapshot, s.State.Phase = pair.Snapshot{Number: 1}, pair.Steady
	})
	settings := pair.DefaultSettings()
	settings.SiteCheck, _ = pair.ParseSiteCheck("tcp:127.0.0.1:80")
	o.Settings = inforce.NewSettings(settings, 1)
	p := &SwitchChecks{Checks: &Checks{Overview: o}}
	for sync, costs := range map[bool]bool{false: true, true: false} {
		checks, err := p.Preflight(t.Context(), api.RoleChange{Role: pair.Backup, DataSyncFirst: sync})
		if err != nil {
			t.Fatal(err)
		}
		told := slices.ContainsFunc(checks, func(c api.Check) bool {
			return c.ID == "final-sync" && c.Severity == pair.Info && strings.Contains(c.Text, "what alpha has acknowledged")
		})
		if told != costs {
			t.Errorf("final data sync %t: %+v", sync, checks)
		}
		if last := checks[len(checks)-1]; strings.Contains(last.Text, "Nothing stands against it") || !last.OK {
			t.Errorf("the site failed its check there, and it ends with %+v", last)
		}
	}
}

func TestReadinessIsASentence(t *testing.T) {
	if got := ready(5200, 800, "this primary").Text; got != "If this primary failed now: takeover in about 5.2 s, losing the last 800 ms of changes." {
		t.Error(got)
	}
	if got := ready(5200, -1, "this primary").Text; !strings.Contains(got, "not yet known") {
		t.Error(got)
	}
	for _, why := range failover.Reasons() {
		if r := notReady(why, Remedy(agent.Decision{}, why)); r.NextStep == "" || !strings.HasSuffix(r.Text, ".") || r.Ready {
			t.Errorf("%+v", r)
		}
	}
}

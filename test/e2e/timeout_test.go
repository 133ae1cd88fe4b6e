//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// chosen returns what the histories tell of a timeout that Baton chose, newest first.
func (a *appliance) chosen() (texts []string) {
	a.t.Helper()
	for _, e := range a.events(pair.KindSettingChanged) {
		if strings.HasPrefix(e.Text, "Primary Site Instance Timeout ") {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

// timeout returns the one that the appliance goes by.
func (a *appliance) timeout() string {
	a.t.Helper()
	return strings.TrimSpace(a.baton("settings get primary_timeout"))
}

// twoKeyed starts two daemons that have the same key.
func twoKeyed(t *testing.T, p plan) *world {
	t.Helper()
	w := twoDaemons(t, p)
	for _, a := range w.both() {
		a.typed(key, "key set")
	}
	w.alpha.baton("data add dir site " + w.alpha.OnHost(daemon.SiteDir))
	return w
}

// The timeout of a new pair is chosen once, from the traffic leases of both, and is a setting like
// any other from then on. One that a person has saved stays.
func TestTheTimeoutOfANewPair(t *testing.T) {
	full(t)
	const leased = "Primary Site Instance Timeout 3 s: the traffic lease is in force on both."
	for name, row := range map[string]struct {
		plan  plan
		saved string // by a person, before
		want  string
		text  string // in the history; empty: none
	}{
		"the traffic lease is in force on both": {plan{}, "", "3s", leased},
		"a person saved another one":            {plan{}, "primary_timeout=8s", "8s", ""},
		"a person saved the one that it was":    {plan{}, "primary_timeout=5s", "5s", ""},
		"a person saved other settings":         {plan{}, "automatic_failover=true sync_schedule=every", "3s", leased},
		"no traffic lease on the backup": {
			plan{prepare: (*appliance).denyTrafficOnBeta}, "", "5s", "Primary Site Instance Timeout 5 s: the traffic lease is not known to be in force on beta.",
		},
		"the backup is older": {
			plan{programs: [2]string{"", previous(t)}}, "", "5s", "Primary Site Instance Timeout 5 s: the traffic lease is not known to be in force on beta.",
		},
		"the primary is older": {plan{programs: [2]string{previous(t), ""}}, "", "5s", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := twoKeyed(t, row.plan)
			if row.saved != "" {
				w.alpha.baton("settings set " + row.saved)
			}
			out := w.alpha.baton("pair " + peerOf(w.beta))
			if older := row.plan.programs[0] != ""; !older && !strings.Contains(out, "Primary Site Instance Timeout is "+row.want) {
				t.Errorf("baton pair does not tell the timeout:\n%s", out)
			}
			w.alpha.baton("sync --wait")
			w.settled(w.alpha, w.beta)
			for _, a := range w.both() {
				if got := a.timeout(); got != row.want {
					t.Errorf("%s goes by %s, wanted %s", a.Name(), got, row.want)
				}
				want := []string{row.text}
				if row.text == "" {
					want = nil
				}
				eventually(t, fmt.Sprintf("the history of %s has %q", a.Name(), want), 10*time.Second, func() bool { return slices.Equal(a.chosen(), want) })
			}
		})
	}
}

func (a *appliance) denyTrafficOnBeta() {
	if a.Name() == "beta" {
		a.denyTraffic()
	}
}

// A pair that an earlier version made keeps its 5 s when both are upgraded; and one of this version whose
// primary loses its traffic lease keeps its 3 s, and says what that means.
func TestTheTimeoutOfAPairStays(t *testing.T) {
	full(t)
	t.Run("upgrade", func(t *testing.T) {
		programs := [2]string{filepath.Join(t.TempDir(), "baton"), filepath.Join(t.TempDir(), "baton")}
		for _, program := range programs {
			copyProgram(t, previous(t), program)
		}
		w := twoKeyed(t, plan{programs: programs})
		w.alpha.baton("pair " + peerOf(w.beta))
		w.alpha.baton("sync --wait")
		w.settled(w.alpha, w.beta)
		for i, a := range []*appliance{w.beta, w.alpha} {
			copyProgram(t, os.Getenv(daemon.ProgramName), programs[1-i])
			w.killed(a)
			a.serve()
			w.settled(w.alpha, w.beta)
		}
		for _, a := range w.both() {
			if got := a.timeout(); got != "5s" || len(a.chosen()) != 0 {
				t.Errorf("%s goes by %s after the upgrade; its history: %q", a.Name(), got, a.chosen())
			}
		}
	})
	t.Run("the lease is lost", func(t *testing.T) {
		w := steadyPair(t, plan{timeout: byDefault})
		w.told(w.beta)
		w.stopped(w.beta, 10*time.Second)
		w.beta.denyTraffic()
		w.beta.serve()
		w.settled(w.alpha, w.beta)
		w.beta.baton("become primary --final-sync --wait")
		w.settled(w.beta, w.alpha)
		for _, a := range w.both() {
			eventually(t, a.Name()+" says what the lost lease means", 10*time.Second, func() bool { return a.condition("timeout-below-lease") })
			if got := a.timeout(); got != "3s" {
				t.Errorf("%s goes by %s", a.Name(), got)
			}
		}
	})
}

// A timeout that a person names at the backup counts as saved there, too: no later pairing changes it.
func TestATimeoutNamedAtTheBackupStays(t *testing.T) {
	full(t)
	w := twoKeyed(t, plan{})
	w.alpha.baton("pair " + peerOf(w.beta))
	w.alpha.baton("sync --wait")
	w.settled(w.alpha, w.beta)
	if got := w.beta.timeout(); got != "3s" {
		t.Fatalf("the pair goes by %s", got)
	}
	w.beta.baton("settings set primary_timeout=3s")
	w.alpha.baton("unpair")
	w.alpha.baton("pair " + peerOf(w.beta) + " --replace")
	w.rolesTaken(w.alpha, w.beta)
	if got := w.alpha.chosen(); len(got) != 1 {
		t.Errorf("a timeout was chosen again: %q", got)
	}
	if got := w.alpha.timeout(); got != "3s" {
		t.Errorf("the pair goes by %s", got)
	}
}

// copyProgram puts a program in the place of another, which may be running.
func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = errors.Join(os.WriteFile(to+".new", text, 0o755), os.Rename(to+".new", to))
	}
	if err != nil {
		t.Fatal(err)
	}
}

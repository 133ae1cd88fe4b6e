//go:build e2e

package systemd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What a stop, a reboot, a restart, a reload and an upgrade by systemd do to the site.

func TestMachinesStopRestartAndReload(t *testing.T) {
	full(t)
	l, alpha, beta, client := machines(t, current(t))

	var gaps []time.Duration
	for range 5 {
		for _, way := range [][2]*machine{{alpha, beta}, {beta, alpha}} {
			from, to := way[0], way[1]
			from.protected()
			at := time.Now()
			from.run("systemctl", "stop", "baton")
			gaps = append(gaps, moved(t, client, to, at))
			from.run("systemctl", "start", "baton")
			from.ready()
		}
	}
	slices.Sort(gaps)
	t.Logf("systemctl stop on the primary, 10 times: no answer for %s, at most %s", gaps[5].Round(time.Millisecond), gaps[9].Round(time.Millisecond))
	if gaps[5] > time.Second {
		t.Error("that is no handover")
	}
	beta.baton("become primary --final-sync --wait")
	alpha.ready()
	beta.protected()

	at := time.Now()
	_, _ = beta.try("systemctl", "reboot") // nspawn ends: it is booted by hand
	gap := moved(t, client, alpha, at)
	t.Logf("systemctl reboot of the primary: no answer for %s", gap.Round(time.Millisecond))
	if gap > time.Second {
		t.Error("that is no handover")
	}
	<-beta.nspwn.Done()
	beta.boot()
	beta.ready()

	v := visit(l.Host("client"), "http://198.51.100.10/", 5*time.Millisecond)
	for _, verb := range []string{"restart", "reload", "restart", "reload"} {
		alpha.run("systemctl", verb, "baton")
		rest(time.Second)
	}
	v.stop(t, "two restarts and two reloads of the primary's daemon")
	if out := alpha.baton("status"); !strings.Contains(out, "alpha is primary") {
		t.Errorf("the site has moved: %s", out)
	}
	beta.ready()
}

// A restart with a configuration file that is wrong, and one with a program that does not run: the daemon
// would not start again, so the site moves first, in order.
func TestMachinesRestartWithWhatDoesNotStart(t *testing.T) {
	full(t)
	_, alpha, beta, client := machines(t, current(t))
	for i, broken := range []struct{ path, text string }{
		{"/etc/baton/baton.toml", "listne = 3\n"},
		{"/usr/bin/baton", "#!/bin/sh\nexit 1\n"},
	} {
		from, to := alpha, beta
		if i == 1 {
			from, to = beta, alpha
		}
		from.protected()
		whole, err := os.ReadFile(filepath.Join(from.root, broken.path))
		if err != nil {
			t.Fatal(err)
		}
		put := func(text []byte) {
			if err := os.WriteFile(filepath.Join(from.root, broken.path+".new"), text, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(from.root, broken.path+".new"), filepath.Join(from.root, broken.path)); err != nil {
				t.Fatal(err)
			}
		}
		put([]byte(broken.text))
		at := time.Now()
		_, _ = from.try("systemctl", "restart", "baton") // it does not start
		gap := moved(t, client, to, at)
		t.Logf("a restart with a broken %s: no answer for %s", broken.path, gap.Round(time.Millisecond))
		if gap > time.Second {
			t.Error("that is no handover")
		}
		put(whole)
		_, _ = from.try("systemctl", "reset-failed", "baton")
		from.run("systemctl", "restart", "baton")
		from.ready()
		if out := from.baton("history --since 2m"); !strings.Contains(out, "would not start again") {
			t.Errorf("the history does not say why: %s", out)
		}
	}
}

// A pair of the previous version is upgraded as docs/operations.md says, one side after the
// other.
func TestMachinesAreUpgraded(t *testing.T) {
	full(t)
	l, alpha, beta, client := machines(t, previous(t))
	upgrade := func(m *machine) {
		t.Log(m.install(current(t)))
		m.run("systemctl", "restart", "baton")
	}
	upgrade(beta)
	beta.ready()
	at := time.Now()
	beta.baton("become primary --final-sync --wait")
	t.Logf("the switch to the new version: no answer for %s", moved(t, client, beta, at).Round(time.Millisecond))
	upgrade(alpha)
	alpha.ready()
	// From now on an upgrade is a reload.
	v := visit(l.Host("client"), "http://198.51.100.10/", 5*time.Millisecond)
	for _, m := range []*machine{alpha, beta} {
		if out := m.install(current(t)); !strings.Contains(out, "The daemon is of this version now. The site stayed up.") {
			t.Errorf("the package on %s says: %s", m.Name(), out)
		}
		rest(time.Second)
	}
	v.stop(t, "the next upgrade of both")
	alpha.ready()
}

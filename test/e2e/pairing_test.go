//go:build e2e

package e2e

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// peerOf is how an administrator names the other appliance.
func peerOf(a *appliance) string { return netip.AddrPortFrom(a.Addr4(), 443).String() }

func TestPairingWithTheRightKey(t *testing.T) {
	w := twoDaemons(t, plan{})
	for _, a := range w.both() {
		a.typed("a good long password", "setup --user admin")
		a.typed(key, "key set")
	}
	w.alpha.baton("data add dir site " + w.alpha.OnHost(daemon.SiteDir))
	w.alpha.baton("pair " + peerOf(w.beta))
	w.alpha.baton("sync --wait")
	w.settled(w.alpha, w.beta)
	for _, a := range w.both() {
		if len(a.events(pair.KindPaired)) == 0 {
			t.Errorf("the history of %s does not tell of the relationship", a.Name())
		}
	}
	if w.beta.status().Peer.Name != "alpha" || w.alpha.status().Peer.Name != "beta" {
		t.Errorf("the peers do not know each other by name")
	}
}

func TestPairingWithAWrongKey(t *testing.T) {
	full(t)
	w := twoDaemons(t, plan{})
	w.alpha.typed(key, "key set")
	w.beta.refused(3, "key", "pair "+peerOf(w.alpha)) // no key here
	w.beta.typed("another battery horse staple 17", "key set")
	for _, way := range [][2]*appliance{{w.alpha, w.beta}, {w.beta, w.alpha}} {
		from, to := way[0], way[1]
		from.refused(3, "key", "pair "+peerOf(to))
		for _, a := range w.both() {
			if status := a.status(); status.Role != pair.Standalone || status.Peer != nil {
				t.Errorf("%s is %s with the peer %v, wanted standalone without one", a.Name(), status.Role, status.Peer)
			}
		}
		if len(to.events(pair.KindPairingFailed)) == 0 {
			t.Errorf("the history of %s does not tell of the attempt", to.Name())
		}
	}
	// Nothing was spoilt: with the right key it works.
	w.beta.typed(key, "key set")
	eventually(t, "the right key pairs", 30*time.Second, func() bool {
		return w.alpha.run("", "pair", peerOf(w.beta)).Code == 0
	})
	w.rolesTaken(w.alpha, w.beta)
}

// rolesTaken waits until the roles are steady, with or without a snapshot.
func (w *world) rolesTaken(primary, backup *appliance) {
	w.t.Helper()
	eventually(w.t, "the roles are taken", 10*time.Second, func() bool { return primary.is(pair.Primary) && backup.is(pair.Backup) })
}

func TestPairingWithNobody(t *testing.T) {
	full(t)
	w := twoDaemons(t, plan{})
	w.alpha.typed(key, "key set")
	w.alpha.refused(4, "", "pair 198.51.100.99")
	w.alpha.refused(2, "", "pair")
}

// A key change that takes its time is no outage: the old key counts until both
// have the new one.
func TestKeyChange(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate})
	at := time.Now()
	const newKey = "an entirely different secret 99"
	w.alpha.typed(newKey, "key set")
	throughout(t, "both stay in touch", 2*time.Second, w.inTouch)
	w.beta.typed(newKey, "key set")
	throughout(t, "both stay in touch", 3*time.Second, w.inTouch)
	w.alpha.baton("sync --wait")
	w.undisturbed(w.alpha, at, quietly)
	w.noTakeover(w.beta, 0)
}

// A pair whose keys differ is told both fingerprints; the certificates still show who
// is who.
func TestKeysThatDifferAreToldWithBothFingerprints(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate, settings: "automatic_failover=false"})
	for i, a := range w.both() {
		a.typed(fmt.Sprintf("an entirely different secret %d", i), "key set")
		a.baton("key end-previous")
	}
	fingerprints := map[string]bool{}
	for _, a := range w.both() {
		fingerprints[strings.TrimSpace(a.baton("key fingerprint"))] = true
	}
	w.killed(w.beta) // a new connection proves the key
	w.beta.serve()
	eventually(t, "beta tells of both fingerprints", 20*time.Second, func() bool {
		for _, c := range w.beta.status().Conditions {
			if c.ID != "key-mismatch" {
				continue
			}
			for fingerprint := range fingerprints {
				if !strings.Contains(c.Text, fingerprint) {
					return false
				}
			}
			return true
		}
		return false
	})
	w.beta.refused(4, "refuse each other: do what baton doctor says", "become primary --wait")
	for _, command := range []string{"doctor", "become primary --check"} {
		out := w.beta.run("", strings.Fields(command)...).Out
		for fingerprint := range fingerprints {
			if !strings.Contains(out, fingerprint) || !strings.Contains(out, "baton key set") || strings.Contains(out, "does not answer") {
				t.Errorf("%s on beta says:\n%s", command, out)
			}
		}
	}
}

func (w *world) inTouch() bool {
	for _, a := range w.both() {
		if status := a.status(); !status.Peer.Reachable || a.condition("key-mismatch") {
			return false
		}
	}
	return true
}

// Breaking the relationship leaves the primary serving alone, and the backup with
// a copy of the data and without the address.
func TestRelationshipBroken(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate})
	at := time.Now()
	w.alpha.baton("unpair")
	eventually(t, "both are standalone", 5*time.Second, func() bool { return w.alpha.is(pair.Standalone) && w.beta.is(pair.Standalone) })
	rest(2 * moderate)
	w.undisturbed(w.alpha, at, quietly)
	if status := w.beta.status(); status.SharedIPs[0].Shared || status.SharedIPs[0].Held {
		t.Errorf("beta still shares the address: %+v", status.SharedIPs)
	}
	if !w.beta.has(site("index.html"), "<h1>The site is up</h1>\n") {
		t.Errorf("beta's copy of the data is gone")
	}
	w.alpha.refused(3, "", "unpair")
	w.beta.refused(3, "", "become primary")
}

func TestRelationshipBrokenWithThePeerAway(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate})
	w.fault(w.lab.PowerCut(w.beta.Host))
	rest(2 * moderate)
	w.alpha.refused(4, "--force", "unpair")
	w.alpha.baton("unpair --force")
	eventually(t, "alpha is standalone", 5*time.Second, func() bool { return w.alpha.is(pair.Standalone) })
	w.fault(w.lab.PowerOn(w.beta.Host))
	at := time.Now()
	w.beta.serve()
	rest(3 * moderate)
	w.undisturbed(w.alpha, at, quietly)
}

func TestSettingsSavedOnTheBackupArriveAtThePrimary(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{})
	w.beta.baton("settings set sync_schedule=weekly sync_day=friday sync_time=04:30")
	for _, a := range w.both() {
		for setting, want := range map[string]string{"sync_schedule": "weekly", "sync_day": "friday", "sync_time": "04:30"} {
			if got := strings.TrimSpace(a.baton("settings get " + setting)); got != want {
				t.Errorf("%s has %s=%s, wanted %s", a.Name(), setting, got, want)
			}
		}
	}
	w.beta.refused(2, "primary_timeout", "settings set primary_timeout=1ms")
}

// A change at the primary counts on the backup before a data sync brings it, and
// outlives the primary.
func TestSettingsSavedOnThePrimaryCountOnTheBackup(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{settings: "sync_schedule=weekly"})
	w.alpha.baton("settings set max_data_age=3h")
	w.alpha.baton("site set name=Wiki")
	eventually(t, "beta knows", 8*time.Second, func() bool {
		return strings.TrimSpace(w.beta.baton("settings get max_data_age")) == "3h" && strings.TrimSpace(w.beta.baton("site get name")) == "Wiki"
	})
	at := w.fault(w.lab.PowerCut(w.alpha.Host))
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	if got := strings.TrimSpace(w.beta.baton("settings get max_data_age")); got != "3h" {
		t.Errorf("after the takeover, max_data_age=%s", got)
	}
}

// Both appliances have the whole history, whoever wrote it, also across a time in
// which they could not talk.
func TestHistoryIsMerged(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast})
	w.fault(w.lab.CutCable(w.beta.Host))
	rest(time.Second)
	w.alpha.refused(4, "the settings are saved here", "settings set max_data_age=1h")
	w.fault(w.lab.PlugCable(w.beta.Host))
	w.settled(w.alpha, w.beta)
	eventually(t, "both have the same history", 20*time.Second, func() bool {
		return len(w.historyLacking(w.alpha, w.beta)) == 0 && len(w.historyLacking(w.beta, w.alpha)) == 0
	})
	lines := strings.Split(strings.TrimSpace(w.beta.baton("history --json --limit 1000")), "\n")
	if len(lines) != len(w.beta.events()) {
		t.Errorf("baton history --json has %d lines, wanted one for each of %d events", len(lines), len(w.beta.events()))
	}
}

// historyLacking lists events of one appliance that the other does not have;
// those of the last moment are still on their way.
func (w *world) historyLacking(from, in *appliance) (lacking []string) {
	has := map[string]bool{}
	for _, event := range in.events() {
		has[event.ID] = true
	}
	for _, event := range from.events() {
		if !has[event.ID] {
			lacking = append(lacking, event.ID)
		}
	}
	return lacking
}

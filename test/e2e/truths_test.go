//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/pair"
)

// checkedPort is that of the web server that site_check asks.
const checkedPort = 8090

// web starts a web server that Baton does not run, and returns what ends it.
func (a *appliance) web() (stop func()) {
	a.t.Helper()
	listener, err := a.Listen(context.Background(), "tcp", fmt.Sprintf(":%d", checkedPort))
	if err != nil {
		a.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	go func() { _ = server.Serve(listener) }() // ends with the listener
	stop = func() { _ = server.Close() }
	a.t.Cleanup(stop)
	return stop
}

// A dead web server on the primary is a dead site: the primary hands over, and says
// so. One whose backup was sick as well stays, and says why.
func TestADeadWebServerIsADeadSite(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate})
	check := fmt.Sprintf("settings set site_check=http://127.0.0.1:%d/", checkedPort)
	w.alpha.refused(2, "nothing listens there", check)
	stopAlpha, stopBeta := w.alpha.web(), w.beta.web()
	w.alpha.baton(check)
	throughout(t, "a site that answers stays where it is", 6*time.Second, func() bool { return w.alpha.is(pair.Primary) })
	w.alpha.write(site("order"), "paid")
	stopAlpha()
	eventually(t, "beta serves", 20*time.Second, func() bool { return w.beta.is(pair.Primary) && w.beta.status().Site.State == pair.SiteUp })
	w.settled(w.beta, w.alpha)
	if !w.beta.has(site("order"), "paid") {
		t.Error("the handover had no final data sync")
	}
	offered := false
	for _, event := range w.beta.events(pair.KindRoleChanged, pair.KindHandover) {
		offered = offered || strings.Contains(event.Detail["reason"], "The primary offers the site by itself")
	}
	if !offered {
		t.Error("the history does not say that the primary offered the site")
	}
	stopBeta()
	eventually(t, "beta tells that its site is dead, and why it stays", 20*time.Second, func() bool {
		for _, c := range w.beta.status().Conditions {
			if c.ID == "site-sick" {
				return strings.Contains(c.Text, "nothing listens there") && strings.Contains(c.Text, "It stays here: The site was sick on the other appliance as well")
			}
		}
		return false
	})
	throughout(t, "beta keeps the site that would be as sick on alpha", 4*time.Second, func() bool { return w.beta.is(pair.Primary) })
	w.killed(w.alpha)
	w.alpha.serve()
	w.settled(w.beta, w.alpha)
	throughout(t, "alpha, started again, remembers that the site was sick there", 4*time.Second, func() bool { return w.beta.status().Role == pair.Primary }) // alone for a moment, until alpha has confirmed something
	for _, a := range w.both() {
		if status := a.status(); status.Site.State != pair.SiteDown || status.Site.ServedBy != "beta" {
			t.Errorf("%s says %+v", a.Name(), status.Site)
		}
	}
	w.beta.web()
	eventually(t, "the site is well again", 10*time.Second, func() bool {
		return w.beta.status().Site.State == pair.SiteUp && !w.beta.condition("site-sick")
	})
}

// Another check judges the site anew, whatever the one before was about to find: here
// it waits for an answer while it is replaced.
func TestAnotherSiteCheckJudgesAnew(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate, settings: "automatic_failover=false"})
	for _, instead := range []string{"tcp:127.0.0.1:80", ""} {
		w.alpha.baton("settings set site_check=http://198.51.100.199/")
		eventually(t, "alpha tells that its site is dead", 30*time.Second, func() bool { return w.alpha.condition("site-sick") })
		w.alpha.baton("settings set site_check=" + instead)
		eventually(t, "what the check before found is forgotten", 20*time.Second, func() bool { return !w.alpha.condition("site-sick") })
		throughout(t, "nothing of it comes back", 3*time.Second, func() bool { return !w.alpha.condition("site-sick") })
	}
}

// conflict has alpha run from an older image of its disk than beta knows of it.
func conflict(t *testing.T) *world {
	t.Helper()
	w := steadyPair(t, plan{timeout: moderate})
	w.killed(w.alpha)
	restore := w.alpha.image()
	w.alpha.serve()
	w.settled(w.alpha, w.beta)
	w.beta.baton("become primary --final-sync --wait")
	w.settled(w.beta, w.alpha)
	w.alpha.baton("become primary --final-sync --wait")
	w.settled(w.alpha, w.beta)
	w.killed(w.alpha)
	restore()
	w.alpha.serve()
	for _, a := range w.both() {
		eventually(t, a.Name()+" tells of the conflict", 20*time.Second, func() bool { return a.condition("conflict") })
	}
	return w
}

// Two administrators who each force their side at the same time get a conflict, and never
// two primaries.
func TestForcedOnBothAtOnceServesNowhere(t *testing.T) {
	full(t)
	w := conflict(t)
	rest(2 * moderate) // until nothing answers for the address any more
	var pressing sync.WaitGroup
	for _, a := range w.both() {
		pressing.Go(func() { a.run("", "become", "primary", "--force", "--wait") })
	}
	pressing.Wait()
	eventually(t, "one serves, or both are in a conflict again", 10*time.Second, func() bool {
		return w.alpha.condition("conflict") && w.beta.condition("conflict") || w.alpha.status().Site.State == pair.SiteUp
	})
	eventually(t, "one is forced", 10*time.Second, func() bool {
		status := w.beta.status()
		return status.Role == pair.Primary && status.State == pair.Steady || w.beta.run("", "become", "primary", "--force", "--wait").Code == 0
	})
	w.settled(w.beta, w.alpha)
}

// In a conflict nobody serves, and every place says so.
func TestAConflictIsSaidEverywhere(t *testing.T) {
	w := conflict(t)
	for _, a := range w.both() {
		status := a.status()
		if status.Site.State != pair.SiteDown || !strings.Contains(status.Site.Text, "both appliances claim data") {
			t.Errorf("%s says of the site: %+v", a.Name(), status.Site)
		}
		if status.Readiness == nil || status.Readiness.Ready || !strings.Contains(status.Readiness.NextStep, "force Become Primary") {
			t.Errorf("%s says of its readiness: %+v", a.Name(), status.Readiness)
		}
		if status.ProtectionLevel != 0 {
			t.Errorf("%s is protected at level %d", a.Name(), status.ProtectionLevel)
		}
		if out := a.run("", "become", "primary", "--check").Out; !strings.Contains(out, "Both appliances claim data") || strings.Contains(out, "does not answer") {
			t.Errorf("the pre-flight on %s contradicts itself:\n%s", a.Name(), out)
		}
	}
	w.beta.refused(3, "Both appliances claim data", "become primary --wait")
	eventually(t, "what the next step says is done", 5*time.Second, func() bool {
		return w.beta.run("", "become", "primary", "--force", "--wait").Code == 0 // refused for a timeout after the address answered
	})
	w.settled(w.beta, w.alpha)
}

// Whatever keeps a backup from taking over is told on both, in all places alike.
func TestOperationsOffIsToldEverywhere(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate})
	for setting, id := range map[string]string{"backup_operations": "backup-operations-off", "automatic_failover": "automatic-failover-off"} {
		w.alpha.baton("settings set " + setting + "=false")
		for _, a := range w.both() {
			eventually(t, a.Name()+" tells of "+id, 10*time.Second, func() bool {
				status := a.status()
				return a.condition(id) && status.Readiness != nil && !status.Readiness.Ready && status.Site.ProtectedBy == "" && status.Site.Tone() == "warning"
			})
			if out := a.run("", "doctor"); out.Code == 0 || !strings.Contains(out.Out, setting+"=true") {
				t.Errorf("doctor on %s says (exit %d):\n%s", a.Name(), out.Code, out.Out)
			}
		}
		w.alpha.baton("settings set " + setting + "=true")
		eventually(t, "alpha is protected again", 10*time.Second, func() bool { return w.alpha.status().Site.ProtectedBy == "beta" })
	}
}

// A silent peer is told as what it was, and a blip of polls is no new role.
func TestASilentPeerIsWhatItWas(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate, settings: "automatic_failover=false"})
	before := w.beta.status().Since
	w.fault(w.lab.Pause(w.alpha.Host))
	eventually(t, "beta tells of a silent primary", 10*time.Second, func() bool {
		status := w.beta.status()
		return status.Site.State == pair.SiteUnknown && strings.Contains(status.Site.Text, "alpha served it when last heard") && status.ProtectionLevel == 0
	})
	if out := w.beta.run("", "status").Out; !strings.Contains(out, "does not answer, was primary when last heard") {
		t.Errorf("status says:\n%s", out)
	}
	if out := w.beta.run("", "doctor").Out; !strings.Contains(out, "Whether the clocks of the two appliances agree is not known") {
		t.Errorf("doctor says:\n%s", out)
	}
	w.fault(w.lab.Resume(w.alpha.Host))
	w.settled(w.alpha, w.beta)
	if after := w.beta.status().Since; !after.Equal(before) {
		t.Errorf("backup since %s, and since %s after a blip", before, after)
	}
}

// A watchdog that ends a hung daemon leaves one line in the log, and the history says it.
func TestAHungDaemonIsOneLine(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate})
	logged := func() string {
		text, err := os.ReadFile(w.beta.Log)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := len(logged())
	if err := w.beta.Daemon().Signal(unix.SIGABRT); err != nil {
		t.Fatal(err)
	}
	<-w.beta.Daemon().Done()
	if said := logged()[before:]; strings.Contains(said, "goroutine ") || strings.Count(said, "the daemon hung") != 1 {
		t.Errorf("the log says:\n%s", said)
	}
	w.beta.serve()
	eventually(t, "the history tells of it, and where the traces are", 10*time.Second, func() bool {
		for _, event := range w.beta.events(pair.KindStarted) {
			if strings.Contains(event.Text, "the watchdog ended it") && strings.Contains(event.Text, "/traces/") {
				return true
			}
		}
		return false
	})
}

// The next run of a schedule is that of the schedule which has just been saved, at once
// and wherever it is looked at.
func TestTheNextRunIsThatOfTheSavedSchedule(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate})
	w.alpha.baton("sync --wait")
	for i, every := range []time.Duration{30 * time.Minute, 10 * time.Hour, 45 * time.Minute, 20 * time.Hour} {
		at := w.both()[i%2]
		at.baton("settings set sync_schedule=every sync_every=" + every.String())
		for _, a := range []*appliance{at, w.both()[(i+1)%2]} {
			next := a.status().Sync.NextRun
			if next == nil {
				t.Fatalf("%s tells of no next run", a.Name())
			}
			if off := time.Until(*next) - every; off > time.Minute || off < -time.Minute {
				t.Errorf("%s, after %s was saved on %s: the next run is in %s", a.Name(), every, at.Name(), time.Until(*next).Round(time.Second))
			}
		}
	}
}

// A backup whose test IPs do not answer would not take over, and is not called ready.
func TestTestIPsThatDoNotAnswerAreToldBeforehand(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate})
	w.fault(w.lab.PowerCut(w.gateway))
	eventually(t, "both tell of it", time.Minute, func() bool {
		alpha := w.alpha.status()
		return w.beta.condition("test-ips-unreachable") && alpha.Readiness != nil && !alpha.Readiness.Ready && alpha.Site.ProtectedBy == ""
	})
}

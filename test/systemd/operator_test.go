//go:build e2e

package systemd

import (
	"strings"
	"testing"
	"time"
)

// TestMachinesKeepAServiceStopped: what an operator stops stays so over a switch and a restart of
// Baton, whoever starts it by hand, until an operator starts it.
func TestMachinesKeepAServiceStopped(t *testing.T) {
	full(t)
	_, alpha, beta, client := served(t)
	alpha.says("service test numbers worker", "numbers: http://127.0.0.1:8080/ passes.", "worker: exec:/usr/local/bin/check passes.")
	alpha.says("service log web", "web.service")
	alpha.says("service log worker --lines 5", "baton-service-worker.service")
	if out, err := beta.try("baton", "service", "stop", "web"); err == nil || !strings.Contains(out, "do it on the primary, alpha at") {
		t.Errorf("a backup stops a service of the pair: %s", out)
	}

	began := time.Now()
	alpha.baton("service stop web")
	t.Logf("baton service stop took %s", time.Since(began).Round(time.Millisecond))
	stopped := func(m *machine) bool {
		return m.asks("8080") == "numbers" && m.asks("8081") == "" && m.asks("8082") == "worker" && strings.Contains(m.baton("status"), "service-parked")
	}
	if alpha.asks("8081") != "" {
		t.Errorf("web still runs:\n%s", alpha.baton("service list"))
	}
	eventually(t, "alpha says that it is stopped", 5*time.Second, func() bool { return stopped(alpha) })
	alpha.says("status", "web stopped by an operator")
	alpha.says("history --kind service-stopped", "Service web was stopped in ")
	beta.says("status", "service-parked")
	alpha.run("systemctl", "start", "web.service")
	eventually(t, "alpha stops what was started by hand", 15*time.Second, func() bool { return stopped(alpha) })
	alpha.run("systemctl", "restart", "baton.service")
	eventually(t, "alpha is back", 30*time.Second, func() bool { _, err := alpha.try("baton", "status"); return err == nil && stopped(alpha) })

	beta.ready()
	at := time.Now()
	beta.baton("become primary --final-sync --wait")
	t.Logf("a switch with a service that is stopped: no answer for %s", moved(t, client, beta, at).Round(time.Millisecond))
	rest(5 * time.Second) // two looks of the keeper
	if !stopped(beta) {   // and beta says so by now
		t.Errorf("beta runs what is stopped, or nothing else:\n%s\n%s", beta.baton("status"), beta.baton("service list"))
	}
	alpha.rests()
	beta.baton("service start web")
	if got := beta.asks("8081"); got != "web" {
		t.Errorf("web answers with %q after its start", got)
	}
	beta.lacks("service-parked")
	beta.says("service list --json", `"last_start"`)

	// One that is removed runs on, and Baton lets it.
	beta.baton("service move worker --before numbers")
	out := beta.baton("service remove web")
	if !strings.Contains(out, "It runs on here, and nowhere else: to stop it, run systemctl stop web.service.") {
		t.Errorf("it says %s", out)
	}
	rest(5 * time.Second)
	if list := beta.baton("service list"); beta.asks("8081") != "web" || strings.Index(list, "worker") > strings.Index(list, "numbers") || strings.Contains(list, "web.service") {
		t.Errorf("web is touched, or the order is another:\n%s", list)
	}
}

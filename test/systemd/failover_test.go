//go:build e2e

package systemd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The site, with two units, a command and a timer, moves in a planned switch, a power cut, when the
// primary is cut off, and when it reboots. The short run ends after the power cut.
func TestMachinesFailOver(t *testing.T) {
	l, alpha, beta, client := served(t)
	for _, m := range []*machine{alpha, beta} {
		m.write("/etc/systemd/system/tick.timer", "[Timer]\nOnCalendar=*:*:*\nAccuracySec=1ms\n")
		m.write("/etc/systemd/system/tick.service", "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo tick >>/var/log/ticks'\n")
		m.run("systemctl", "daemon-reload")
	}
	alpha.baton("service add unit tick tick.timer")
	eventually(t, "beta is told of the timer", 10*time.Second, func() bool { _, err := beta.try("baton", "service", "allow", "tick"); return err == nil })
	runsOn(t, alpha, beta)

	at := time.Now()
	beta.baton("become primary --final-sync --wait")
	t.Logf("a planned switch: no answer for %s", moved(t, client, beta, at).Round(time.Millisecond))
	runsOn(t, beta, alpha)
	alpha.ready()
	beta.protected()

	at = alpha.made(l.PowerCut(beta.Host))
	t.Logf("a power cut: no answer for %s", moved(t, client, alpha, at).Round(time.Millisecond))
	runsOn(t, alpha, nil)
	if testing.Short() {
		return
	}
	alpha.made(l.PowerOn(beta.Host))
	beta.boot()
	beta.ready()
	runsOn(t, alpha, beta)
	alpha.protected()

	at = alpha.made(l.CutCable(alpha.Host))
	t.Logf("cut off: no answer for %s", moved(t, client, beta, at).Round(time.Millisecond))
	eventually(t, "the services on alpha have stopped", 10*time.Second, func() bool { _, err := alpha.try("pgrep", "numbered"); return err != nil })
	runsOn(t, beta, alpha)
	alpha.made(l.PlugCable(alpha.Host))
	alpha.ready()
	runsOn(t, beta, alpha)
	beta.protected()

	at = time.Now()
	_, _ = beta.try("systemctl", "reboot") // nspawn ends: it is booted by hand
	t.Logf("a reboot: no answer for %s", moved(t, client, alpha, at).Round(time.Millisecond))
	<-beta.nspwn.Done()
	beta.boot()
	beta.ready()
	runsOn(t, alpha, beta)
}

// made returns when a fault was made.
func (m *machine) made(at time.Time, err error) time.Time {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
	return at
}

// runsOn checks that all services and the timer run on one machine, and nothing of them on the other.
func runsOn(t *testing.T, on, off *machine) {
	t.Helper()
	eventually(t, "the services answer on "+on.Name(), 20*time.Second, on.serves)
	before := on.ticks()
	eventually(t, "the timer runs on "+on.Name(), 5*time.Second, func() bool { return on.ticks() > before })
	if off == nil {
		return
	}
	off.rests()
	before = off.ticks()
	rest(1500 * time.Millisecond)
	if n := off.ticks() - before; n != 0 {
		t.Errorf("the timer ran %d times on %s", n, off.Name())
	}
}

func (m *machine) ticks() int {
	text, _ := os.ReadFile(filepath.Join(m.root, "/var/log/ticks"))
	return strings.Count(string(text), "tick")
}

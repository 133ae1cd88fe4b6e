//go:build e2e

package systemd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestMachinesFollowByTheHelper: it begins and ends with the daemon; inotify takes over while it is away, and it does
// for what inotify cannot follow. What is written arrives all the while.
func TestMachinesFollowByTheHelper(t *testing.T) {
	full(t)
	_, alpha, beta, _ := machines(t, current(t))
	by := func(m *machine) string {
		lines := strings.Split(strings.TrimSpace(m.run("sh", "-c", "journalctl -b -u baton -o cat --no-pager | grep 'directory is followed'; true")), "\n")
		return lines[len(lines)-1]
	}
	followed := func(m *machine, within time.Duration, want string) {
		t.Helper()
		began := time.Now()
		eventually(t, m.Name()+" follows by "+want, within, func() bool { return strings.Contains(by(m), want) })
		t.Logf("%s: %s, after %s", m.Name(), by(m), time.Since(began).Round(time.Millisecond))
	}
	number := 0
	arrives := func(within time.Duration) {
		t.Helper()
		number++
		text := fmt.Sprintf("number %d\n", number)
		alpha.write("/srv/www/page", text)
		began := time.Now()
		eventually(t, "it arrives", within, func() bool {
			got, err := os.ReadFile(filepath.Join(beta.root, "/srv/www/page"))
			return err == nil && string(got) == text
		})
		t.Logf("a change arrived after %s", time.Since(began).Round(time.Millisecond))
	}
	const helper, inotify, soon, late = "by=baton-changes.service", "inotify, as baton-changes.service does not answer", 5 * time.Second, 40 * time.Second
	for _, m := range []*machine{alpha, beta} {
		followed(m, late, helper)
	}
	arrives(soon)
	says := func(sentence string) {
		t.Helper()
		if out := alpha.run("sh", "-c", "baton doctor; true"); !strings.Contains(out, sentence) {
			t.Errorf("doctor does not say: %s\n%s", sentence, out)
		}
	}
	says("is followed by baton-changes.service.")

	alpha.run("systemctl", "kill", "-s", "KILL", "baton-changes")
	arrives(soon)
	followed(alpha, soon, inotify)
	says("is followed by " + inotify + ".")
	arrives(soon)
	followed(alpha, late, helper) // systemd has started it again, and the whole was looked at
	arrives(soon)

	alpha.run("systemctl", "kill", "-s", "STOP", "baton-changes")
	arrives(soon)
	followed(alpha, soon, inotify)
	alpha.run("systemctl", "restart", "baton-changes")
	followed(alpha, late, helper)

	// Another process takes the daemon's place, and the helper goes on with that.
	served := strings.TrimSpace(alpha.run("systemctl", "show", "-P", "MainPID", "baton-changes"))
	alpha.run("systemctl", "reload", "baton")
	arrives(late)
	arrives(soon)
	says("is followed by baton-changes.service.")
	if now := strings.TrimSpace(alpha.run("systemctl", "show", "-P", "MainPID", "baton-changes")); now != served {
		t.Errorf("the helper was process %s before the reload of the daemon, and is %s", served, now)
	}

	// A helper whose start hangs keeps waiting neither an install nor the daemon.
	hangs := "/etc/systemd/system/baton-changes.service.d/hangs.conf"
	alpha.write(hangs, "[Service]\nTimeoutStartSec=infinity\nExecStartPre=+/bin/sleep infinity\n")
	alpha.run("systemctl", "daemon-reload")
	alpha.run("timeout", "60", "dpkg", "-i", "/root/baton.deb")
	alpha.run("timeout", "60", "systemctl", "restart", "baton")
	eventually(t, "alpha is back", late, func() bool { _, err := alpha.try("baton", "status"); return err == nil })
	followed(alpha, late, inotify)
	arrives(late)
	alpha.run("rm", hangs)
	alpha.run("systemctl", "daemon-reload")
	alpha.run("systemctl", "restart", "baton-changes")
	followed(alpha, late, helper)

	// The daemon may have no inotify at all, as if the system allowed no more watches.
	alpha.write("/etc/systemd/system/baton.service.d/watches.conf", "[Service]\nSystemCallFilter=~inotify_init1 inotify_add_watch\n")
	alpha.run("systemctl", "daemon-reload")
	alpha.run("systemctl", "restart", "baton")
	eventually(t, "alpha is back", late, func() bool { _, err := alpha.try("baton", "status"); return err == nil })
	followed(alpha, late, helper)
	arrives(late)
	arrives(soon)
	says("is followed by baton-changes.service.")

	beta.run("systemctl", "stop", "baton")
	eventually(t, "the helper ends with the daemon", late, func() bool {
		out, _ := beta.try("systemctl", "is-active", "baton-changes")
		return strings.TrimSpace(out) == "inactive"
	})
}

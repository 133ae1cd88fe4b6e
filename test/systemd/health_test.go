//go:build e2e

package systemd

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ownDisk gives a machine a small disk of its own at /srv, on which the protected directory lies, and
// not Baton's own state.
func ownDisk(m *machine) {
	m.t.Helper()
	image := filepath.Join(m.t.TempDir(), "disk")
	host := func(name string, args ...string) string {
		out, err := exec.CommandContext(m.t.Context(), name, args...).CombinedOutput()
		if err != nil {
			m.t.Skipf("skipped: no disk of its own can be had here: %s: %v: %s", name, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Truncate(image, 32<<20); err != nil {
		m.t.Fatal(err)
	}
	host("mkfs.ext4", "-q", "-F", "-N", "256", image)
	device := host("losetup", "--find", "--show", image)
	m.t.Cleanup(func() { _ = exec.Command("losetup", "--detach", device).Run() })
	number := strings.TrimPrefix(device, "/dev/loop")
	m.run("mknod", "/dev/srv", "b", "7", number)
	m.run("mount", "/dev/srv", "/srv")
	m.t.Cleanup(func() {
		_, _ = m.try("fsfreeze", "--unfreeze", "/srv")
		_, _ = m.try("umount", "--lazy", "/srv")
	})
}

const (
	fill   = "fallocate -l 100M /srv/filler; dd if=/dev/zero of=/srv/filler bs=64k 2>/dev/null; true"
	unfill = "rm /srv/filler"
)

// A site goes from a disk that is full, has no inodes left or hangs; once, and only to a machine whose
// own disk takes writes.
func TestMachinesHandOverFromASickDisk(t *testing.T) {
	full(t)
	l, alpha, beta, client := served(t, ownDisk)
	comes := func(to *machine, since time.Time, why string) {
		t.Helper()
		eventually(t, to.Name()+" answers", 3*time.Minute, func() bool {
			_, ok := client.Report().GapAfter(since, to.Name())
			return ok
		})
		t.Logf("%s: after %s", why, time.Since(since).Round(100*time.Millisecond))
		eventually(t, "the services run on "+to.Name(), 20*time.Second, to.serves)
	}
	begun := time.Now()

	beta.run("sh", "-c", fill)
	beta.says("status", "data-disk-full", "The disk of /srv/www is full")
	alpha.run("sh", "-c", fill)
	alpha.says("status", "site-sick", "nothing can be written to the disk of /srv/www: it is full", "It stays here: The backup could not run the site")
	at := time.Now()
	beta.run("sh", "-c", unfill)
	comes(beta, at, "a full disk, and the other one has room again")
	alpha.says("status", "data-disk-full")
	alpha.run("sh", "-c", unfill)
	alpha.lacks("data-disk-full")
	back := func() { // once alpha serves a site that is well, it was sick there no longer
		alpha.ready()
		at := time.Now()
		alpha.baton("become primary --final-sync --wait")
		comes(alpha, at, "a planned switch back")
		alpha.protected()
	}
	back()

	at = time.Now()
	alpha.run("sh", "-c", "i=0; while touch /srv/f$i 2>/dev/null; do i=$((i+1)); done")
	comes(beta, at, "no inodes")
	alpha.run("sh", "-c", "rm /srv/f*")
	back()
	if names := alpha.run("ls", "-A", "/srv/www"); names != "index.html\nnumbers\n" {
		t.Errorf("in the protected directory are %q", names)
	}

	c := count(l.Host("client"))
	rest(3 * time.Second)
	at = time.Now()
	alpha.run("fsfreeze", "--freeze", "/srv")
	alpha.says("status", "data-disk-unwritable", "a write has not ended for 10 s")
	if out, err := alpha.try("baton", "reload"); err == nil || !strings.Contains(out, "a disk with protected data hangs") {
		t.Errorf("a process that waits for a disk is replaced: %v: %s", err, out)
	}
	comes(beta, at, "a disk that hangs")
	t.Log(alpha.baton("status"))
	if _, lost := c.stop(beta); len(lost) > 0 {
		t.Errorf("numbers %v are lost", lost)
	}
	alpha.run("fsfreeze", "--unfreeze", "/srv")
	eventually(t, "alpha is ready", time.Minute, func() bool {
		out, _ := alpha.try("baton", "doctor")
		return strings.Contains(out, "takeover in about")
	})
	alpha.rests()
	if spells := client.Report().Between(begun, time.Now()).Spells(); len(spells) != 6 {
		t.Errorf("the site moved to and fro: %v", spells)
	}
}

// What is broken by its data is as sick on the other machine: the site moves once. Services that do
// what none should bring neither Baton nor the site down.
func TestMachinesBearBadServices(t *testing.T) {
	full(t)
	_, alpha, beta, client := served(t)
	at := time.Now()
	alpha.run("touch", "/srv/www/numbers.broken")
	gap := moved(t, client, beta, at)
	t.Logf("broken by its data: moved after %s, no answer for %s", time.Since(at).Round(100*time.Millisecond), gap.Round(100*time.Millisecond))
	beta.says("status", "site-sick", "numbers: http://127.0.0.1:8080/ answers with status 500", "It stays here: The site was sick on the other appliance as well")
	rest(70 * time.Second) // longer than the pause between two offers
	if spells := client.Report().Between(at, time.Now()).Spells(); len(spells) != 2 {
		t.Errorf("the site moved to and fro: %v", spells)
	}
	beta.run("rm", "/srv/www/numbers.broken")
	beta.lacks("site-sick")

	for _, m := range []*machine{alpha, beta} {
		for name, unit := range map[string]string{
			"prints": "ExecStart=/bin/sh -c 'yes | head -c 1000000000; exec sleep 1000'\nLogRateLimitIntervalSec=0\nLogRateLimitBurst=0",
			"forks":  "ExecStart=/bin/sh -c 'sleep 1000 & exit 0'",
			"late":   "Type=notify\nTimeoutStartSec=2\nExecStart=/bin/sleep 1000",
			"ends":   "ExecStart=/bin/false",
		} {
			m.write("/etc/systemd/system/"+name+".service", "[Service]\n"+unit+"\n")
		}
		m.write("/etc/systemd/journald.conf.d/small.conf", "[Journal]\nSystemMaxUse=16M\nRuntimeMaxUse=16M\nForwardToSyslog=no\n")
		m.run("systemctl", "restart", "systemd-journald")
		m.run("systemctl", "daemon-reload")
	}
	bad := []string{"prints", "forks", "late", "ends"}
	for _, name := range bad {
		_, _ = beta.try("baton", "service", "add", "unit", name, name+".service") // which says whether it starts
	}
	eventually(t, "alpha knows of the services", 10*time.Second, func() bool {
		return !slices.ContainsFunc(bad, func(name string) bool { _, err := alpha.try("baton", "service", "allow", name); return err != nil })
	})
	beta.says("status", "Service forks ", "Service late ", "Service ends ")
	beta.says("service list", "prints", "running")
	rest(10 * time.Second)
	for _, m := range []*machine{alpha, beta} {
		rss := strings.TrimSpace(m.run("ps", "-o", "rss=", "-C", "baton"))
		t.Logf("memory of the daemon of %s: %s KiB", m.Name(), rss)
		if kib, err := strconv.Atoi(rss); err != nil || kib > 60_000 {
			t.Errorf("the daemon of %s uses %s KiB", m.Name(), rss)
		}
	}
	if !beta.serves() {
		t.Error("the other services do not answer any more")
	}
	if spells := client.Report().Between(at, time.Now()).Spells(); len(spells) != 2 {
		t.Errorf("the site moved: %v", spells)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if text, err := get(ctx, beta.Host, "198.51.100.10:80", "/"); err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

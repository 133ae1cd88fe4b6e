//go:build e2e

package systemd

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"baton/internal/lab"
	"baton/internal/lab/siteclient"
)

// Services on two real machines with systemd.

// served boots a pair whose site has two units, which are started in this order, and a command:
// numbers (port 8080, with its file in the protected directory), web (8081) and worker (8082).
func served(t *testing.T, prepare ...func(*machine)) (l *lab.Lab, alpha, beta *machine, client *siteclient.Client) {
	t.Helper()
	l, alpha, beta, client = machines(t, current(t), prepare...)
	program := numbered(t)
	for _, m := range []*machine{alpha, beta} {
		m.copy(program, "/usr/local/bin/numbered")
		m.write("/etc/systemd/system/numbers.service", "[Service]\nExecStart=/usr/local/bin/numbered -name numbers -listen :8080 -numbers /srv/www/numbers\nTimeoutStopSec=2\nLimitNOFILE=64\n[Install]\nWantedBy=multi-user.target\n")
		m.write("/etc/systemd/system/web.service", "[Service]\nType=notify\nExecStart=/usr/local/bin/numbered -name web -listen :8081\n[Install]\nWantedBy=multi-user.target\n")
		m.write("/usr/local/bin/check", "#!/bin/sh\n[ $(id -un) = nobody ] || exit 9\n[ ! -e /run/check ] || . /run/check\n")
		m.run("chmod", "755", "/usr/local/bin/check")
		m.write("/var/log/services", "")
		m.run("chmod", "666", "/var/log/services")
		m.run("systemctl", "daemon-reload")
	}
	alpha.baton("service add unit numbers numbers.service --health http://127.0.0.1:8080/")
	alpha.baton("service add unit web web.service")
	alpha.baton("service add command worker --user nobody --health exec:/usr/local/bin/check -- /usr/local/bin/numbered -name worker -listen :8082")
	eventually(t, "beta says that root has not allowed the services", 10*time.Second, func() bool {
		return strings.Count(beta.baton("status"), "service-not-allowed") == 3
	})
	for _, name := range names {
		beta.baton("service allow " + name)
	}
	eventually(t, "the services run on alpha", 20*time.Second, func() bool { return alpha.serves() })
	beta.ready()
	alpha.protected()
	return l, alpha, beta, client
}

// numbered builds the program of testdata.
func numbered(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "numbered")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./testdata/numbered")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// names are those of the services, in their order.
var names = []string{"numbers", "web", "worker"}

// ports are theirs.
var ports = []string{"8080", "8081", "8082"}

// serves reports whether every service answers on the machine.
func (m *machine) serves() bool {
	for i, port := range ports {
		if m.asks(port) != names[i] {
			return false
		}
	}
	return true
}

// asks returns what a service answers on the machine itself; empty: it does not.
func (m *machine) asks(port string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	text, _ := get(ctx, m.Host, net.JoinHostPort(m.Addr4().String(), port), "/")
	return text
}

func get(ctx context.Context, from *lab.Host, address, path string) (string, error) {
	client := http.Client{Transport: &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close() //nolint:errcheck // it was read only
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return strings.TrimSpace(string(text)), err
}

// rests checks that nothing of the services is left on a machine: no process, no port.
func (m *machine) rests() {
	m.t.Helper()
	if out, err := m.try("pgrep", "-a", "numbered"); err == nil {
		m.t.Errorf("processes are left on %s: %s", m.Name(), out)
	}
	for i, port := range ports {
		if conn, err := m.DialContext(context.Background(), "tcp", net.JoinHostPort(m.Addr4().String(), port)); err == nil {
			_ = conn.Close()
			m.t.Errorf("%s still accepts connections on %s", names[i], m.Name())
		}
	}
}

// noted is what the services have written down since: "start web", in order, and when the first
// and the last of it was.
func (m *machine) noted(since time.Time) (what []string, first, last time.Time) {
	m.t.Helper()
	text, err := os.ReadFile(filepath.Join(m.root, "/var/log/services"))
	if err != nil {
		m.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		nanos, act, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.ParseInt(nanos, 10, 64)
		if err != nil {
			m.t.Fatalf("%q: %v", line, err)
		}
		at := time.Unix(0, n)
		if at.Before(since) {
			continue
		}
		if len(what) == 0 {
			first = at
		}
		what, last = append(what, act), at
	}
	return what, first, last
}

// did checks what the services have written down since.
func (m *machine) did(since time.Time, want ...string) (first, last time.Time) {
	m.t.Helper()
	what, first, last := m.noted(since)
	if !slices.Equal(what, want) {
		m.t.Errorf("on %s: %q, want %q", m.Name(), what, want)
	}
	return first, last
}

func each(act string, names ...string) (all []string) {
	for _, name := range names {
		all = append(all, act+" "+name)
	}
	return all
}

// pids are the processes of the services.
func (m *machine) pids() string {
	m.t.Helper()
	return m.run("pgrep", "-a", "numbered")
}

// counted asks for numbers at the shared IP, one after the other.
type counted struct {
	mu      sync.Mutex
	numbers []int
	gap     time.Duration // the longest between two answers
	end     context.CancelFunc
	ended   chan struct{}
}

func count(from *lab.Host) *counted {
	ctx, end := context.WithCancel(context.Background())
	c := &counted{end: end, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		last := time.Now()
		for ctx.Err() == nil {
			within, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			text, err := get(within, from, "198.51.100.10:8080", "/next")
			cancel()
			number, wrong := strconv.Atoi(text)
			if err == nil && wrong == nil {
				c.mu.Lock()
				c.numbers = append(c.numbers, number)
				c.gap = max(c.gap, time.Since(last))
				last = time.Now()
				c.mu.Unlock()
			}
			rest(10 * time.Millisecond)
		}
	}()
	return c
}

// stop ends it, and returns the longest time without an answer and the numbers that are not on the machine.
func (c *counted) stop(on *machine) (gap time.Duration, lost []int) {
	c.end()
	<-c.ended
	text := on.run("cat", "/srv/www/numbers")
	there := map[string]bool{}
	for number := range strings.FieldsSeq(text) {
		there[number] = true
	}
	for _, number := range c.numbers {
		if !there[strconv.Itoa(number)] {
			lost = append(lost, number)
		}
	}
	on.t.Logf("%d numbers were acknowledged, the longest pause was %s, %d are not on %s", len(c.numbers), c.gap.Round(time.Millisecond), len(lost), on.Name())
	return c.gap, lost
}

// idles logs what the daemon and systemd use while nothing happens.
func (m *machine) idles() {
	m.t.Helper()
	ticks := func(process string) int {
		fields := strings.Fields(m.run("sh", "-c", "cat /proc/"+process+"/stat"))
		user, err := strconv.Atoi(fields[13])
		if err != nil {
			m.t.Fatal(err)
		}
		system, err := strconv.Atoi(fields[14])
		if err != nil {
			m.t.Fatal(err)
		}
		return user + system
	}
	daemon := strings.TrimSpace(m.run("pgrep", "-o", "-x", "baton"))
	own, systemd := ticks(daemon), ticks("1")
	const during = 5 * time.Second
	rest(during)
	m.t.Logf("in %s with three services the daemon uses %d ms of a processor, systemd %d ms; memory of the daemon %s KiB", during, 10*(ticks(daemon)-own), 10*(ticks("1")-systemd), strings.TrimSpace(m.run("ps", "-o", "rss=", "-p", daemon)))
}

func TestMachinesMoveServices(t *testing.T) {
	full(t)
	l, alpha, beta, client := served(t)
	alpha.did(time.Time{}, each("start", names...)...)
	alpha.says("service list", "running  healthy")
	t.Log(alpha.baton("service list"), alpha.baton("status"), beta.baton("service list"), beta.baton("status"))
	if user := strings.Join(strings.Fields(alpha.run("ps", "-o", "user=", "-C", "numbered")), " "); user != strings.Repeat("root ", 2)+"nobody" {
		t.Errorf("they run as %q", user)
	}

	alpha.idles()
	c := count(l.Host("client"))
	rest(time.Second)
	at := time.Now()
	beta.baton("become primary --final-sync --wait")
	gap := moved(t, client, beta, at)
	_, stopped := alpha.did(at, each("stop", "worker", "web", "numbers")...)
	started, ready := beta.did(at, each("start", names...)...)
	alpha.rests()
	rest(time.Second)
	without, lost := c.stop(beta)
	t.Logf("a planned switch with three services: no answer for %s, of numbers for %s; stopped %s after it was asked for, started after %s to %s", gap.Round(time.Millisecond), without.Round(time.Millisecond), stopped.Sub(at), started.Sub(at), ready.Sub(at))
	if len(lost) > 0 || started.Before(stopped) {
		t.Errorf("numbers %v are lost; beta started %s after alpha had stopped", lost, started.Sub(stopped))
	}
	alpha.ready()
	beta.protected()

	// Started by hand on the backup.
	alpha.run("systemctl", "start", "web")
	alpha.says("status", "service-runs-on-backup", "Service web (web.service) ran on this backup, and Baton stopped it.")
	alpha.rests()
	// Enabled at boot, and booted with it.
	alpha.write("/etc/systemd/system/page.service", "[Unit]\nWants=web.service\n[Service]\nType=oneshot\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n")
	alpha.run("systemctl", "enable", "-q", "page")
	alpha.says("doctor", "web.service starts by itself when this machine boots (page.service wants it), also on a backup.")
	alpha.run("systemctl", "disable", "-q", "page")
	alpha.run("systemctl", "enable", "-q", "web")
	alpha.says("doctor", "web.service starts by itself when this machine boots (multi-user.target wants it), also on a backup.")

	beta.run("systemctl", "enable", "-q", "web")

	// Power cut of the primary.
	at, err := l.PowerCut(beta.Host)
	if err != nil {
		t.Fatal(err)
	}
	gap = moved(t, client, alpha, at)
	started, ready = alpha.did(at, each("start", names...)...)
	t.Logf("a power cut with three services: no answer for %s; started after %s to %s", gap.Round(time.Millisecond), started.Sub(at), ready.Sub(at))
	if !alpha.serves() {
		t.Error("the services do not answer")
	}
	alpha.says("service list", "running  healthy")

	at = time.Now()
	if _, err := l.PowerOn(beta.Host); err != nil {
		t.Fatal(err)
	}
	beta.boot()
	beta.ready()
	beta.rests() // what systemd started at boot is stopped
	beta.did(at, "start web", "stop web")
	beta.says("status", "service-starts-at-boot")
}

// What is done to Baton's own unit does nothing to the services, unless the site moves: then they stop
// in order, before systemd stops them at a shutdown.
func TestMachinesKeepServicesWhileBatonIsReplaced(t *testing.T) {
	full(t)
	l, alpha, beta, client := served(t)
	before := alpha.pids()
	for _, verb := range []string{"reload", "restart"} {
		at := time.Now()
		alpha.run("systemctl", verb, "baton")
		rest(3 * time.Second) // for a look or two
		alpha.install(current(t))
		if after := alpha.pids(); after != before {
			t.Errorf("after systemctl %s baton the services are %s, and were %s", verb, after, before)
		}
		alpha.did(at)
	}
	beta.ready()

	for i, how := range [][]string{{"stop", "baton"}, {"reboot"}} {
		from, to := alpha, beta
		if i == 1 {
			from, to = beta, alpha
		}
		from.protected()
		c := count(l.Host("client"))
		rest(500 * time.Millisecond)
		at := time.Now()
		_, _ = from.try("systemctl", how...)
		gap := moved(t, client, to, at)
		rest(500 * time.Millisecond)
		without, lost := c.stop(to)
		_, stopped := from.did(at, each("stop", "worker", "web", "numbers")...)
		started, _ := to.did(at, each("start", names...)...)
		t.Logf("systemctl %s on the primary: no answer for %s, of numbers for %s; stopped after %s", strings.Join(how, " "), gap.Round(time.Millisecond), without.Round(time.Millisecond), stopped.Sub(at).Round(time.Millisecond))
		if len(lost) > 0 || started.Before(stopped) || gap > 2*time.Second {
			t.Errorf("that is no handover: numbers %v are lost", lost)
		}
		if i == 1 {
			<-from.nspwn.Done()
			from.boot()
		} else {
			from.rests()
			from.run("systemctl", "start", "baton")
		}
		from.ready()
		from.did(at, each("stop", "worker", "web", "numbers")...)
	}
}

func TestMachinesHandSickServicesOver(t *testing.T) {
	full(t)
	_, alpha, beta, client := served(t)
	alpha.baton("settings set automatic_failover=false")
	for _, ill := range []struct{ what, why, begin, end string }{
		{"500", "numbers: http://127.0.0.1:8080/ answers with status 500", "touch /run/numbers.500", "rm /run/numbers.500"},
		{"never answers", "numbers: http://127.0.0.1:8080/ does not answer within 2", "touch /run/numbers.mute", "rm /run/numbers.mute"},
		{"leaks descriptors until it accepts nobody", "numbers: http://127.0.0.1:8080/ does not answer within 2", "touch /run/numbers.leak", "rm /run/numbers.leak"},
		{"SIGSTOP", "numbers: http://127.0.0.1:8080/ does not answer within 2", "pkill -STOP -f '[n]ame numbers'", "pkill -CONT -f 'name numbers'"},
		{"a check that fails", "worker: the check /usr/local/bin/check ends with exit code 3: the queue is full", "echo 'echo first; echo the queue is full; exit 3' >/run/check", "rm /run/check"},
		{"a check that prints without end", "worker: the check /usr/local/bin/check does not end within 2s: no end", "echo 'exec yes no end' >/run/check", "echo 'yes | head -c 300000000' >/run/check"},
	} {
		at := time.Now()
		alpha.run("sh", "-c", ill.begin)
		alpha.says("status", "site-sick", ill.why)
		sick := time.Since(at)
		at = time.Now()
		alpha.run("sh", "-c", ill.end)
		alpha.lacks("site-sick")
		t.Logf("%s: sick after %s, well after %s", ill.what, sick.Round(100*time.Millisecond), time.Since(at).Round(100*time.Millisecond))
	}
	rss := alpha.run("ps", "-o", "rss=", "-C", "baton")
	t.Logf("memory of the daemon after that: %s", strings.TrimSpace(rss))
	if kib, err := strconv.Atoi(strings.TrimSpace(rss)); err != nil || kib > 60_000 {
		t.Errorf("the daemon uses %s KiB", rss)
	}
	alpha.run("rm", "/run/check")

	// One is killed four times, and another ignores it when it has to stop: it is killed after its two seconds.
	alpha.baton("settings set automatic_failover=true")
	beta.ready()
	alpha.protected()
	alpha.run("touch", "/run/numbers.deaf")
	at := time.Now()
	for range 4 {
		eventually(t, "web runs", 20*time.Second, func() bool { _, err := alpha.try("pkill", "-KILL", "-f", "name web"); return err == nil })
		rest(50 * time.Millisecond)
	}
	gap := moved(t, client, beta, at)
	t.Logf("killed four times: handed over after %s, no answer for %s", time.Since(at).Round(100*time.Millisecond), gap.Round(time.Millisecond))
	alpha.rests()
	if !beta.serves() {
		t.Error("the services do not answer on beta")
	}
	if what, _, _ := alpha.noted(at); slices.Contains(what, "stop numbers") || !slices.Contains(what, "stop worker") || gap > 4*time.Second {
		t.Errorf("on alpha: %q, and no answer for %s", what, gap)
	}
	beta.says("history --since 2m", "web: it has ended 3 times within 10 min")
	rest(8 * time.Second)
	if spells := client.Report().Between(at, time.Now()).Spells(); len(spells) != 2 {
		t.Errorf("the site moved to and fro: %v", spells)
	}
}

// A persistent timer that ran on one machine does not run the same job again on the other. What
// cannot be started is told in a sentence.
func TestMachinesRunTheJobOfTheDayOnce(t *testing.T) {
	full(t)
	l, alpha, beta, client := machines(t, current(t))
	for _, m := range []*machine{alpha, beta} {
		m.write("/etc/systemd/system/mail.timer", "[Timer]\nOnCalendar=*-*-* 00:00:01\nPersistent=yes\nAccuracySec=1us\n")
		m.write("/etc/systemd/system/mail.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo sent >>/var/log/mails'\n")
		m.write("/var/log/mails", "")
		m.write("/var/lib/systemd/timers/stamp-mail.timer", "")
		m.run("touch", "-d", "-2 days", "/var/lib/systemd/timers/stamp-mail.timer") // yesterday's and today's are due
		m.write("/etc/systemd/system/job@.service", "[Service]\nExecStart=/bin/sleep 1000\n")
		m.write("/etc/systemd/system/hidden.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	}
	alpha.write("/etc/systemd/system/lost.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	beta.run("rm", "/etc/systemd/system/hidden.service")
	beta.run("ln", "-s", "/dev/null", "/etc/systemd/system/hidden.service")
	for _, m := range []*machine{alpha, beta} {
		m.run("systemctl", "daemon-reload")
	}
	for unit, why := range map[string]string{
		"job@.service":  "job@.service is a template: name one of its instances, as job@name.service",
		"none.service":  "none.service is not on this machine: install it, or correct the name",
		"baton.service": "baton.service is of the machine, and not of a site",
		"a;b.service":   "is no service and no timer of systemd",
	} {
		if out, err := alpha.try("baton", "service", "add", "unit", "bad", unit); err == nil || !strings.Contains(out, why) {
			t.Errorf("service add unit bad %s: %v, %s", unit, err, out)
		}
	}
	sent := func() string {
		return alpha.run("cat", "/var/log/mails") + beta.run("cat", "/var/log/mails")
	}

	alpha.baton("service add unit mail mail.timer")
	alpha.baton("service add unit job job@one.service")
	eventually(t, "alpha sends the mail", 10*time.Second, func() bool { return sent() == "sent\n" })
	alpha.says("service log mail", "mail.service") // of what the timer starts, too
	beta.says("service list", "mail.timer", " on the peer only")
	beta.baton("service allow mail")
	beta.baton("service allow job")
	eventually(t, "beta's stamp follows", 10*time.Second, func() bool {
		out := beta.run("stat", "-c", "%Y", "/var/lib/systemd/timers/stamp-mail.timer")
		return out == alpha.run("stat", "-c", "%Y", "/var/lib/systemd/timers/stamp-mail.timer")
	})
	beta.ready()
	at := time.Now()
	beta.baton("become primary --final-sync --wait")
	t.Logf("a switch with a timer: no answer for %s", moved(t, client, beta, at).Round(time.Millisecond))
	beta.says("service list", "mail.timer", "running")
	alpha.run("systemctl", "is-active", "-q", "baton")
	if out, _ := alpha.try("systemctl", "is-active", "mail.timer", "job@one.service"); out != strings.Repeat("inactive\n", 2) {
		t.Errorf("on the backup they are %s", out)
	}
	if out := beta.run("systemctl", "is-active", "mail.timer", "job@one.service"); out != strings.Repeat("active\n", 2) {
		t.Errorf("on the primary they are %s", out)
	}
	alpha.ready()
	at, err := l.PowerCut(beta.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a power cut with a timer: no answer for %s", moved(t, client, alpha, at).Round(time.Millisecond))
	alpha.says("service list", "mail.timer", "running")
	rest(time.Second)
	if _, err := l.PowerOn(beta.Host); err != nil {
		t.Fatal(err)
	}
	beta.boot()
	if got := sent(); got != "sent\n" {
		t.Errorf("the mails are %q", got)
	}

	// On the primary both run, and on the backup neither could.
	alpha.baton("service add unit lost lost.service")
	alpha.baton("service add unit hidden hidden.service")
	for _, name := range []string{"lost", "hidden"} {
		eventually(t, "beta knows of "+name, 10*time.Second, func() bool { _, err := beta.try("baton", "service", "allow", name); return err == nil })
	}
	beta.says("status", "dry-start-failed", "This backup could not run service lost: lost.service is not on this machine: install it, or correct the name.")
	beta.says("service list", "failed   lost.service is not on this machine: install it, or correct the name", "failed   hidden.service is masked, so nothing can start it: run systemctl unmask hidden.service")
}

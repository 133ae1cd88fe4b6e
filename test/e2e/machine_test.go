//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
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
	"baton/internal/lab/daemon"
)

// Two real machines with systemd, each on a host of the lab: what a service manager does to
// the daemon in a stop, a reboot, a restart, a reload and an upgrade.

// machine is one of them.
type machine struct {
	*lab.Host
	t     *testing.T
	root  string // of its file system
	nspwn *lab.Process
}

// machines boots two with a package's files, and makes a pair of them.
func machines(t *testing.T, program string) (l *lab.Lab, alpha, beta *machine, client *lab.Client) {
	t.Helper()
	full(t)
	system := debian(t)
	l, err := lab.New(t.Context(), lab.Options{Prefix: "mach", Hosts: lab.Cast()})
	if err != nil {
		t.Fatal(err)
	}
	made := make([]*machine, 2)
	t.Cleanup(func() {
		_ = l.Close()
		for _, m := range slices.DeleteFunc(made, func(m *machine) bool { return m == nil }) {
			for _, at := range []string{"", "unified", "systemd"} {
				_ = exec.Command("find", filepath.Join("/sys/fs/cgroup", at, m.group()), "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run()
			}
		}
	})
	for i, name := range []string{"alpha", "beta"} {
		m := &machine{Host: l.Host(name), t: t, root: filepath.Join(t.TempDir(), name)}
		if text, err := exec.CommandContext(t.Context(), "cp", "-a", system, m.root).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		made[i] = m
		m.install(program)
		m.write("/etc/baton/baton.toml", fmt.Sprintf("name = %q\nlisten = [\"%s:443\"]\n[site]\nroot = \"/srv/www\"\nlisten = [\":80\"]\n[[shared_ip]]\naddress = \"198.51.100.10/24\"\ninterface = \"eth0\"\n", name, m.Addr4()))
		m.write("/srv/www/index.html", "<h1>The site is up</h1>\n")
		m.boot()
	}
	alpha, beta = made[0], made[1]
	t.Cleanup(func() {
		for _, m := range made {
			if t.Failed() {
				out, err := m.try("journalctl", "-b", "-o", "short-precise", "--no-pager", "-n", "150")
				t.Logf("the journal of %s (%v):\n%s", m.Name(), err, out)
			}
		}
	})
	for _, m := range made {
		m.run("systemctl", "enable", "-q", "--now", "baton")
		m.run("sh", "-c", "echo '"+key+"' | baton key set")
	}
	alpha.baton("data add dir site /srv/www")
	alpha.baton("settings set automatic_failover=true test_ips=198.51.100.254")
	for _, m := range made {
		m.baton("shared-ip enable 198.51.100.10")
	}
	alpha.baton("pair " + beta.Addr4().String())
	alpha.baton("sync --wait")
	client = lab.NewClient(lab.ClientOptions{From: l.Host("client"), Target: netip.MustParseAddrPort("198.51.100.10:80")})
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = client.Run(ctx) }()
	t.Cleanup(func() { end(); <-ended })
	beta.ready()
	return l, alpha, beta, client
}

// debian is a directory with a small Debian, made once in a run.
func debian(t *testing.T) string {
	t.Helper()
	for _, program := range []string{"mmdebstrap", "systemd-nspawn", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("skipped: %s is not installed: apt-get install mmdebstrap systemd-container", program)
		}
	}
	dir := filepath.Join(os.Getenv(previousDir), "debian")
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	out, err := exec.CommandContext(t.Context(), "mmdebstrap", "-q", "--variant=minbase", "--include=systemd,systemd-sysv,dbus,iproute2,procps", "bookworm", dir).CombinedOutput()
	if err != nil {
		_ = os.RemoveAll(dir)
		t.Skipf("skipped: the packages of Debian cannot be had: %v: %s", err, bytes.TrimSpace(out))
	}
	return dir
}

func (m *machine) write(path, text string) {
	m.t.Helper()
	path = filepath.Join(m.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// install puts the program and the unit in place, as a package does.
func (m *machine) install(program string) {
	m.t.Helper()
	unit := filepath.Join("..", "..", "packaging", "baton.service")
	if dir := filepath.Dir(program); dir == os.Getenv(previousDir) {
		unit = filepath.Join(dir, "packaging", "baton.service")
	}
	for from, to := range map[string]string{program: "/usr/bin/baton", unit: "/lib/systemd/system/baton.service"} {
		text, err := os.ReadFile(from)
		if err != nil {
			m.t.Fatal(err)
		}
		at := filepath.Join(m.root, to)
		if err := os.WriteFile(at+".new", text, 0o755); err != nil {
			m.t.Fatal(err)
		}
		if err := os.Rename(at+".new", at); err != nil {
			m.t.Fatal(err)
		}
	}
}

// ownGroup boots a machine in a control group of its own, in each hierarchy where systemd counts
// processes: two in one group would take the other's processes for theirs.
const ownGroup = `for at in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
	if [ -e $at/cgroup.procs ]; then mkdir -p $at/$0 && echo $$ >$at/$0/cgroup.procs; fi
done
exec systemd-nspawn "$@"`

func (m *machine) group() string { return "baton-" + m.Name() + "-" + strconv.Itoa(os.Getpid()) }

func (m *machine) boot() {
	m.t.Helper()
	log, err := os.Create(filepath.Join(m.t.TempDir(), "boot"))
	if err != nil {
		m.t.Fatal(err)
	}
	name := m.group()
	m.nspwn, err = m.Start(context.Background(), lab.Cmd{
		Path: "/bin/sh", Stdout: log, Stderr: log,
		Args: []string{"-c", ownGroup, name, "-q", "--register=no", "--keep-unit", "--capability=CAP_NET_ADMIN,CAP_NET_RAW", "-D", m.root, "-M", name, "-b"},
	})
	_ = log.Close()
	if err != nil {
		m.t.Fatal(err)
	}
	for limit := time.Now().Add(time.Minute); ; rest(100 * time.Millisecond) {
		select {
		case <-m.nspwn.Done():
			text, _ := os.ReadFile(log.Name())
			m.t.Skipf("skipped: a machine of its own does not boot here: %s", bytes.TrimSpace(text))
		default:
		}
		if _, err := m.try("systemctl", "is-active", "-q", "multi-user.target"); err == nil {
			return
		}
		if time.Now().After(limit) {
			text, _ := os.ReadFile(log.Name())
			m.t.Fatalf("%s does not boot: %s", m.Name(), text)
		}
	}
}

// try runs a program inside.
func (m *machine) try(program string, args ...string) (string, error) {
	family := lab.Family(m.nspwn.PID())
	if len(family) < 2 {
		return "", fmt.Errorf("%s has no system yet", m.Name())
	}
	command := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(family[1]), "-a", program}, args...)...)
	out, err := command.CombinedOutput()
	return string(out), err
}

func (m *machine) run(program string, args ...string) string {
	m.t.Helper()
	out, err := m.try(program, args...)
	if err != nil {
		m.t.Fatalf("%s on %s: %v: %s", program, m.Name(), err, out)
	}
	return out
}

func (m *machine) baton(line string) string {
	m.t.Helper()
	return m.run("baton", strings.Fields(line)...)
}

// says waits until the output of baton has all texts.
func (m *machine) says(line string, texts ...string) {
	m.t.Helper()
	m.await(line, fmt.Sprintf("does not say %q", texts), func(out string) bool {
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(out, text) })
	})
}

// lacks waits until it has a text no longer.
func (m *machine) lacks(line, text string) {
	m.t.Helper()
	m.await(line, fmt.Sprintf("says %q", text), func(out string) bool { return !strings.Contains(out, text) })
}

func (m *machine) await(line, trouble string, holds func(out string) bool) {
	m.t.Helper()
	for limit := time.Now().Add(30 * time.Second); ; rest(100 * time.Millisecond) {
		out, _ := m.try("baton", strings.Fields(line)...)
		if holds(out) {
			return
		}
		if time.Now().After(limit) {
			m.t.Fatalf("baton %s on %s %s:\n%s", line, m.Name(), trouble, out)
		}
	}
}

// ready waits until this machine is a backup that could take over.
func (m *machine) ready() {
	m.t.Helper()
	m.says("doctor", "takeover in about")
}

// protected waits until this machine is a primary that knows of a backup which could take over: it
// hands over to no other.
func (m *machine) protected() {
	m.t.Helper()
	m.says("status", "and protected by")
}

// moved waits until a machine answers the client, and returns for how long nobody did.
func moved(t *testing.T, client *lab.Client, to *machine, since time.Time) time.Duration {
	t.Helper()
	eventually(t, to.Name()+" answers", 30*time.Second, func() bool {
		_, ok := client.Report().GapAfter(since, to.Name())
		return ok
	})
	rest(300 * time.Millisecond)
	return client.Report().Between(since.Add(-300*time.Millisecond), time.Now()).Longest().Duration()
}

// visitors ask for the site 200 times a second, each on a connection of its own, and wait for
// the answer for up to 5 s.
type visitors struct {
	mu      sync.Mutex
	asked   int
	failed  []string
	longest time.Duration
	end     context.CancelFunc
	all     sync.WaitGroup
}

func visit(from *lab.Host) *visitors {
	ctx, end := context.WithCancel(context.Background())
	v := &visitors{end: end}
	v.all.Go(func() {
		ticker := time.NewTicker(5 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			<-ticker.C
			v.all.Go(func() { v.ask(from) })
		}
	})
	return v
}

func (v *visitors) ask(from *lab.Host) {
	const patience = 5 * time.Second
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DialContext: from.DialContext, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://198.51.100.10/", http.NoBody)
	if err != nil {
		panic(err)
	}
	response, err := client.Do(request)
	status := 0
	if err == nil {
		status = response.StatusCode
		_, err = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	v.longest = max(v.longest, time.Since(began))
	if err != nil || status != http.StatusOK {
		v.failed = append(v.failed, fmt.Sprintf("%s: status %d, %v", began.Format("05.000"), status, err))
	}
}

// stop ends it, and checks that nobody was left without the site.
func (v *visitors) stop(t *testing.T, what string) {
	t.Helper()
	v.end()
	v.all.Wait()
	t.Logf("%s: %d requests, %d failed, the longest answer took %s", what, v.asked, len(v.failed), v.longest.Round(time.Millisecond))
	for _, one := range v.failed {
		t.Error(one)
	}
}

func TestMachinesStopRestartAndReload(t *testing.T) {
	l, alpha, beta, client := machines(t, os.Getenv(daemon.ProgramName))

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

	v := visit(l.Host("client"))
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
	_, alpha, beta, client := machines(t, os.Getenv(daemon.ProgramName))
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
	l, alpha, beta, client := machines(t, previous(t))
	now := os.Getenv(daemon.ProgramName)
	upgrade := func(m *machine) {
		m.install(now)
		m.run("systemctl", "daemon-reload")
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
	v := visit(l.Host("client"))
	for _, m := range []*machine{alpha, beta} {
		m.install(now)
		m.run("systemctl", "reload", "baton")
		rest(time.Second)
	}
	v.stop(t, "the next upgrade of both")
	alpha.ready()
}

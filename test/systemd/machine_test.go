//go:build e2e

package systemd

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"baton/internal/lab"
	"baton/internal/lab/siteclient"
)

// machine is a Debian with systemd on a host of the lab.
type machine struct {
	*lab.Host
	t      *testing.T
	root   string   // of its file system
	groups []string // control groups, one for each boot: what ends takes its own away, at its own time
	nspwn  *lab.Process
}

// machines boots two with a package installed, and makes a pair of them. Before that each is prepared.
func machines(t *testing.T, deb string, prepare ...func(*machine)) (l *lab.Lab, alpha, beta *machine, client *siteclient.Client) {
	t.Helper()
	l, alpha, beta = boot(t, debian(t))
	for _, m := range []*machine{alpha, beta} {
		for _, prepare := range prepare {
			prepare(m)
		}
		m.install(deb)
		m.write("/etc/baton/baton.toml", fmt.Sprintf("name = %q\nlisten = [\"%s:443\"]\n[site]\nroot = \"/srv/www\"\nlisten = [\":80\"]\n[[shared_ip]]\naddress = \"198.51.100.10/24\"\ninterface = \"eth0\"\n", m.Name(), m.Addr4()))
		m.run("sh", "-c", "mkdir -p /srv/www && echo '<h1>The site is up</h1>' >/srv/www/index.html")
		m.run("systemctl", "enable", "-q", "--now", "baton")
		m.run("sh", "-c", "echo correct horse battery staple 42 | baton key set")
	}
	alpha.baton("data add dir site /srv/www")
	alpha.baton("settings set automatic_failover=true test_ips=198.51.100.254")
	for _, m := range []*machine{alpha, beta} {
		m.baton("shared-ip enable 198.51.100.10")
	}
	alpha.baton("pair " + beta.Addr4().String())
	alpha.baton("sync --wait")
	client = asks(t, l, "198.51.100.10:80")
	beta.ready()
	return l, alpha, beta, client
}

// boot boots two machines from a root file system.
func boot(t *testing.T, system string) (l *lab.Lab, alpha, beta *machine) {
	t.Helper()
	dir := t.TempDir() // removed last
	l, err := lab.New(context.Background(), lab.Options{Prefix: "mach", Hosts: lab.Cast()})
	if err != nil {
		t.Fatal(err)
	}
	var both []*machine
	t.Cleanup(func() {
		_ = l.Close()
		for _, m := range both {
			for _, group := range m.groups {
				for _, at := range []string{"", "unified", "systemd"} {
					_ = exec.Command("find", filepath.Join("/sys/fs/cgroup", at, group), "-depth", "-type", "d", "-exec", "rmdir", "{}", ";").Run()
				}
			}
		}
	})
	t.Cleanup(func() {
		for _, m := range both {
			if t.Failed() {
				out, err := m.try("journalctl", "-b", "-o", "short-precise", "--no-pager", "-n", "150")
				t.Logf("the journal of %s (%v):\n%s", m.Name(), err, out)
				out, err = m.try("baton", "status")
				t.Logf("the status of %s (%v):\n%s", m.Name(), err, out)
			}
		}
	})
	for _, name := range []string{"alpha", "beta"} {
		m := &machine{Host: l.Host(name), t: t, root: filepath.Join(dir, name)}
		if text, err := exec.CommandContext(t.Context(), "cp", "-a", system, m.root).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		both = append(both, m)
		m.write("/etc/hostname", name+"\n")
		m.start()
	}
	for _, m := range both {
		m.up()
	}
	return l, both[0], both[1]
}

// asks has a client of the lab ask for the site at an address until the test ends.
func asks(t *testing.T, l *lab.Lab, address string) *siteclient.Client {
	t.Helper()
	client := siteclient.New(siteclient.Options{From: l.Host("client"), Target: netip.MustParseAddrPort(address)})
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = client.Run(ctx) }()
	t.Cleanup(func() { end(); <-ended })
	return client
}

// debian is the root file system of a small Debian with systemd and other packages; made once in a run.
func debian(t *testing.T, packages ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("skipped: only root can boot a machine of its own")
	}
	for _, program := range []string{"mmdebstrap", "systemd-nspawn", "nsenter", "dpkg-deb", "make"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("skipped: %s is not installed: apt-get install mmdebstrap systemd-container make", program)
		}
	}
	packages = append([]string{"systemd", "systemd-sysv", "dbus", "iproute2", "procps"}, packages...)
	list := strings.Join(packages, ",")
	dir := filepath.Join(os.Getenv(scratchDir), fmt.Sprintf("debian-%x", sha256.Sum256([]byte(list)))[:20])
	if _, err := os.Stat(dir); err == nil {
		return dir
	}
	var out bytes.Buffer
	command := exec.CommandContext(t.Context(), "mmdebstrap", "-q", "--variant=minbase", "--include="+list, "bookworm", dir)
	command.Stdout, command.Stderr = &out, &out
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	current(t) // both take half a minute
	if err := command.Wait(); err != nil {
		_ = os.RemoveAll(dir)
		t.Skipf("skipped: the packages of Debian cannot be had: %v: %s", err, bytes.TrimSpace(out.Bytes()))
	}
	return dir
}

// current is the package of this tree, and previous that of the version before; made once in a run.
func current(t *testing.T) string {
	t.Helper()
	return pack(t, filepath.Join("..", ".."), "current")
}

// previousCommit is the newest one of the previous version, as in test/e2e.
const previousCommit = "0c38c17"

func previous(t *testing.T) string {
	t.Helper()
	tree := filepath.Join(os.Getenv(scratchDir), "tree")
	take := fmt.Sprintf("git -C ../.. cat-file -e %[1]s^{commit} && mkdir -p %[2]q && git -C ../.. archive %[1]s | tar -x -C %[2]q", previousCommit, tree)
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", take).CombinedOutput(); err != nil {
		t.Skipf("skipped: commit %s of the previous version is not in the history of this repository: %s", previousCommit, out)
	}
	return pack(t, tree, "previous", "VERSION=v0.0.0")
}

func pack(t *testing.T, tree, name string, settings ...string) string {
	t.Helper()
	dir := filepath.Join(os.Getenv(scratchDir), name)
	if _, err := os.Stat(dir); err != nil {
		args := append([]string{"-s", "-C", tree, "package", "ARCHES=" + runtime.GOARCH, "DIST=" + dir}, settings...)
		if out, err := exec.CommandContext(t.Context(), "make", args...).CombinedOutput(); err != nil {
			t.Fatalf("make package: %v: %s", err, out)
		}
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) != 1 {
		t.Fatalf("make package made the packages %q (%v)", debs, err)
	}
	return debs[0]
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

// install installs a package, or upgrades to it.
func (m *machine) install(deb string) string {
	m.t.Helper()
	m.copy(deb, "/root/baton.deb")
	return m.run("dpkg", "-i", "/root/baton.deb")
}

// copy copies a file of this machine.
func (m *machine) copy(from, to string) {
	m.t.Helper()
	if out, err := exec.CommandContext(m.t.Context(), "cp", from, filepath.Join(m.root, to)).CombinedOutput(); err != nil {
		m.t.Fatalf("%v: %s", err, out)
	}
}

// ownGroup boots a machine in a control group of its own, in each hierarchy where systemd counts
// processes: two in one group would take the other's processes for theirs.
const ownGroup = `for at in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/systemd; do
	if [ -e $at/cgroup.procs ]; then mkdir -p $at/$0 && echo $$ >$at/$0/cgroup.procs; fi
done
exec systemd-nspawn "$@"`

// boot starts a machine, and waits until its system is up.
func (m *machine) boot() {
	m.t.Helper()
	m.start()
	m.up()
}

func (m *machine) start() {
	m.t.Helper()
	log, err := os.Create(m.root + ".boot")
	if err != nil {
		m.t.Fatal(err)
	}
	name := fmt.Sprintf("baton-%s-%d-%d", m.Name(), os.Getpid(), time.Now().UnixMilli())
	m.groups = append(m.groups, name)
	m.nspwn, err = m.Start(context.Background(), lab.Cmd{
		Path: "/bin/sh", Stdout: log, Stderr: log,
		Args: []string{"-c", ownGroup, name, "-q", "--register=no", "--keep-unit", "--capability=CAP_NET_ADMIN,CAP_NET_RAW", "--system-call-filter=fanotify_init fanotify_mark open_by_handle_at name_to_handle_at openat2 statx", "-D", m.root, "-M", name, "-b"},
	})
	_ = log.Close()
	if err != nil {
		m.t.Fatal(err)
	}
}

// up waits until the system is up.
func (m *machine) up() {
	m.t.Helper()
	for limit := time.Now().Add(time.Minute); ; rest(100 * time.Millisecond) {
		select {
		case <-m.nspwn.Done():
			text, _ := os.ReadFile(m.root + ".boot")
			if len(m.groups) > 1 {
				m.t.Fatalf("%s does not boot again: %s", m.Name(), text)
			}
			m.t.Skipf("skipped: a machine of its own does not boot here: %s", bytes.TrimSpace(text))
		default:
		}
		if _, err := m.try("systemctl", "is-active", "-q", "multi-user.target"); err == nil {
			return
		}
		if time.Now().After(limit) {
			text, _ := os.ReadFile(m.root + ".boot")
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

// lacks waits until its status has a text no longer.
func (m *machine) lacks(text string) {
	m.t.Helper()
	m.await("status", fmt.Sprintf("says %q", text), func(out string) bool { return !strings.Contains(out, text) })
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
func moved(t *testing.T, client *siteclient.Client, to *machine, since time.Time) time.Duration {
	t.Helper()
	eventually(t, to.Name()+" answers", 30*time.Second, func() bool {
		_, ok := client.Report().GapAfter(since, to.Name())
		return ok
	})
	rest(300 * time.Millisecond)
	return client.Report().Between(since.Add(-300*time.Millisecond), time.Now()).Longest().Duration()
}

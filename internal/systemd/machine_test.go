package systemd

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// These tests make, start and stop units of a real systemd: on a machine that is made for it
// (BATON_TRY_SYSTEMD=1, set by make e2e-systemd), as root.

func connected(t *testing.T) *Manager {
	t.Helper()
	if os.Getenv("BATON_TRY_SYSTEMD") == "" || !Runs() {
		t.Skip("skipped: this needs a machine with systemd that is made for it: make e2e-systemd")
	}
	m, err := Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// unit makes a unit for one test, as /run/systemd/system/NAME.
func unit(t *testing.T, m *Manager, name, text string) string {
	t.Helper()
	path := filepath.Join("/run/systemd/system", name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := m.conn.ReloadContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = m.Stop(context.Background(), name, time.Second)
		_ = os.Remove(path)
		_ = m.conn.ReloadContext(context.Background())
	})
	return name
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, m *Manager, name string) Unit {
	t.Helper()
	u, err := m.Unit(t.Context(), name)
	must(t, err)
	return u
}

func closed(t *testing.T, address string) {
	t.Helper()
	if conn, err := net.DialTimeout("tcp", address, time.Second); err == nil {
		_ = conn.Close()
		t.Errorf("%s still accepts connections", address)
	}
}

func within(t *testing.T, what string, limit time.Duration, act func()) {
	t.Helper()
	began := time.Now()
	act()
	took := time.Since(began)
	t.Logf("%s took %s", what, took)
	if took > limit {
		t.Errorf("%s took %s, more than %s", what, took, limit)
	}
}

func TestStartsAndStops(t *testing.T) {
	m := connected(t)
	name := unit(t, m, "try-plain.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	within(t, "the start", time.Second, func() { must(t, m.Start(t.Context(), name)) })
	if u := state(t, m, name); u.Active != "active" || u.MainPID == 0 || u.Started.IsZero() || u.Cgroup == "" {
		t.Errorf("started, it is %+v", u)
	}
	within(t, "the stop", time.Second, func() { must(t, m.Stop(t.Context(), name, 5*time.Second)) })
	if u := state(t, m, name); u.Active != "inactive" {
		t.Errorf("stopped, it is %+v", u)
	}
	must(t, m.Stop(t.Context(), name, time.Second)) // once more does nothing
}

// server is a program that listens, and leaves a child that does so too.
const server = `import os, socket, sys, signal, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen()
signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in sys.argv else signal.SIG_DFL)
if "fork" in sys.argv and os.fork() == 0:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if "escape" in sys.argv and os.fork() == 0:
    open("/run/try-escaped", "w").write(str(os.getpid()))
    for h in ("systemd", "unified", "."):
        try: open("/sys/fs/cgroup/" + h + "/init.scope/cgroup.procs", "w").write(str(os.getpid()))
        except OSError as e: print(e, flush=True)
open("/run/try-ready", "w").close()
while True: time.sleep(1)
`

func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join("/run", "try-server.py")
	must(t, os.WriteFile(path, []byte(server), 0o644))
	_ = os.Remove("/run/try-ready")
	return "/usr/bin/python3 " + path
}

func ready(t *testing.T) {
	t.Helper()
	for range 100 {
		if _, err := os.Stat("/run/try-ready"); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server does not start")
}

func TestStopTakesWhatAUnitLeaves(t *testing.T) {
	m := connected(t)
	for _, mode := range []string{"process", "none", "mixed", "control-group"} {
		t.Run(mode, func(t *testing.T) {
			name := unit(t, m, "try-leaves.service", "[Service]\nKillMode="+mode+"\nTimeoutStopSec=1\nExecStart="+program(t)+" 7001 fork\n")
			must(t, m.Start(t.Context(), name))
			ready(t)
			within(t, "the stop", 5*time.Second, func() { must(t, m.Stop(t.Context(), name, 3*time.Second)) })
			closed(t, "127.0.0.1:7001")
		})
	}
}

func TestStopIsBounded(t *testing.T) {
	m := connected(t)
	name := unit(t, m, "try-deaf.service", "[Service]\nTimeoutStopSec=infinity\nExecStart="+program(t)+" 7002 deaf\n")
	must(t, m.Start(t.Context(), name))
	ready(t)
	if u := state(t, m, name); u.StopLimit != Unlimited {
		t.Errorf("the stop limit is %s", u.StopLimit)
	}
	within(t, "the stop", 3*time.Second, func() { must(t, m.Stop(t.Context(), name, 500*time.Millisecond)) })
	closed(t, "127.0.0.1:7002")
}

func TestStopTellsOfAPortThatIsLeft(t *testing.T) {
	m := connected(t)
	name := unit(t, m, "try-escapes.service", "[Service]\nExecStart="+program(t)+" 7003 escape\n")
	must(t, m.Start(t.Context(), name))
	ready(t)
	t.Cleanup(func() {
		text, _ := os.ReadFile("/run/try-escaped")
		if escaped, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			_ = unix.Kill(escaped, unix.SIGKILL)
		}
	})
	err := m.Stop(t.Context(), name, time.Second)
	var left *StopError
	if !errors.As(err, &left) || !slices.Equal(left.Ports, []string{"tcp 127.0.0.1:7003"}) {
		t.Errorf("the stop returns %v", err)
	}
	t.Log(err)
	if err := m.Stop(t.Context(), name, time.Second); !errors.As(err, &left) { // the unit has stopped, and its group is gone
		t.Errorf("the next stop returns %v", err)
	}
}

func TestStopTakesWhatStartsAUnit(t *testing.T) {
	m := connected(t)
	service := unit(t, m, "try-asked.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	socket := unit(t, m, "try-asked.socket", "[Socket]\nListenStream=127.0.0.1:7004\n")
	must(t, m.Start(t.Context(), socket))
	must(t, m.Start(t.Context(), service))
	must(t, m.Stop(t.Context(), service, time.Second))
	closed(t, "127.0.0.1:7004")
	if u := state(t, m, socket); u.Runs() {
		t.Errorf("the socket is %s", u.Active)
	}
}

func TestATimerStopsWhatItStarted(t *testing.T) {
	m := connected(t)
	service := unit(t, m, "try-job.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep 1000\n")
	timer := unit(t, m, "try-job.timer", "[Timer]\nOnActiveSec=1us\nAccuracySec=1us\n")
	must(t, m.Start(t.Context(), timer))
	for range 100 {
		if state(t, m, service).Runs() {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !state(t, m, service).Runs() {
		t.Fatal("the timer started nothing")
	}
	must(t, m.Stop(t.Context(), timer, time.Second))
	if u := state(t, m, service); u.Runs() {
		t.Errorf("its job is %s", u.Active)
	}
	u := state(t, m, timer)
	limit, err := m.StopLimit(t.Context(), u, time.Second)
	if must(t, err); u.Runs() || u.StopLimit != 0 || limit != 2*time.Second+killed {
		t.Errorf("it is %s, and has a limit of %s, in all %s", u.Active, u.StopLimit, limit)
	}
}

func TestAPersistentTimerRunsOnlyWhatWasMissed(t *testing.T) {
	m := connected(t)
	unit(t, m, "try-day.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo ran >> /run/try-day'\n")
	timer := unit(t, m, "try-day.timer", "[Timer]\nOnCalendar=daily\nPersistent=yes\nAccuracySec=1us\n")
	for _, c := range []struct {
		name  string
		stamp time.Time
		runs  bool
	}{
		{"no stamp", time.Time{}, false},
		{"ran two days ago", time.Now().Add(-48 * time.Hour), true},
		{"ran just now on the other", time.Now().Add(-time.Second), false},
		{"ran on the other, whose clock is ahead", time.Now().Add(time.Minute), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_ = os.Remove("/run/try-day")
			_ = os.Remove(filepath.Join(stamps, "stamp-"+timer))
			if !c.stamp.IsZero() {
				must(t, SetStamp(timer, c.stamp))
			}
			must(t, m.Start(t.Context(), timer))
			time.Sleep(500 * time.Millisecond)
			_, err := os.Stat("/run/try-day")
			if ran := err == nil; ran != c.runs {
				t.Errorf("the job ran: %v, want %v", ran, c.runs)
			}
			stamp, err := Stamp(timer)
			must(t, err)
			t.Logf("the stamp is now %s", time.Since(stamp))
			must(t, m.Stop(t.Context(), timer, time.Second))
		})
	}
}

func TestRunsACommand(t *testing.T) {
	m := connected(t)
	c := Command{
		Unit: "try-command.service", Description: "A command of a test", User: "www-data", Group: "www-data", Dir: "/var", Env: []string{"A=b c"}, StopWithin: time.Second, Memory: 64 << 20, Tasks: 10, Files: 77,
		Args: []string{"/bin/sh", "-c", `id -un; pwd; echo "$A"; ulimit -n; nice; cat /proc/self/oom_score_adj; grep -e CapBnd -e NoNewPrivs -e Seccomp: /proc/self/status; echo "$1"`, "sh", "$(x) ; %n"},
	}
	read, write, err := os.Pipe()
	must(t, err)
	must(t, m.Try(t.Context(), c, 5*time.Second, write))
	_ = write.Close()
	out, err := io.ReadAll(read)
	must(t, err)
	t.Logf("%s", out)
	if !strings.HasPrefix(string(out), "www-data\n/var\nb c\n77\n0\n0\n") || !strings.HasSuffix(string(out), "$(x) ; %n\n") {
		t.Errorf("it says %q", out)
	}

	c.Args = []string{"/bin/sleep", "1000"}
	must(t, m.Run(t.Context(), c))
	if u := state(t, m, c.Unit); u.Active != "active" || u.StopLimit != time.Second {
		t.Errorf("it is %+v", u)
	}
	if err := m.Run(t.Context(), c); err == nil {
		t.Error("it is started twice")
	} else {
		t.Log(err)
	}
	must(t, m.Stop(t.Context(), c.Unit, time.Second))
	if u := state(t, m, c.Unit); u.Load != "not-found" {
		t.Errorf("stopped, it is %+v", u)
	}
}

func TestACommandThatFailsSaysWhy(t *testing.T) {
	m := connected(t)
	deaf := []string{"/usr/bin/python3", "-c", "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"}
	for _, c := range []struct {
		name    string
		command Command
		run     bool // as one that goes on, too
		want    string
	}{
		{"fails", Command{Args: []string{"/bin/false"}}, false, "/bin/false ends with exit code 1"},
		{"is killed", Command{Args: []string{"/bin/sh", "-c", "kill -9 $$"}}, false, "/bin/sh is ended by signal 9"},
		{"does not end", Command{Args: []string{"/bin/sleep", "1000"}}, false, "/bin/sleep does not end within 1s"},
		{"does not end when asked", Command{Args: deaf}, false, "/usr/bin/python3 does not end within 1s"},
		{"is no program", Command{Args: []string{"/no/such"}}, true, "/no/such cannot be run: see that it is a program, and that its user may run it"},
		{"no user", Command{Args: []string{"/bin/true"}, User: "no-such"}, true, "/bin/true cannot be run as no-such: see that this machine has that user and group"},
		{"no directory", Command{Args: []string{"/bin/true"}, Dir: "/no/such"}, true, "/bin/true cannot be run in /no/such: see that it is a directory, and that its user may enter it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.command.Unit, c.command.StopWithin = "try-check.service", time.Second
			within(t, "it", 4*time.Second, func() {
				if err := m.Try(t.Context(), c.command, time.Second, nil); err == nil || err.Error() != c.want {
					t.Errorf("Try: %v, want %s", err, c.want)
				}
			})
			if c.run {
				if err := m.Run(t.Context(), c.command); err == nil || err.Error() != c.want {
					t.Errorf("Run: %v, want %s", err, c.want)
				}
			}
		})
	}
}

// systemd reads units anew whenever a package is installed: those that Baton makes stay as they are.
func TestAReloadOfSystemdLeavesWhatBatonMakes(t *testing.T) {
	m := connected(t)
	command, between := Command{Unit: "try-command.service", Args: []string{"/bin/sh", "-c", "sleep 1000; echo \"$HOME\" %n"}}, "try-order.service"
	one := unit(t, m, "try-ordered.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	must(t, errors.Join(m.Run(t.Context(), command), m.Start(t.Context(), one), m.StopAfter(t.Context(), between, "baton.service", []string{one})))
	t.Cleanup(func() {
		_ = errors.Join(m.Stop(context.Background(), command.Unit, time.Second), m.Stop(context.Background(), between, time.Second))
	})
	for !state(t, m, between).Runs() {
		time.Sleep(20 * time.Millisecond)
	}
	must(t, m.conn.ReloadContext(t.Context()))
	for _, name := range []string{command.Unit, between} {
		if u := state(t, m, name); u.Load != "loaded" || u.Active != "active" || u.Program == "" || name == between && !slices.Contains(u.After, one) {
			t.Errorf("%+v", u)
		}
	}
}

// A check that is deaf takes no longer than it may, and nobody waits for one that is not asked any more.
func TestATryIsBounded(t *testing.T) {
	m := connected(t)
	deaf := Command{Unit: "try-check.service", Args: []string{"/bin/sh", "-c", "trap '' TERM; while :; do sleep 1; done"}}
	within(t, "one that is deaf", 3*time.Second, func() {
		if err := m.Try(t.Context(), deaf, time.Second, nil); err == nil || err.Error() != "/bin/sh does not end within 1s" {
			t.Error(err)
		}
	})
	for _, args := range [][]string{{"/bin/sleep", "30"}, deaf.Args} {
		c := Command{Unit: "try-check.service", Args: args}
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		if err := m.Try(ctx, c, 30*time.Second, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		cancel()
		c.Args = []string{"/bin/true"}
		within(t, "the next", 3*time.Second, func() { must(t, m.Try(t.Context(), c, 5*time.Second, nil)) })
	}
}

func TestOddUnits(t *testing.T) {
	m := connected(t)
	unit(t, m, "try-masked.service", "")
	must(t, os.Remove("/run/systemd/system/try-masked.service"))
	must(t, os.Symlink("/dev/null", "/run/systemd/system/try-masked.service"))
	unit(t, m, "try-bad.service", "[Service]\nType=simple\n")
	unit(t, m, "try-template@.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	unit(t, m, "try-refuses.service", "[Unit]\nRefuseManualStart=yes\nRefuseManualStop=yes\n[Service]\nExecStart=/bin/sleep 1000\n")
	unit(t, m, "try-never.service", "[Service]\nType=notify\nTimeoutStartSec=1\nExecStart=/bin/sleep 1000\n")
	must(t, m.conn.ReloadContext(t.Context()))
	for _, name := range []string{"try-missing.service", "try-masked.service", "try-bad.service", "try-template@.service", "try-refuses.service", "try-never.service", "a;b.service", "a b.service", "../x.service", "nothing", "", strings.Repeat("x", 300) + ".service", "user@1000.service"} {
		err := m.Start(t.Context(), name)
		t.Logf("%.40q: %v", name, err)
		if err == nil && name != "user@1000.service" {
			t.Errorf("%q starts", name)
		}
		u, err := m.Unit(t.Context(), name)
		t.Logf("    %s %s %s %s %v", u.Load, u.Active, u.FileState, u.Result, err)
	}
	must(t, m.Start(t.Context(), "try-template@one.service"))
	must(t, m.Stop(t.Context(), "try-template@one.service", time.Second))
}

func TestStopFindsWhatWasLeftBefore(t *testing.T) {
	m := connected(t)
	name := unit(t, m, "try-left.service", "[Service]\nKillMode=none\nExecStart="+program(t)+" 7005\n")
	must(t, m.Start(t.Context(), name))
	ready(t)
	must(t, m.await(t.Context(), name, false, func(done chan<- string) (int, error) {
		return m.conn.StopUnitContext(t.Context(), name, "replace", done)
	}))
	u := state(t, m, name)
	t.Logf("%+v", u)
	err := m.Stop(t.Context(), name, time.Second)
	t.Log(err)
	if err == nil {
		closed(t, "127.0.0.1:7005")
	}
}

func TestSystemdIsReplaced(t *testing.T) {
	m := connected(t)
	name := unit(t, m, "try-slow.service", "[Service]\nType=oneshot\nExecStart=/bin/sleep 3\n")
	go func() {
		time.Sleep(500 * time.Millisecond)
		other, err := Connect(context.Background())
		if err == nil {
			err = exec.Command("systemctl", "daemon-reexec").Run()
			t.Log("reexec:", err)
			other.Close()
		}
	}()
	within(t, "the start", 10*time.Second, func() { t.Log(m.Start(t.Context(), name)) })
	again, err := Connect(t.Context())
	must(t, err)
	t.Logf("%v %+v", m.conn.Connected(), state(t, again, name).Active)
	again.Close()
}

func TestStopsAStoppedProcess(t *testing.T) {
	m := connected(t)
	name := unit(t, m, "try-halted.service", "[Service]\nTimeoutStopSec=1\nExecStart="+program(t)+" 7006\n")
	must(t, m.Start(t.Context(), name))
	ready(t)
	must(t, unix.Kill(int(state(t, m, name).MainPID), unix.SIGSTOP))
	within(t, "the stop", 3*time.Second, func() { must(t, m.Stop(t.Context(), name, 3*time.Second)) })
	closed(t, "127.0.0.1:7006")
}

func TestMonotonicTimersAtStart(t *testing.T) {
	m := connected(t)
	for _, setting := range []string{"OnBootSec=1", "OnUnitActiveSec=1h", "OnActiveSec=1h", "OnStartupSec=1", "OnCalendar=hourly"} {
		t.Run(setting, func(t *testing.T) {
			_ = os.Remove("/run/try-mono")
			unit(t, m, "try-mono.service", "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo ran >> /run/try-mono'\n")
			timer := unit(t, m, "try-mono.timer", "[Timer]\nAccuracySec=1us\n"+setting+"\n")
			must(t, m.Start(t.Context(), timer))
			time.Sleep(300 * time.Millisecond)
			_, err := os.Stat("/run/try-mono")
			u := state(t, m, timer)
			t.Logf("%s: ran at once: %v; %s %s", setting, err == nil, u.Active, u.Sub)
			if ran := err == nil; ran != (setting == "OnBootSec=1" || setting == "OnStartupSec=1") {
				t.Error("not as expected")
			}
		})
	}
}

func TestKilledIsSeen(t *testing.T) {
	m := connected(t)
	name := unit(t, m, "try-killed.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	must(t, m.Start(t.Context(), name))
	must(t, unix.Kill(int(state(t, m, name).MainPID), unix.SIGKILL))
	began := time.Now()
	for state(t, m, name).Runs() {
		time.Sleep(time.Millisecond)
	}
	u := state(t, m, name)
	t.Logf("after %s: %s %s %d", time.Since(began), u.Active, u.Result, u.ExitCode)
}

// TestStopsForAUnitThatStops is run by try-after.service when that stops.
func TestStopsForAUnitThatStops(t *testing.T) {
	name := os.Getenv("BATON_TRY_STOP")
	if name == "" {
		t.Skip("skipped: TestStopsWhileItIsStopped runs this")
	}
	must(t, connected(t).Stop(t.Context(), name, 2*time.Second))
}

func TestStopsWhileItIsStopped(t *testing.T) {
	m := connected(t)
	before := unit(t, m, "try-before.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	part := unit(t, m, "try-part.service", "[Unit]\nPartOf=try-before.service\n[Service]\nExecStart=/bin/sleep 1000\n")
	after := unit(t, m, "try-after.service", "[Unit]\nAfter=try-before.service\n[Service]\nExecStart=/bin/sleep 1000\nTimeoutStopSec=5\nEnvironment=BATON_TRY_SYSTEMD=1 BATON_TRY_STOP=try-before.service\nExecStop="+os.Args[0]+" -test.run ^TestStopsForAUnitThatStops$\n")
	for _, both := range []bool{false, true} {
		must(t, m.Start(t.Context(), before))
		must(t, m.Start(t.Context(), part))
		must(t, m.Start(t.Context(), after))
		args := []string{"stop", after}
		if both { // as in a shutdown
			args = append(args, before)
		}
		within(t, "the stop", 3*time.Second, func() { must(t, exec.Command("systemctl", args...).Run()) })
		for _, name := range []string{before, part, after} {
			if u := state(t, m, name); u.Runs() || u.Result != "success" {
				t.Errorf("%s is %s, %s", name, u.Active, u.Result)
			}
		}
	}
}

func TestCost(t *testing.T) {
	m := connected(t)
	name := unit(t, m, "try-cost.service", "[Service]\nExecStart=/bin/sleep 1000\n")
	must(t, m.Start(t.Context(), name))
	time.Sleep(200 * time.Millisecond)
	const n = 100
	took := func(what string, act func()) {
		began := time.Now()
		for range n {
			act()
		}
		t.Logf("%s: %s each", what, time.Since(began)/n)
	}
	took("connect and close", func() { c, err := Connect(t.Context()); must(t, err); c.Close() })
	took("all properties", func() { state(t, m, name) })
	took("start and stop", func() { must(t, m.Stop(t.Context(), name, time.Second)); must(t, m.Start(t.Context(), name)) })
}

package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/cgroup"
	"baton/internal/pair"
	"baton/internal/service"
	"baton/internal/service/keeper"
)

// TestMain is also the program that the machine starts first, and the services of some tests.
func TestMain(m *testing.M) {
	if code, is := Become(os.Args); is {
		os.Exit(code)
	}
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case "listen": // on an address
			listener, err := net.Listen("tcp", os.Args[2])
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			_, _ = listener.Accept()
			return
		case "reserve": // so many MB for its output, beyond what it writes
			size, _ := strconv.ParseInt(os.Args[2], 10, 64)
			_, _ = os.Stdout.Write(make([]byte, 3<<20))
			fmt.Println("\n", unix.Fallocate(1, unix.FALLOC_FL_KEEP_SIZE, 4<<20, size<<20))
			fmt.Println("reserved")
			time.Sleep(time.Hour)
		case "key": // whether it can use that of its daemon
			if _, err := unix.KeyctlSearch(unix.KEY_SPEC_SESSION_KEYRING, "user", "baton-test", 0); err != nil {
				fmt.Println("no key")
				return
			}
			fmt.Println("it has the daemon's key")
			return
		case "lacks": // on a machine whose control groups are away or cannot be written; its mounts are its own
			root := cgroup.Root()
			err := unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
			if os.Args[2] == "away" {
				err = unix.Unmount(root, unix.MNT_DETACH)
			}
			fmt.Print(lacks(shell("web", "true")), err)
			return
		case "daemon": // of an appliance, with a service; until it is killed
			machine := On(pair.ApplianceID(os.Args[2]), os.Args[3])
			if err := machine.Runner(command("web", "/bin/sleep", "1000")).Start(context.Background()); err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Println("started")
			select {}
		}
	}
	os.Exit(m.Run())
}

func command(name string, args ...string) service.Definition {
	return service.Definition{Name: name, Command: service.Command{Args: args}}
}

// shell is a service that runs a script.
func shell(name, script string) service.Definition { return command(name, "/bin/sh", "-c", script) }

func newMachine(t *testing.T) *Machine {
	t.Helper()
	if why := lacks(shell("any", "true")); why != "" {
		t.Skip("skipped: " + why)
	}
	id := pair.ApplianceID(fmt.Sprintf("%032x", time.Now().UnixNano()))
	m := On(id, t.TempDir())
	t.Cleanup(func() {
		m.group.Kill()
		eventually(t, "the control groups are gone", func() bool { // what was killed may take a moment
			m.Close()
			_, err := os.Stat(m.group.Dir())
			return err != nil
		})
	})
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func stateOf(t *testing.T, r keeper.Runner) keeper.State {
	t.Helper()
	state, err := r.State(t.Context())
	must(t, err)
	return state
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	const within = 30 * time.Second
	for end := time.Now().Add(within); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

// written is what a service has written into a file, once it has all of it: the last line is "end".
func written(t *testing.T, path string) (lines []string) {
	t.Helper()
	eventually(t, "the service has written", func() bool {
		text, _ := os.ReadFile(path)
		lines = strings.Split(strings.TrimSpace(string(text)), "\n")
		return lines[len(lines)-1] == "end"
	})
	return lines
}

func TestACommandRunsUntilItIsStopped(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	r := m.Runner(command("web", "/bin/sleep", "1000"))
	if state := stateOf(t, r); state.Runs || state.Up || state.Hindered != "" {
		t.Errorf("before: %+v", state)
	}
	must(t, r.Start(t.Context()))
	state := stateOf(t, r)
	if !state.Runs || !state.Up || state.Since.IsZero() || state.StopLimit != stopWithin {
		t.Errorf("started: %+v", state)
	}
	group := m.family("web").group
	pids := group.Processes()
	if len(pids) != 1 {
		t.Errorf("%d processes", len(pids))
	}
	must(t, r.Start(t.Context())) // it runs already
	if again := group.Processes(); !slices.Equal(pids, again) {
		t.Errorf("it runs as %v, and was %v", again, pids)
	}
	began := time.Now()
	must(t, r.Stop(t.Context()))
	t.Logf("stopped in %s", time.Since(began))
	if state := stateOf(t, r); state.Runs || state.Up || state.Failed != "" || len(group.Processes()) > 0 {
		t.Errorf("stopped: %+v", state)
	}
	if _, err := os.Stat(group.Dir()); err == nil {
		t.Error("its control group is left")
	}
	must(t, r.Stop(t.Context())) // it does not run
}

// The program finds what systemd would give it, and nothing of the daemon's.
func TestWhatAProgramFinds(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	dir := t.TempDir()
	must(t, os.Chmod(filepath.Dir(dir), 0o755))
	must(t, os.Chmod(dir, 0o777))
	of := shell("web", `exec >$OUT
echo nice $(nice); echo oom $(cat /proc/self/oom_score_adj); echo umask $(umask); echo dir $(pwd); echo user $(id -un) $(id -gn) $(id -G | wc -w)
echo files $(ulimit -n) $(ulimit -Hn); echo home $HOME; echo name $NAME; echo input $(readlink /proc/self/fd/0)
echo leaks $(ls -l /proc/$$/fd | grep -c /leak); echo $(grep -E 'SigBlk|SigIgn|CapAmb' /proc/self/status); echo leads $(ps -o sid= -p $$ | tr -d ' ') $$
echo end; exec sleep 1000`)
	of.Command.User, of.Command.Dir = "nobody", "/usr"
	of.Command.Limits.Files = 77
	of.Command.Env = []string{"OUT=" + filepath.Join(dir, "out"), "NAME=first", "NAME=last $HOME"}
	leak, err := os.CreateTemp(t.TempDir(), "leak")
	must(t, err)
	defer leak.Close() //nolint:errcheck // of this test
	_, err = unix.FcntlInt(leak.Fd(), unix.F_SETFD, 0)
	must(t, err)

	runtime.LockOSThread() // as the daemon: with the priority of its unit, and while it is reloaded
	defer runtime.UnlockOSThread()
	if err := unix.Setpriority(unix.PRIO_PROCESS, 0, -15); err != nil {
		t.Log("not with the priority of the daemon:", err)
	}
	mask := unix.Sigset_t{Val: [16]uint64{1 << (unix.SIGTERM - 1)}}
	must(t, unix.PthreadSigmask(unix.SIG_BLOCK, &mask, nil))
	must(t, m.Runner(of).Start(t.Context()))
	must(t, unix.PthreadSigmask(unix.SIG_UNBLOCK, &mask, nil))
	_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 0)

	found := written(t, filepath.Join(dir, "out"))
	pid := m.family("web").running().process.Pid
	for _, want := range []string{
		"nice 0", "oom 0", "umask 0022", "dir /usr", "files 77 77", "name last $HOME", "input /dev/null", "leaks 0",
		fmt.Sprintf("SigBlk: 0000000000000000 SigIgn: %016x CapAmb: 0000000000000000", ignored(t)&^(1<<31-1)), fmt.Sprintf("leads %d %d", pid, pid),
	} {
		if !slices.Contains(found, want) {
			t.Errorf("it does not find %q", want)
		}
	}
	if !slices.ContainsFunc(found, func(line string) bool { return strings.HasPrefix(line, "user nobody nogroup 1") }) {
		t.Error("it runs as another one")
	}
	if t.Failed() {
		t.Log(strings.Join(found, "\n"))
	}
}

// ignored is the set of signals that this process ignores. Those above 31, of which the C library's threads use the first
// two for themselves, are handed on as they are.
func ignored(t *testing.T) uint64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	must(t, err)
	var set uint64
	for line := range strings.Lines(string(status)) {
		_, _ = fmt.Sscanf(line, "SigIgn: %x", &set)
	}
	return set
}

// What leaves its session and its parent, and forgets its environment, is stopped as well.
func TestNothingEscapes(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	r := m.Runner(shell("web", `for i in 1 2 3; do (setsid env -i /bin/sh -c '(setsid sleep 1000 &) ; exec sleep 1000' &) ; done; exec sleep 1000`))
	must(t, r.Start(t.Context()))
	group := m.family("web").group
	eventually(t, "seven run", func() bool { return len(group.Processes()) == 7 })
	must(t, r.Stop(t.Context()))
	if left := group.Processes(); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// A program that has ended takes what it has started with it: so it is noticed that it has.
func TestAProgramThatEnds(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for script, why := range map[string]string{
		"setsid sleep 1000 & exit 3": "it has ended with exit code 3: look at its log",
		"setsid sleep 1000 & exit 0": "it has ended with exit code 0: look at its log", // it puts itself into the background
		"kill -KILL $$":              "it has ended by signal 9: look at its log",
	} {
		r := m.Runner(shell("web", script))
		must(t, r.Start(t.Context()))
		eventually(t, "it has ended", func() bool { return !stateOf(t, r).Runs })
		if state := stateOf(t, r); state.Up || state.Failed != why || state.Since.IsZero() {
			t.Errorf("%s: %+v", script, state)
		}
	}
	r := m.Runner(command("web", "/bin/sleep", "1000"))
	must(t, r.Start(t.Context()))
	if state := stateOf(t, r); !state.Up || state.Failed != "" {
		t.Errorf("started again: %+v", state)
	}
}

func TestADeafProgramIsKilled(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	of := shell("deaf", "trap '' TERM; echo deaf; while :; do sleep 1; done")
	r := m.Runner(of)
	must(t, r.Start(t.Context()))
	eventually(t, "it is deaf", func() bool { lines, _ := m.Log(t.Context(), of, 1); return len(lines) == 1 })
	began := time.Now()
	must(t, r.Stop(t.Context()))
	if took := time.Since(began); took < stopWithin || took > stopWithin+killed+5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// One that was stopped where it stands hears that it is to end.
func TestAStoppedProgramHears(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	r := m.Runner(command("web", "/bin/sleep", "1000"))
	must(t, r.Start(t.Context()))
	m.family("web").group.Signal(unix.SIGSTOP)
	began := time.Now()
	must(t, r.Stop(t.Context()))
	if took := time.Since(began); took > stopWithin/2 {
		t.Errorf("it took %s", took)
	}
}

// A fork bomb, as many processes as its user may have.
func TestAForkBombIsStopped(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	of := shell("bomb", `set -e; ulimit -p 150; trap '' TERM; exec /usr/bin/perl -e 'while (1) { fork; sleep 1 }'`)
	of.Command.User = "65533"
	if _, err := lookUser(of.Command.User); err != nil {
		of.Command.User = "nobody"
	}
	r := m.Runner(of)
	must(t, r.Start(t.Context()))
	group := m.family("bomb").group
	eventually(t, "there are many", func() bool { return len(group.Processes()) > 100 })
	began := time.Now()
	must(t, r.Stop(t.Context()))
	if left := group.Processes(); len(left) > 0 {
		t.Errorf("%d are left", len(left))
	}
	t.Logf("stopped in %s", time.Since(began))
}

func TestAPortIsClosedWithItsService(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())
	self, err := os.Executable()
	must(t, err)
	of := command("web", self, "listen", address)
	r := m.Runner(of)
	must(t, r.Start(t.Context()))
	eventually(t, "it listens", func() bool {
		found, err := m.Installed(t.Context(), of)
		return err == nil && slices.Equal(found.Ports, []string{"tcp " + address})
	})
	if taken, err := m.Taken([]string{"tcp " + address}); err != nil || len(taken) != 1 {
		t.Errorf("%v, %v", taken, err)
	}
	must(t, r.Stop(t.Context()))
	if taken, err := m.Taken([]string{"tcp " + address}); err != nil || len(taken) != 0 {
		t.Errorf("%v, %v", taken, err)
	}
}

// A port that somebody else holds by now is not closed, and the stop says so.
func TestAPortThatIsLeft(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	self, err := os.Executable()
	must(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close())
	r := m.Runner(shell("web", self+" listen "+address+" & sleep 1000"))
	must(t, r.Start(t.Context()))
	f := m.family("web")
	eventually(t, "it listens", func() bool { return len(f.group.Ports()) == 1 })
	pids := f.group.Processes()
	at := slices.IndexFunc(pids, func(pid int) bool {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return strings.Contains(string(text), "listen\x00")
	})
	must(t, os.WriteFile(filepath.Join(cgroup.Root(), "cgroup.procs"), []byte(strconv.Itoa(pids[at])), 0)) // as root can
	err = r.Stop(t.Context())
	if left, is := errors.AsType[*LeftError](err); !is || !slices.Equal(left.Ports, []string{"tcp " + address}) || !strings.Contains(err.Error(), "does not stop: tcp "+address+" is still open") {
		t.Errorf("%v", err)
	}
	must(t, unix.Kill(pids[at], unix.SIGKILL))
	eventually(t, "it is closed", func() bool { return r.Stop(t.Context()) == nil })
}

// A root service that has left its group is stopped all the same, as the program itself.
func TestAProgramThatLeavesItsGroup(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	r := m.Runner(shell("web", "echo $$ > "+cgroup.Root()+"/cgroup.procs; exec sleep 1000"))
	must(t, r.Start(t.Context()))
	f := m.family("web")
	eventually(t, "it has left", func() bool { return len(f.group.Processes()) == 0 })
	if state := stateOf(t, r); !state.Runs || !state.Up {
		t.Errorf("%+v", state)
	}
	must(t, r.Stop(t.Context()))
	if state := stateOf(t, r); state.Runs {
		t.Errorf("%+v", state)
	}
}

func TestWhatCannotBeStarted(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	in := func(dir string) service.Definition {
		of := command("web", "/bin/true")
		of.Command.Dir = dir
		return of
	}
	as := func(user, group string) service.Definition {
		of := command("web", "/bin/true")
		of.Command.User, of.Command.Group = user, group
		return of
	}
	for _, c := range []struct {
		of   service.Definition
		want string
	}{
		{command("web", "/no/such/program"), "/no/such/program cannot be run: see that it is a program, and that its user may run it"},
		{command("web", file), file + " cannot be run: see that it is a program, and that its user may run it"},
		{in("/no/such/dir"), "/bin/true cannot be run in /no/such/dir: see that it is a directory, and that its user may enter it"},
		{in(file), "/bin/true cannot be run in " + file + ": see that it is a directory, and that its user may enter it"},
		{as("nobody-here", ""), "/bin/true cannot be run as nobody-here: see that this machine has that user and group"},
		{as("", "nobody-here"), "/bin/true cannot be run as :nobody-here: see that this machine has that user and group"},
	} {
		r := m.Runner(c.of)
		if err := r.Start(t.Context()); err == nil || err.Error() != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
		eventually(t, "nothing runs", func() bool { return !stateOf(t, r).Runs })
	}
}

// A unit is systemd's.
func TestAUnitDoesNotRunHere(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	of := service.Definition{Name: "web", Unit: "nginx.service"}
	const why = "this machine does not run systemd, which nginx.service needs: name the program as a command"
	r := m.Runner(of)
	installed, err := m.Installed(t.Context(), of)
	if state := stateOf(t, r); state.Hindered != why || err != nil || installed.Lacks != why {
		t.Errorf("%+v, %+v", state, installed)
	}
	for _, err := range []error{r.Start(t.Context()), m.Startable(t.Context(), of), r.Try(t.Context(), "true", time.Second)} {
		if err == nil || err.Error() != why {
			t.Error(err)
		}
	}
	must(t, errors.Join(r.Stop(t.Context()), r.SetRan(time.Now()))) // nothing of it can run
}

// Memory and tasks are limited by controllers of the hierarchy; where it lacks them, the command is refused.
func TestLimits(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	for _, c := range []struct{ controller, option, script string }{
		{"memory", "--memory", `x=$(head -c 200000000 /dev/zero | tr '\0' x); echo "${#x}"; sleep 1000`},
		{"pids", "--tasks", `for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; wait`},
	} {
		of := shell(c.controller, c.script)
		of.Command.Limits = service.Limits{Memory: 32}
		if c.controller == "pids" {
			of.Command.Limits = service.Limits{Tasks: 5}
		}
		r := m.Runner(of)
		if err := r.Start(t.Context()); !cgroup.Controllers(c.controller) {
			if err == nil || !strings.Contains(err.Error(), "lack the controller "+c.controller+": leave out "+c.option) {
				t.Error(err)
			}
			t.Logf("not tried: the control groups of this machine lack the controller %s", c.controller)
			continue
		} else if err != nil {
			t.Error(err)
			continue
		}
		if c.controller == "pids" {
			if n := len(m.family("pids").group.Processes()); n > 5 {
				t.Errorf("%d run", n)
			}
			continue
		}
		eventually(t, "it is killed", func() bool { return strings.Contains(stateOf(t, r).Failed, "signal 9") })
	}
}

// A daemon that was reloaded finds its services again: it is the same process, with another program.
func TestAReloadKeepsServices(t *testing.T) {
	t.Parallel()
	before := newMachine(t)
	of := command("web", "/bin/sleep", "1000")
	must(t, before.Runner(of).Start(t.Context()))
	pids := before.group.Processes()
	after := &Machine{group: before.group, logs: before.logs, runs: map[string]*family{}}
	r := after.Runner(of)
	state := stateOf(t, r)
	if age := time.Since(state.Since); !state.Up || age < 0 || age > time.Minute {
		t.Errorf("%+v", state)
	}
	must(t, r.Start(t.Context()))
	if now := after.group.Processes(); !slices.Equal(now, pids) {
		t.Errorf("%v run, and not %v", now, pids)
	}
	must(t, r.Stop(t.Context()))
}

// What a daemon that was killed has left is found, and ended; so it is by baton cleanup.
func TestWhatAKilledDaemonLeaves(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(m *Machine){
		"the next daemon sees it":  func(m *Machine) { _, _ = m.Runner(command("web", "/bin/sleep")).State(context.Background()) },
		"the next daemon stops it": func(m *Machine) { _ = m.Stop(context.Background(), command("web", "/bin/sleep")) },
		"cleanup":                  func(m *Machine) { StopLeft(pair.ApplianceID(strings.TrimPrefix(string(m.group), "/baton-"))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			self, err := os.Executable()
			must(t, err)
			daemon := exec.Command(self, "daemon", strings.TrimPrefix(string(m.group), "/baton-"), t.TempDir())
			out, err := daemon.StdoutPipe()
			must(t, err)
			must(t, daemon.Start())
			_, err = out.Read(make([]byte, 7))
			must(t, err)
			must(t, daemon.Process.Kill())
			_ = daemon.Wait()
			if len(m.group.Processes()) != 1 {
				t.Fatal("it does not run on")
			}
			act(m)
			eventually(t, "nothing is left", func() bool { return len(m.group.Processes()) == 0 })
		})
	}
}

// A service that was removed while it ran is not started a second time beside itself.
func TestARemovedServiceThatRuns(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	of := command("web", "/bin/sleep", "1000")
	must(t, m.Startable(t.Context(), of))
	must(t, m.Runner(of).Start(t.Context()))
	if err := m.Startable(t.Context(), of); err == nil || !strings.HasPrefix(err.Error(), "an earlier service web, which was removed, still runs: run echo 1 > /sys/fs/cgroup") {
		t.Error(err)
	}
	must(t, exec.Command("/bin/sh", "-c", m.ByHand(of)).Run())
	eventually(t, "it has ended", func() bool { return m.Startable(t.Context(), of) == nil })
}

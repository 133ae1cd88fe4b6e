//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/api"
	"baton/internal/pair"
)

// The hosts of the lab do not run systemd: the daemon runs the commands of the site by itself.

// noting is a service that writes down when it runs, ten times a second, outside of the protected data.
const noting = "#!/bin/sh\ncd $(dirname $0)\nwhile :; do date +%s%N >> beats; sleep 0.1; done\n"

// groupRoot is where control groups of version 2 can be made on this machine; the test is skipped if they cannot.
func groupRoot(t *testing.T) string {
	t.Helper()
	for _, at := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(filepath.Join(at, "cgroup.procs")); err == nil && unix.Access(at, unix.W_OK) == nil {
			return at
		}
	}
	t.Skip("skipped: this needs control groups of version 2 that can be written, as root has them")
	return ""
}

// group lists the processes of a service.
func (a *appliance) group(name string) []int {
	a.t.Helper()
	var pids []int
	text, _ := os.ReadFile(filepath.Join(groupRoot(a.t), "baton-"+string(a.id), name, "cgroup.procs"))
	for field := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			a.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	return pids
}

// commandPair makes a pair on both of which programs are that can be its services.
func commandPair(t *testing.T, p plan) *world {
	t.Helper()
	groupRoot(t)
	p.prepare = func(a *appliance) {
		for name, text := range map[string]string{
			"noting":   noting,
			"deaf":     "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n",
			"forking":  "#!/bin/sh\n(setsid env -i /bin/sh -c '(setsid sleep 1000 &); exec sleep 1000' &)\nexec sleep 1000\n",
			"printing": "#!/bin/sh\nyes $(printf %0990d 0) | head -c 1000000000\nexec sleep 1000\n",
			"leaving":  "#!/bin/sh\nsetsid sleep 1000 &\n",
			"beats":    "",
		} {
			a.write(name, text)
			if err := os.Chmod(a.Path(name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	var ids []pair.ApplianceID
	t.Cleanup(func() { // once the hosts are gone: the groups of one that has lost its power are empty, and nobody removes them
		for _, id := range ids {
			dir := filepath.Join(groupRoot(t), "baton-"+string(id))
			eventually(t, "the control groups are gone", 10*time.Second, func() bool { // what was killed may take a moment
				groups, _ := filepath.Glob(dir + "/*")
				for _, one := range append(groups, dir) {
					_ = os.Remove(one)
				}
				_, err := os.Stat(dir)
				return err != nil
			})
		}
	})
	w := steadyPair(t, p)
	for _, a := range w.both() {
		a.id = a.status().Appliance.ID
		ids = append(ids, a.id)
	}
	return w
}

// add adds a command as a service, and allows it on beta. The program is one that commandPair has made, if it has no path.
func (w *world) add(name string, args ...string) {
	w.t.Helper()
	if last := len(args) - 1; !strings.Contains(args[last], "/") && args[last-1] == "--" {
		args[last] = w.alpha.OnHost(args[last])
	}
	got := w.alpha.run("", append([]string{"service", "add", "command", name}, args...)...)
	if got.Code != 0 {
		w.t.Fatalf("service add %s %v: %s", name, args, got.Errs)
	}
	w.t.Log(strings.TrimSpace(got.Out))
	eventually(w.t, "beta may run "+name, 20*time.Second, func() bool {
		got, err := w.beta.Run(context.Background(), "", "service", "allow", name)
		return err == nil && got.Code == 0
	})
}

// alone waits until the services run on one of the two alone.
func (w *world) alone(on, off *appliance, names ...string) {
	w.t.Helper()
	for _, name := range names {
		eventually(w.t, fmt.Sprintf("%s runs on %s alone", name, on.Name()), 30*time.Second, func() bool {
			return len(on.group(name)) > 0 && len(off.group(name)) == 0
		})
	}
}

// overlap is for how long both ran noting, since: the sum of the times in which either wrote at an interval that the other wrote in, too.
func (w *world) overlap(since time.Time) (sum time.Duration) {
	w.t.Helper()
	const pause = 350 * time.Millisecond // between two beats of one that runs
	var spells [2][][2]int64
	for i, a := range w.both() {
		text, err := os.ReadFile(a.Path("beats"))
		if err != nil {
			w.t.Fatal(err)
		}
		for field := range strings.FieldsSeq(string(text)) {
			at, err := strconv.ParseInt(field, 10, 64)
			last := len(spells[i]) - 1
			switch {
			case err != nil || at < since.UnixNano():
			case last >= 0 && at-spells[i][last][1] < int64(pause):
				spells[i][last][1] = at
			default:
				spells[i] = append(spells[i], [2]int64{at, at})
			}
		}
	}
	for _, a := range spells[0] {
		for _, b := range spells[1] {
			sum += time.Duration(max(0, min(a[1], b[1])-max(a[0], b[0])))
		}
	}
	return sum
}

// Commands run on the primary alone, whatever happens to the two.
func TestCommandsWithoutSystemd(t *testing.T) {
	w := commandPair(t, plan{timeout: moderate})
	w.add("noting", "--", "noting")
	w.add("forking", "--health", "exec:test $(id -un) = root", "--", "forking")
	w.add("other", "--user", "nobody", "--health", "exec:test $(id -un) = nobody", "--every", "500ms", "--", "/bin/sleep", "1000")
	all := []string{"noting", "forking", "other"}
	began := time.Now()
	w.alpha.refused(2, "this machine does not run systemd, which nginx.service needs: name the program as a command", "service add unit web nginx.service")
	w.alone(w.alpha, w.beta, all...)
	t.Log("\n" + w.alpha.baton("service list"))

	t.Log("planned switch")
	w.beta.baton("become primary --final-sync --wait")
	w.alone(w.beta, w.alpha, all...)
	w.settled(w.beta, w.alpha)

	t.Log("power cut")
	w.fault(w.lab.PowerCut(w.beta.Host))
	w.alone(w.alpha, w.beta, all...)
	w.fault(w.lab.PowerOn(w.beta.Host))
	w.beta.serve()
	w.settled(w.alpha, w.beta)
	w.alone(w.alpha, w.beta, all...)

	t.Log("a service is killed")
	first := w.alpha.group("noting")[0]
	if err := unix.Kill(first, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs again", 10*time.Second, func() bool {
		pids := w.alpha.group("noting")
		return len(pids) > 0 && !slices.Contains(pids, first)
	})
	eventually(t, "its end is told", 10*time.Second, func() bool { return w.alpha.condition("service-restarts") })

	t.Log("reload")
	pids := w.alpha.group("other")
	w.alpha.baton("reload")
	w.settled(w.alpha, w.beta)
	started := w.alpha.events(pair.KindStarted)
	if now := w.alpha.group("other"); !slices.Equal(now, pids) {
		if strings.Contains(started[len(started)-1].Text, "It goes on where the process before left off.") {
			t.Errorf("after a reload %v run, and no longer %v", now, pids)
		}
		pids = now // the new process came too late, and began anew
	}
	if err := unix.Kill(pids[0], unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs again after a reload", 10*time.Second, func() bool {
		now := w.alpha.group("other")
		return len(now) > 0 && !slices.Equal(now, pids)
	})
	// What services did is not forgotten with the process.
	var list []api.Service
	if err := json.Unmarshal([]byte(w.alpha.baton("service list --json")), &list); err != nil || len(list) != 3 {
		t.Fatalf("%v, %v", list, err)
	}
	if one := list[0].Here; one.Restarts == 0 || one.LastStart == nil {
		t.Errorf("after a reload %s has not been started, and has not ended: %+v", one.Name, one)
	}
	if log := w.alpha.baton("service log forking"); strings.TrimSpace(log) != "" {
		t.Errorf("it writes %q", log)
	}
	if both := w.overlap(began); both > 0 {
		t.Errorf("both ran it for %s", both)
	}
}

// The services of a daemon that is killed end as soon as baton cleanup runs, or Baton itself.
func TestCommandsOfADaemonThatIsKilled(t *testing.T) {
	w := commandPair(t, plan{timeout: moderate})
	w.add("noting", "--", "noting")
	on, other := w.alpha, w.beta
	for _, next := range []string{"cleanup", "serve"} {
		w.alone(on, other, "noting")
		at := time.Now()
		if err := on.Daemon().Signal(unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-on.Daemon().Done()
		if len(on.group("noting")) == 0 {
			t.Error("it has ended with its daemon: nothing is to be seen")
		}
		if next == "cleanup" {
			on.baton("cleanup")
			eventually(t, "cleanup ends it", 5*time.Second, func() bool { return len(on.group("noting")) == 0 })
		}
		on.serve()
		eventually(t, "one is primary, and the other a backup", 30*time.Second, func() bool {
			return on.is(pair.Primary) && other.is(pair.Backup) || on.is(pair.Backup) && other.is(pair.Primary)
		})
		if on.is(pair.Backup) {
			on, other = other, on
		}
		w.settled(on, other)
		w.alone(on, other, "noting")
		both := w.overlap(at)
		t.Logf("%s: both ran it for %s", next, both)
		if both > time.Second {
			t.Errorf("%s: both ran it for %s", next, both)
		}
	}
}

// Services that do not end, end at once, print or fork without end harm nobody.
func TestUnrulyCommands(t *testing.T) {
	full(t)
	w := commandPair(t, plan{timeout: moderate})
	w.add("deaf", "--", "deaf")
	w.add("printing", "--", "printing")
	if got := w.alpha.run("", "service", "add", "command", "leaving", "--", w.alpha.OnHost("leaving")); got.Code == 0 {
		// It runs for a moment, and puts itself into the background.
		eventually(t, "it is seen to have ended", 20*time.Second, func() bool { return w.alpha.condition("service-restarts") })
	}
	w.alpha.baton("service stop leaving")
	eventually(t, "nothing of it is left", 20*time.Second, func() bool { return len(w.alpha.group("leaving")) == 0 })
	w.alpha.baton("service remove leaving")

	eventually(t, "its log is read", 20*time.Second, func() bool {
		return strings.Contains(w.alpha.baton("service log printing --lines 2"), strings.Repeat("0", 500))
	})
	var stat unix.Stat_t
	eventually(t, "its log takes at most 8 MB", 60*time.Second, func() bool {
		err := unix.Stat(w.alpha.Path("data/log/printing.log"), &stat)
		return err == nil && stat.Blocks*512 <= 8<<20 && stat.Size >= 1_000_000_000
	})

	at := time.Now()
	w.beta.baton("become primary --final-sync --wait")
	t.Logf("the switch took %s: one does not hear that it is to end", time.Since(at).Round(time.Millisecond))
	w.alone(w.beta, w.alpha, "deaf", "printing")
	w.settled(w.beta, w.alpha)
}

//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab"
	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// trialsName is the environment variable that says how many trials of each kind
// TestTrialsAtTheDefaultTimeout makes; without it, it makes none.
const trialsName = "BATON_TRIALS"

// trial is something that machines go through in ordinary life, and that is no reason for a takeover.
type trial struct {
	kind  string
	quiet bool           // it takes no processor: several kinds are tried beside one another
	begin func(w *world) // once; nil: nothing
	do    func(w *world)
}

func trials() []trial {
	stopped := func(a func(*world) *appliance) func(*world) {
		return func(w *world) {
			signal(w, a(w), unix.SIGSTOP)
			rest(2 * time.Second)
			signal(w, a(w), unix.SIGCONT)
		}
	}
	frozen := func(a func(*world) *appliance) func(*world) {
		return func(w *world) {
			thaw := a(w).freeze()
			rest(10 * time.Second)
			thaw()
		}
	}
	flapping := func(a func(*world) *appliance) func(*world) {
		return func(w *world) {
			host := a(w).Host
			w.fault(w.lab.CutCable(host))
			rest(2 * time.Second)
			w.fault(w.lab.PlugCable(host))
		}
	}
	primary := func(w *world) *appliance { return w.alpha }
	backup := func(w *world) *appliance { return w.beta }
	var memory group
	return []trial{
		{"the primary's daemon is stopped for 2 s", true, nil, stopped(primary)},
		{"the backup's daemon is stopped for 2 s", true, nil, stopped(backup)},
		{"the primary's disk is frozen for 10 s", true, nil, frozen(primary)},
		{"the backup's disk is frozen for 10 s", true, nil, frozen(backup)},
		{"the primary's link is down for 2 s", true, nil, flapping(primary)},
		{"the backup's link is down for 2 s", true, nil, flapping(backup)},
		{"8 programs want the processors for 10 s", false, nil, func(w *world) {
			stop := w.hogs(8)
			rest(10 * time.Second)
			stop()
		}},
		{"both daemons are short of memory for 10 s", false, memory.begin, memory.press},
		{"files change as fast as the disk takes them for 5 s", false, nil, changeAll},
	}
}

// Ordinary trouble is no reason for a takeover at the default timeout, loses nothing, and never makes two
// owners. A needless takeover would fork the data.
func TestTrialsAtTheDefaultTimeout(t *testing.T) {
	count, _ := strconv.Atoi(os.Getenv(trialsName))
	if count == 0 {
		t.Skipf("skipped: it takes hours; %s=100 says how many trials of each kind to make (make trials)", trialsName)
	}
	for _, kind := range trials() {
		t.Run(kind.kind, func(t *testing.T) {
			if kind.quiet {
				t.Parallel()
			}
			tryOut(t, kind, count)
		})
	}
}

// tryOut makes the trials of one kind with one pair, one after the other.
func tryOut(t *testing.T, kind trial, count int) {
	t.Helper()
	logs := t.TempDir() // a daemon that writes its log to a frozen disk hangs; journald does not hang with the disk of data_dir
	w := steadyPair(t, plan{timeout: byDefault, disk: 384 << 20, calm: true, prepare: func(a *appliance) { a.Log = filepath.Join(logs, a.Name()+".log") }})
	for _, a := range w.both() {
		if got := a.timeout(); got != pair.DurationText(byDefault) {
			t.Fatalf("%s goes by a timeout of %s", a.Name(), got)
		}
		a.stranger()
	}
	if kind.begin != nil {
		kind.begin(w)
	}
	c := w.count()
	var gaps []time.Duration
	takeovers := 0
	for range count {
		eventually(t, "the pair is whole", 60*time.Second, func() bool { return w.whole() && c.answeredBy("alpha") })
		rest(500 * time.Millisecond)
		before, began := w.alpha.status().Epoch, time.Now()
		kind.do(w)
		rest(time.Second)
		eventually(t, "somebody acknowledges", 30*time.Second, func() bool {
			acks := c.list()
			return len(acks) > 0 && acks[len(acks)-1].at.After(time.Now().Add(-200*time.Millisecond))
		})
		gaps = append(gaps, longest(since(c.list(), began)))
		if primary, backup := w.settledEither(); primary != w.alpha || primary.status().Epoch != before {
			takeovers++
			t.Errorf("a needless takeover, after %s without an answer", gaps[len(gaps)-1].Round(time.Millisecond))
			w.settled(primary, backup)
			if primary == w.beta {
				w.alpha.baton("become primary --final-sync --wait")
			}
			w.settled(w.alpha, w.beta)
			w.alpha.baton("resume")
			w.beta.baton("resume")
		}
	}
	acks := c.stop()
	lost := 0
	kept := w.alpha.numbers()
	for _, a := range acks {
		if !kept[a.number] {
			lost++
		}
	}
	if slices.Sort(gaps); lost > 0 {
		t.Errorf("%d of %d acknowledged numbers are lost", lost, len(acks))
	}
	fmt.Printf("| %s | %d | %d | %d of %d | %s | %s |\n", kind.kind, count, takeovers, lost, len(acks),
		gaps[len(gaps)/2].Round(10*time.Millisecond), gaps[len(gaps)-1].Round(10*time.Millisecond))
}

// since lists the acknowledgements from the last one before an instant on.
func since(acks []ack, at time.Time) []ack {
	first := slices.IndexFunc(acks, func(a ack) bool { return !a.at.Before(at) })
	return acks[max(0, first-1):]
}

// whole reports whether alpha serves and beta could take over now.
func (w *world) whole() bool {
	status, err := w.beta.ask()
	return err == nil && status.Role == pair.Backup && status.State == pair.Steady && status.Readiness != nil && status.Readiness.Ready && w.alpha.is(pair.Primary)
}

func signal(w *world, a *appliance, s unix.Signal) {
	w.t.Helper()
	if err := a.Daemon().Signal(s); err != nil {
		w.t.Fatal(err)
	}
}

// freeze stops every write to the appliance's disk where it stands, as fsfreeze does while a snapshot
// of a disk is made, until thaw is called.
func (a *appliance) freeze() (thaw func()) {
	a.t.Helper()
	const fiFreeze, fiThaw = 0xc0045877, 0xc0045878
	root, err := os.Open(a.Dir())
	if err == nil {
		err = unix.IoctlSetInt(int(root.Fd()), fiFreeze, 0)
	}
	if err != nil {
		a.t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if err := errors.Join(unix.IoctlSetInt(int(root.Fd()), fiThaw, 0), root.Close()); err != nil {
			a.t.Error(err)
		}
	})
}

// group is a control group with a limit of memory, of the first version of control groups or the second. In
// it are both daemons, and programs that read more from their disks than the group may keep in memory: the
// kernel takes away from all of them what it can read again, the daemons' own code included.
type group struct{ dir, limit, none string }

const (
	shortMemory = 96 << 20  // for two daemons and two programs that read
	readFile    = 128 << 20 // which each of them reads
)

// begin starts both daemons anew in the group, so that all of their memory counts.
func (g *group) begin(w *world) {
	w.t.Helper()
	above := "/sys/fs/cgroup/memory"
	g.limit, g.none = "memory.limit_in_bytes", "-1"
	if _, err := os.Stat(above); err != nil {
		above, g.limit, g.none = "/sys/fs/cgroup", "memory.high", "max"
	}
	var err error
	if g.dir, err = os.MkdirTemp(above, "baton-trial-"); err != nil {
		w.t.Skipf("skipped: no control group can be made here: %v", err)
	}
	w.t.Cleanup(func() {
		eventually(w.t, "the group is empty", 10*time.Second, func() bool {
			g.join(w, above, g.members()...)
			return os.Remove(g.dir) == nil
		})
	})
	for _, a := range w.both() {
		if err := os.WriteFile(a.Path("large"), make([]byte, readFile), 0o600); err != nil {
			w.t.Fatal(err)
		}
	}
	g.join(w, g.dir, strconv.Itoa(os.Getpid())) // what it starts is in the group as well
	for _, a := range w.both() {
		w.killed(a)
		a.serve()
	}
	g.join(w, above, strconv.Itoa(os.Getpid()))
	w.settled(w.alpha, w.beta)
}

// press sets the limit for 10 s, with the programs that read.
func (g *group) press(w *world) {
	w.t.Helper()
	for _, a := range w.both() {
		reader, err := a.Start(context.Background(), lab.Cmd{Path: "sh", Args: []string{"-c", "while :; do cat " + a.OnHost("large") + " >/dev/null; sleep 0.05; done"}})
		if err != nil {
			w.t.Fatal(err)
		}
		defer func() { _ = reader.Stop(0) }()
		g.join(w, g.dir, strconv.Itoa(reader.PID()))
	}
	g.set(w, strconv.Itoa(shortMemory))
	defer g.set(w, g.none)
	rest(10 * time.Second)
}

func (g *group) set(w *world, limit string) {
	w.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, g.limit), []byte(limit), 0o600); err != nil {
		w.t.Errorf("limit the memory of the group: %v", err)
	}
}

// members lists the processes of the group.
func (g *group) members() []string {
	text, _ := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
	return strings.Fields(string(text))
}

// join puts processes into a group.
func (g *group) join(w *world, dir string, pids ...string) {
	w.t.Helper()
	for _, pid := range pids {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(pid), 0o600); err != nil {
			w.t.Logf("process %s does not join %s: %v", pid, dir, err)
		}
	}
}

// changeAll writes files of the site anew, again and again: each data sync has all of them to send.
func changeAll(w *world) {
	w.t.Helper()
	content := make([]byte, 8<<20)
	_, _ = rand.Read(content[:1<<20])
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); {
		for i := range 8 {
			_, _ = rand.Read(content[:64])
			if err := os.WriteFile(w.alpha.Path(filepath.Join(daemon.SiteDir, fmt.Sprintf("large-%d", i))), content, 0o600); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

//go:build e2e

package e2e

import (
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// stopBound is how long a daemon that was told to stop may take: stop_handover, and what follows.
const stopBound = 25 * time.Second

// asked runs a command beside the test, which may fail, and returns what waits for its end.
func (a *appliance) asked(line string) (wait func()) {
	var running sync.WaitGroup
	running.Go(func() {
		got, err := a.Run(a.t.Context(), "", strings.Fields(line)...)
		a.t.Logf("baton %s on %s: exit code %d %s %v", line, a.Name(), got.Code, got.Errs, err)
	})
	return running.Wait
}

// A daemon that is told to stop at a bad moment ends in bounded time, and afterwards the pair is whole, with
// every number that a server acknowledged; twice told is told once.
func TestAStopAtABadMoment(t *testing.T) {
	full(t)
	for name, do := range map[string]func(w *world) (stopped []*appliance){
		"told twice": func(w *world) []*appliance {
			w.told(w.alpha)
			rest(20 * time.Millisecond)
			w.told(w.alpha)
			return []*appliance{w.alpha}
		},
		"the primary in a handover": func(w *world) []*appliance {
			defer w.beta.asked("become primary --final-sync --wait")()
			rest(60 * time.Millisecond)
			w.told(w.alpha)
			return []*appliance{w.alpha}
		},
		"the backup in a handover": func(w *world) []*appliance {
			defer w.beta.asked("become primary --final-sync --wait")()
			rest(60 * time.Millisecond)
			w.told(w.beta)
			return []*appliance{w.beta}
		},
		"both in a handover": func(w *world) []*appliance {
			defer w.beta.asked("become primary --final-sync --wait")()
			rest(60 * time.Millisecond)
			w.told(w.beta)
			w.told(w.alpha)
			return w.both()
		},
		"both, the backup as it takes over": func(w *world) []*appliance {
			w.told(w.alpha)
			eventually(w.t, "beta takes part", 10*time.Second, func() bool {
				status, err := w.beta.ask()
				return err == nil && (status.Role == pair.Primary || status.State == pair.Handover)
			})
			w.told(w.beta)
			return w.both()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := steadyPair(t, plan{timeout: byDefault})
			for _, a := range w.both() {
				a.stranger()
			}
			c := w.count()
			eventually(t, "alpha acknowledges", 5*time.Second, func() bool { return c.answeredBy("alpha") })
			rest(1500 * time.Millisecond)
			for _, a := range do(w) {
				w.stopped(a, stopBound)
				a.serve()
			}
			primary, _ := w.settledEither()
			eventually(t, primary.Name()+" acknowledges", 10*time.Second, func() bool { return c.answeredBy(primary.Name()) })
			acks := c.stop()
			primary.baton("sync --wait")
			w.keptAll(acks)
		})
	}
}

// A backup that is told to stop in a takeover, right before it is due or right after, ends in bounded time,
// and its address is gone. Both are the pair that they were once they run again.
func TestAStopInATakeover(t *testing.T) {
	full(t)
	for name, wait := range map[string]func(w *world){
		"right before": func(*world) { rest(byDefault - 300*time.Millisecond) },
		"right after": func(w *world) {
			eventually(w.t, "beta is primary", 10*time.Second, func() bool { return w.beta.status().Role == pair.Primary })
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := steadyPair(t, plan{timeout: byDefault})
			w.fault(w.lab.PowerCut(w.alpha.Host))
			wait(w)
			at := w.told(w.beta)
			w.stopped(w.beta, stopBound)
			t.Logf("beta ended after %s", time.Since(at).Round(time.Millisecond))
			w.addressGone(w.beta, time.Now(), time.Second)
			w.beta.start()
			w.fault(w.lab.PowerOn(w.alpha.Host))
			w.alpha.start()
			primary, _ := w.settledEither()
			w.reached(primary, time.Now(), 10*time.Second)
		})
	}
}

// A configuration file that is wrong takes nobody's place: the command and the history say what is wrong,
// and the daemon goes on.
func TestABrokenConfigurationIsNotReloaded(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: byDefault})
	began, pid := time.Now(), w.alpha.Daemon().PID()
	before, err := os.ReadFile(w.alpha.Path(daemon.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	w.alpha.write(daemon.ConfigFile, string(before)+"\nlistne = 3\n")
	w.alpha.refused(2, "listne", "reload") // the daemon hears of it, too
	refusals := func(n int, text string) {
		t.Helper()
		eventually(t, "the history says so", 10*time.Second, func() bool {
			failed := w.alpha.events(pair.KindReloadFailed)
			return len(failed) == n && strings.Contains(failed[n-1].Text, text)
		})
	}
	refusals(1, "listne")
	if err := w.alpha.Daemon().Signal(unix.SIGHUP); err != nil { // as systemctl kill -s HUP
		t.Fatal(err)
	}
	refusals(2, "listne")
	eventually(t, "a condition tells of the file", 10*time.Second, func() bool { return w.alpha.condition("reload-refused") })
	if got := w.alpha.run("", "status"); got.Code != 0 || !strings.Contains(got.Errs, "listne") || !strings.Contains(got.Out, "alpha is primary") {
		t.Errorf("status with a broken file: %+v", got)
	}
	mended := func() {
		t.Helper()
		w.alpha.write(daemon.ConfigFile, string(before))
		eventually(t, "the condition ends once the file is right", 30*time.Second, func() bool { return !w.alpha.condition("reload-refused") })
	}
	mended()

	// One that takes the site's address away is refused likewise.
	without, _, _ := strings.Cut(string(before), "[[shared_ip]]")
	w.alpha.write(daemon.ConfigFile, without)
	w.alpha.refused(1, "198.51.100.10", "reload")
	refusals(3, "any more")
	w.alpha.write(daemon.ConfigFile, strings.ReplaceAll(string(before), "interface = \"", "interface = \"no"))
	w.alpha.refused(1, "198.51.100.10", "reload")
	refusals(4, "any more")
	mended()
	w.settled(w.alpha, w.beta)
	w.undisturbed(w.alpha, began, quietly)
	w.alpha.baton("reload")
	w.settled(w.alpha, w.beta)
	if w.alpha.Daemon().PID() != pid {
		t.Error("another process runs")
	}
}

// Reloads at bad moments: beside a switch, of both at once, twice at once, and of a daemon that was told to
// stop. The pair is whole afterwards, without a takeover, and nothing is lost.
func TestAReloadAtABadMoment(t *testing.T) {
	full(t)
	hup := func(w *world, a *appliance) {
		if err := a.Daemon().Signal(unix.SIGHUP); err != nil && !errors.Is(err, os.ErrProcessDone) {
			w.t.Fatal(err)
		}
	}
	for name, do := range map[string]func(w *world){
		"of the primary, in a handover": func(w *world) {
			defer w.beta.asked("become primary --final-sync --wait")()
			rest(60 * time.Millisecond)
			w.alpha.asked("reload")()
		},
		"of the backup, in a handover": func(w *world) {
			defer w.beta.asked("become primary --final-sync --wait")()
			rest(60 * time.Millisecond)
			w.beta.asked("reload")()
		},
		"of both at once": func(w *world) {
			defer w.alpha.asked("reload")()
			w.beta.asked("reload")()
		},
		"twice at once": func(w *world) {
			hup(w, w.alpha)
			hup(w, w.alpha)
			rest(time.Second)
		},
		"of a daemon that stops": func(w *world) {
			w.told(w.alpha)
			hup(w, w.alpha)
			w.stopped(w.alpha, stopBound)
			w.alpha.serve()
		},
		"and a stop at once": func(w *world) { // whatever the process is doing for the reload by then
			for _, after := range []int{10, 100, 200, 300, 500} {
				primary, _ := w.settledEither()
				hup(w, primary)
				rest(time.Duration(after) * time.Millisecond)
				w.told(primary)
				w.stopped(primary, stopBound)
				primary.serve()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := steadyPair(t, plan{timeout: byDefault})
			for _, a := range w.both() {
				a.stranger()
			}
			c := w.count()
			eventually(t, "alpha acknowledges", 5*time.Second, func() bool { return c.answeredBy("alpha") })
			rest(1500 * time.Millisecond)
			do(w)
			primary, _ := w.settledEither()
			eventually(t, primary.Name()+" acknowledges", 10*time.Second, func() bool { return c.answeredBy(primary.Name()) })
			acks := c.stop()
			for _, a := range w.both() {
				if takeovers := a.events(pair.KindTakeover); len(takeovers) > 0 {
					t.Errorf("the history has takeovers: %v", takeovers)
				}
			}
			primary.baton("sync --wait")
			w.keptAll(acks)
		})
	}
}

//go:build e2e

package e2e

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab"
	"baton/internal/pair"
)

func TestPowerCut(t *testing.T) {
	bestOf(t, fast+100*time.Millisecond, plan{timeout: fast}, func(w *world) time.Duration {
		at := w.fault(w.lab.PowerCut(w.alpha.Host))
		gap := w.tookOver(w.alpha, w.beta, at, 10*time.Second)
		w.returns(w.alpha, w.beta)
		return gap
	})
}

func TestPowerCutAtDefaultSettings(t *testing.T) {
	full(t)
	bestOf(t, byDefault+200*time.Millisecond, plan{timeout: byDefault}, func(w *world) time.Duration {
		at := w.fault(w.lab.PowerCut(w.alpha.Host))
		return w.tookOver(w.alpha, w.beta, at, 20*time.Second)
	})
}

func TestCablePulled(t *testing.T) {
	full(t)
	bestOf(t, fast+100*time.Millisecond, plan{timeout: fast}, func(w *world) time.Duration {
		at := w.fault(w.lab.CutCable(w.alpha.Host))
		gap := w.tookOver(w.alpha, w.beta, at, 10*time.Second)
		at = w.fault(w.lab.PlugCable(w.alpha.Host))
		w.settled(w.beta, w.alpha)
		w.undisturbed(w.beta, at, quietly)
		return gap
	})
}

// returns gives an appliance its power back; it must become the backup without
// a disturbance of the site.
func (w *world) returns(a, primary *appliance) {
	w.t.Helper()
	at := w.fault(w.lab.PowerOn(a.Host))
	a.serve()
	w.settled(primary, a)
	w.undisturbed(primary, at, quietly)
}

// In silence, the carrier stays and no frame passes: the primary cannot know
// that anybody waits for it to step down.
func TestSilence(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast})
	at := w.fault(w.lab.Silence(w.alpha.Host))
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	at = w.fault(w.lab.Unsilence(w.alpha.Host))
	w.settled(w.beta, w.alpha)
	w.undisturbed(w.beta, at, quietly)
}

// The kernel takes the address of a dead daemon off, and until then nobody takes it over.
func TestDaemonKilled(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: byDefault})
	at := w.killed(w.alpha)
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	at = time.Now()
	w.alpha.serve()
	w.settled(w.beta, w.alpha)
	w.undisturbed(w.beta, at, quietly)
}

func TestDaemonKilledAndCleanedUp(t *testing.T) {
	full(t)
	bestOf(t, fast+400*time.Millisecond, plan{timeout: fast}, func(w *world) time.Duration {
		at := w.killed(w.alpha)
		w.alpha.baton("cleanup")
		return w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	})
}

// killed ends a daemon without a last word.
func (w *world) killed(a *appliance) time.Time {
	w.t.Helper()
	at := time.Now()
	if err := a.Daemon().Signal(unix.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
	<-a.Daemon().Done()
	return at
}

func TestDaemonHangsAndThaws(t *testing.T) {
	full(t)
	for name, timeout := range map[string]time.Duration{"fast": fast, "default": byDefault} {
		t.Run(name, func(t *testing.T) {
			w := steadyPair(t, plan{timeout: timeout})
			at := w.fault(w.lab.Pause(w.alpha.Host))
			w.tookOver(w.alpha, w.beta, at, 15*time.Second)
			w.addressGone(w.alpha, at, 4*time.Second)
			at = w.fault(w.lab.Resume(w.alpha.Host))
			w.settled(w.beta, w.alpha)
			w.undisturbed(w.beta, at, quietly)
		})
	}
}

// addressGone checks how long a host kept the shared IP after a fault.
func (w *world) addressGone(a *appliance, fault time.Time, within time.Duration) {
	w.t.Helper()
	for _, owned := range w.ownerships[0].Intervals() {
		if owned.Host != a.Name() || owned.To.Before(fault) {
			continue
		}
		kept := owned.To.Sub(fault)
		w.t.Logf("the kernel of %s kept the address for %s", a.Name(), kept.Round(time.Millisecond))
		if kept > within {
			w.t.Fatalf("wanted at most %s", within)
		}
	}
}

// Two machines that do not hear each other, but are both heard by everybody
// else, cannot know who is right. One of them has to be off soon.
func TestPartitionOfTheTwo(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate})
	w.bothAllowed = 2 * time.Second
	at := w.fault(w.lab.Partition(w.alpha.Host, w.beta.Host))
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	w.oneOwnerWithin(2 * time.Second)
	healed := w.fault(w.lab.Heal())
	w.settledEither()
	rest(2 * time.Second)
	w.servedSince(healed, 300*time.Millisecond)
}

func TestOneWayCuts(t *testing.T) {
	full(t)
	t.Run("primary is not heard", func(t *testing.T) {
		w := steadyPair(t, plan{timeout: moderate})
		w.bothAllowed = 2 * time.Second
		w.fault(w.lab.OneWay(w.alpha.Host, w.beta.Host))
		w.afterACut()
	})
	t.Run("backup is not heard", func(t *testing.T) {
		w := steadyPair(t, plan{timeout: moderate})
		w.bothAllowed = 2 * time.Second
		w.fault(w.lab.OneWay(w.beta.Host, w.alpha.Host))
		w.afterACut()
	})
}

// afterACut lets a cut last, and checks what must hold however the pair met it.
func (w *world) afterACut() {
	w.t.Helper()
	rest(4 * time.Second)
	w.oneOwnerWithin(0)
	healed := w.fault(w.lab.Heal())
	w.settledEither()
	rest(2 * time.Second)
	w.servedSince(healed, 300*time.Millisecond)
}

// oneOwnerWithin waits until only one host has the address.
func (w *world) oneOwnerWithin(d time.Duration) {
	w.t.Helper()
	eventually(w.t, "only one has the shared IP", d, func() bool {
		owners, err := w.lab.Owners(w.shared[0].Addr())
		return err == nil && len(owners) == 1
	})
}

// settledEither waits until one appliance is primary and the other its backup.
func (w *world) settledEither() (primary, backup *appliance) {
	w.t.Helper()
	eventually(w.t, "one is primary, the other backup", 30*time.Second, func() bool {
		primary, backup = w.alpha, w.beta
		if w.beta.is(pair.Primary) {
			primary, backup = w.beta, w.alpha
		}
		return primary.is(pair.Primary) && backup.is(pair.Backup)
	})
	w.settled(primary, backup)
	return primary, backup
}

// servedSince checks that one appliance alone has answered since, without a long gap.
func (w *world) servedSince(at time.Time, longest time.Duration) {
	w.t.Helper()
	report := w.client.Report().Between(at, time.Now())
	spells := report.Spells()
	if len(spells) == 0 || len(spells) > 2 {
		w.t.Fatalf("after the heal the client was answered by %v", turns(spells))
	}
	gap := max(report.Longest().Duration(), spells[0].From.Sub(at))
	w.t.Logf("after the heal: at most %s without an answer, from %v", gap.Round(time.Millisecond), turns(spells))
	if gap > longest {
		w.t.Fatalf("wanted at most %s", longest)
	}
}

func TestTwoSharedIPsAndIPv6(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: fast, shared: []string{"2001:db8::10/64", "198.51.100.10/24"}})
	second := w.clientOf(w.shared[1].Addr())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- second.Run(ctx) }()
	eventually(t, "the second address answers", 5*time.Second, func() bool { _, ok := second.Latest(); return ok })
	at := w.fault(w.lab.PowerCut(w.alpha.Host))
	w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	eventually(t, "beta answers at the second address", 5*time.Second, func() bool {
		_, ok := second.Report().GapAfter(at, "beta")
		return ok
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	w.oneAfterTheOther(second.Report(), w.alpha, w.beta)
	t.Logf("second address: without an answer for %s", second.Report().Longest().Duration().Round(time.Millisecond))
}

// Both lose power together and start together: the stored primary serves again,
// within a timeout, and nobody takes over.
func TestBothColdStarted(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate})
	w.fault(w.lab.PowerCut(w.beta.Host))
	w.fault(w.lab.PowerCut(w.alpha.Host))
	for _, a := range w.both() {
		w.fault(w.lab.PowerOn(a.Host))
	}
	at := time.Now()
	for _, a := range w.both() {
		a.start()
	}
	w.reached(w.alpha, at, moderate+2*time.Second)
	w.settled(w.alpha, w.beta)
	gap, _ := w.client.Report().GapAfter(at, "alpha")
	t.Logf("serving %s after the start of both daemons", gap.Round(time.Millisecond))
	if gap > moderate+time.Second {
		t.Errorf("wanted at most a timeout and 1 s")
	}
	w.undisturbed(w.alpha, at, 10*time.Second)
	if takeovers := w.beta.events(pair.KindTakeover); len(takeovers) > 0 {
		t.Errorf("the history has takeovers: %v", takeovers)
	}
}

// A stored primary that starts alone has to wait one timeout: its backup may
// have taken over meanwhile.
func TestPrimaryColdStartedAlone(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate})
	w.fault(w.lab.PowerCut(w.beta.Host))
	w.fault(w.lab.PowerCut(w.alpha.Host))
	w.fault(w.lab.PowerOn(w.alpha.Host))
	at := time.Now()
	w.alpha.start()
	w.reached(w.alpha, at, moderate+5*time.Second)
	gap, _ := w.client.Report().GapAfter(at, "alpha")
	t.Logf("serving %s after its start", gap.Round(time.Millisecond))
	if gap < moderate || gap > 2*moderate+time.Second {
		t.Errorf("wanted one timeout, and at most 1 s more than two")
	}
}

// A backup that starts alone has never heard its primary, and stays what it is.
func TestBackupColdStartedAlone(t *testing.T) {
	full(t)
	w := steadyPair(t, plan{timeout: moderate})
	w.fault(w.lab.PowerCut(w.alpha.Host))
	w.fault(w.lab.PowerCut(w.beta.Host))
	w.fault(w.lab.PowerOn(w.beta.Host))
	w.beta.serve()
	w.noTakeover(w.beta, 4*moderate)
	eventually(t, "a condition says why", 3*time.Second, func() bool { return w.beta.condition("waiting-for-primary") })
}

// The daemon of the primary ends without a word and is started again at once, as a service manager
// does: the backup waits for it, and it serves again within a second.
func TestPrimaryRestarted(t *testing.T) {
	full(t)
	bestOf(t, time.Second, plan{timeout: byDefault}, func(w *world) time.Duration {
		began := time.Now()
		w.killed(w.alpha)
		started := time.Now()
		w.alpha.start()
		w.reached(w.alpha, started, 10*time.Second)
		w.settled(w.alpha, w.beta)
		w.undisturbed(w.alpha, began, byDefault)
		if takeovers := w.beta.events(pair.KindTakeover); len(takeovers) > 0 {
			w.t.Errorf("the history has takeovers: %v", takeovers)
		}
		gap, _ := w.client.Report().GapAfter(started, "alpha")
		w.t.Logf("stopped within %s, serving %s after the start; without an answer for %s in all",
			started.Sub(began).Round(time.Millisecond), gap.Round(time.Millisecond),
			w.client.Report().Between(began, time.Now()).Longest().Duration().Round(time.Millisecond))
		return gap
	})
}

// A backup that is busy takes over all the same, and never while its primary lives.
func TestTakeoverBesideBusyProcessors(t *testing.T) {
	full(t)
	bestOf(t, moderate+200*time.Millisecond, plan{timeout: moderate}, func(w *world) time.Duration {
		stop := w.hogs(8)
		defer stop()
		throughout(t, "the primary serves", 5*moderate, func() bool { return w.alpha.status().Role == pair.Primary })
		at := w.fault(w.lab.PowerCut(w.alpha.Host))
		return w.tookOver(w.alpha, w.beta, at, 10*time.Second)
	})
}

// hogs keeps processors busy by programs of their own until stop is called.
func (w *world) hogs(count int) (stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running []*lab.Process
	for range count {
		hog, err := w.gateway.Start(ctx, lab.Cmd{Path: "sh", Args: []string{"-c", "while :; do :; done"}})
		if err != nil {
			w.t.Fatal(err)
		}
		running = append(running, hog)
	}
	return func() {
		cancel()
		for _, hog := range running {
			_ = hog.Stop(0)
		}
	}
}

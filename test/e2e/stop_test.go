//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/lab/daemon"
	"baton/internal/pair"
)

// told tells a daemon to stop, as systemd does.
func (w *world) told(a *appliance) time.Time {
	w.t.Helper()
	at := time.Now()
	if err := a.Daemon().Signal(unix.SIGTERM); err != nil {
		w.t.Fatal(err)
	}
	return at
}

// stopped waits until a daemon that was told to stop has ended, in order.
func (w *world) stopped(a *appliance, within time.Duration) {
	w.t.Helper()
	select {
	case <-a.Daemon().Done():
	case <-time.After(within):
		w.t.Fatalf("%s has not stopped after %s", a.Name(), within)
	}
	if err := a.Daemon().Wait(); err != nil {
		w.t.Errorf("%s ended with %v", a.Name(), err)
	}
}

// A primary that is told to stop hands over first: nothing is lost that any server
// acknowledged, and the site is away no longer than in a planned switch.
func TestAStopHandsOver(t *testing.T) {
	bestOf(t, switchBound, plan{timeout: byDefault}, func(w *world) time.Duration {
		for _, a := range w.both() {
			a.stranger()
		}
		c := w.count()
		eventually(w.t, "alpha acknowledges", 5*time.Second, func() bool { return c.answeredBy("alpha") })
		rest(500 * time.Millisecond)
		at := w.told(w.alpha)
		gap := w.tookOver(w.alpha, w.beta, at, 10*time.Second)
		w.stopped(w.alpha, 5*time.Second)
		eventually(w.t, "beta acknowledges", 10*time.Second, func() bool { return c.answeredBy("beta") })
		rest(500 * time.Millisecond)
		acks := c.stop()
		last, first := w.handedOn(acks)
		there := w.beta.numbers()
		for _, a := range acks {
			if !there[a.number] {
				w.t.Errorf("%d, acknowledged by %s, is not on beta", a.number, a.by)
			}
		}
		w.t.Logf("%d numbers; the other server was away for %s; alpha had stopped after %s", len(acks), first.Sub(last).Round(time.Millisecond), time.Since(at).Round(time.Millisecond))
		if texts := fmt.Sprint(w.beta.events(pair.KindRoleChanged)); !strings.Contains(texts, "The primary was told to stop, and hands over.") {
			w.t.Errorf("the history does not say what it was: %s", texts)
		}
		w.alpha.serve()
		w.settled(w.beta, w.alpha)
		return gap
	})
}

// Without time to hand over, a goodbye spares the timeout.
func TestAGoodbyeSparesTheTimeout(t *testing.T) {
	bestOf(t, time.Second, plan{timeout: byDefault}, func(w *world) time.Duration {
		w.stops("0s")
		at := w.told(w.alpha)
		gap := w.tookOver(w.alpha, w.beta, at, 10*time.Second)
		w.stopped(w.alpha, 5*time.Second)
		w.alpha.serve()
		w.settled(w.beta, w.alpha)
		return gap
	})
}

// stops has both daemons run with another stop_handover.
func (w *world) stops(handover string) {
	w.t.Helper()
	for _, a := range []*appliance{w.beta, w.alpha} {
		a.configure(daemon.Config{Shared: w.shared, StopHandover: handover})
		w.killed(a)
		a.serve()
	}
	w.settled(w.alpha, w.beta)
	w.reached(w.alpha, time.Now(), 10*time.Second)
}

// One power supply stops both: the primary is the same afterwards.
func TestBothAreToldToStop(t *testing.T) {
	for _, name := range []string{"backup first", "primary first"} {
		t.Run(name, func(t *testing.T) {
			w := steadyPair(t, plan{timeout: byDefault})
			before := w.alpha.status().Epoch
			if name == "backup first" {
				w.told(w.beta)
			}
			w.told(w.alpha)
			w.told(w.beta)
			w.stopped(w.alpha, 30*time.Second)
			w.stopped(w.beta, 30*time.Second)
			w.alpha.start()
			w.beta.start()
			primary, backup := w.settledEither()
			w.settled(primary, backup)
			if after := primary.status().Epoch; name == "backup first" && (primary != w.alpha || after != before) {
				t.Errorf("%s is primary in %s, and was alpha in %s", primary.Name(), after, before)
			}
			w.reached(primary, time.Now(), 10*time.Second)
		})
	}
}

// In maintenance a stop is just a stop, and the peer knew of it before the command ended.
func TestAStopInMaintenanceMovesNothing(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate})
	w.alpha.baton("maintenance on")
	w.told(w.alpha)
	w.stopped(w.alpha, 10*time.Second)
	rest(4 * moderate)
	if w.beta.is(pair.Primary) {
		t.Error("beta has taken over")
	}
	w.alpha.serve()
	w.alpha.baton("maintenance off")
	w.settled(w.alpha, w.beta)
}

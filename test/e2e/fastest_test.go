//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"testing"
	"time"

	"baton/internal/lab"
	"baton/internal/pair"
)

// The smallest timeout. A daemon that gets no processor for 40 ms steps aside then, as it
// should: these tests need a machine that has processors to spare, and are skipped on another.

func TestFastest(t *testing.T) {
	full(t)
	for name, hit := range map[string]func(*lab.Lab, *lab.Host) (time.Time, error){
		"power cut": (*lab.Lab).PowerCut, "cable pulled": (*lab.Lab).CutCable, "silence": (*lab.Lab).Silence,
	} {
		t.Run(name, func(t *testing.T) {
			spare(t)
			bestOf(t, 2*fastest, plan{timeout: fastest}, func(w *world) time.Duration {
				return w.tookOver(w.alpha, w.beta, w.fault(hit(w.lab, w.alpha.Host)), 10*time.Second)
			})
		})
	}
	t.Run("hangs and thaws", func(t *testing.T) {
		spare(t)
		w := steadyPair(t, plan{timeout: fastest})
		at := w.fault(w.lab.Pause(w.alpha.Host))
		w.tookOver(w.alpha, w.beta, at, 15*time.Second)
		w.fault(w.lab.Resume(w.alpha.Host))
		w.settled(w.beta, w.alpha)
	})
}

// quietFor is the environment variable that says how long to look, as 10m.
const quietFor = "BATON_QUIET_FOR"

// A healthy pair stays as it is with the smallest timeout as well, beside a visitor who asks
// 200 times a second, a site that changes all the time, and another program that uses a third
// of a processor.
func TestTheSmallestTimeoutIsQuiet(t *testing.T) {
	full(t)
	spare(t)
	span := 20 * time.Second
	if text := os.Getenv(quietFor); text != "" {
		var err error
		if span, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	w := steadyPair(t, plan{timeout: fastest})
	epoch, began := w.alpha.status().Epoch, time.Now()
	before := [2]time.Duration{w.alpha.cpu(), w.beta.cpu()}
	stalls := watchStalls()
	for i := 0; time.Since(began) < span; i++ {
		w.alpha.write(site(fmt.Sprintf("page-%d.txt", i%20)), time.Now().String())
		for busy := time.Now(); time.Since(busy) < 30*time.Millisecond; {
		}
		rest(70 * time.Millisecond)
	}
	stall := stalls()
	took := 0
	for i, a := range w.both() {
		t.Logf("%s: %.1f %% of a core", a.Name(), 100*float64(a.cpu()-before[i])/float64(time.Since(began)))
		if a.status().Epoch != epoch {
			took = len(w.alpha.events(pair.KindTakeover)) + len(w.beta.events(pair.KindTakeover))
		}
	}
	report := w.client.Report().Between(began, time.Now())
	t.Logf("within %s: %d takeovers, %d times stepped aside, longest time without an answer %s; a program waited up to %s for a processor",
		span, took, len(w.alpha.events(pair.KindSteppedDown)), report.Longest().Duration().Round(time.Millisecond), stall.Round(time.Millisecond))
	switch {
	case took > 0 && stall > fastest/4:
		t.Skip("skipped: somebody took over, but this machine was too busy for a timeout of 100 ms")
	case took > 0:
		t.Errorf("%d takeovers, and nothing was wrong", took)
	}
}

// spare skips a test on a machine that lets a program wait for a processor for long.
func spare(t *testing.T) {
	t.Helper()
	stalls := watchStalls()
	rest(2 * time.Second)
	if stall := stalls(); stall > fastest/10 {
		t.Skipf("skipped: this machine is too busy for a timeout of %s: a program waited %s for a processor", fastest, stall.Round(time.Millisecond))
	}
}

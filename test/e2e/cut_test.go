//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"baton/internal/pair"
)

// A cut of 0.45 of the timeout is no reason for a takeover: the two hear each other again a
// moment after the cable is back.
func TestAShortCutIsNoTakeover(t *testing.T) {
	full(t)
	for _, timeout := range []time.Duration{fastest, fast, 300 * time.Millisecond, moderate} {
		t.Run(timeout.String(), func(t *testing.T) {
			const cuts = 20
			if timeout == fastest {
				spare(t)
			}
			w := steadyPair(t, plan{timeout: timeout})
			epoch := w.alpha.status().Epoch
			var heard []time.Duration
			for i := range cuts {
				on := w.both()[i%2]
				at := w.fault(w.lab.CutCable(on.Host))
				rest(time.Until(at.Add(timeout * 45 / 100)))
				plugged := w.fault(w.lab.PlugCable(on.Host))
				cut := time.Since(at)
				stalls := watchStalls()
				heard = append(heard, w.heardAgain(plugged))
				stall := stalls()
				w.settledEither()
				if now := w.beta.status().Epoch; now != epoch {
					text := fmt.Sprintf("cut %d: the cable of %s was out for %s, and somebody took over; a program waited %s for a processor meanwhile", i, on.Name(), cut.Round(time.Millisecond), stall.Round(time.Millisecond))
					if cut < timeout*55/100 && stall < timeout/20 {
						t.Error(text)
					} else {
						t.Log(text)
					}
					epoch = now
					w.settled(w.settledEither())
				}
			}
			slices.Sort(heard)
			t.Logf("heard again after %s to %s, median %s", heard[0].Round(time.Millisecond), heard[cuts-1].Round(time.Millisecond), heard[cuts/2].Round(time.Millisecond))
			if most := timeout/5 + 30*time.Millisecond; heard[cuts/2] > most {
				t.Errorf("wanted at most %s in the middle", most)
			}
		})
	}
}

// watchStalls looks how long the machine lets a program wait that is ready to run, until the
// function that it returns is called: a connection takes a dozen turns of the two daemons.
func watchStalls() (end func() time.Duration) {
	stop, worst := make(chan struct{}), make(chan time.Duration, 1)
	go func() {
		const nap = time.Millisecond
		var longest time.Duration
		for {
			before := time.Now()
			select {
			case <-stop:
				worst <- longest
				return
			case <-time.After(nap):
			}
			longest = max(longest, time.Since(before)-nap)
		}
	}()
	return func() time.Duration { close(stop); return <-worst }
}

// heardAgain waits until the backup has heard its primary after an instant, or has become the
// primary, and returns how long that took.
func (w *world) heardAgain(since time.Time) time.Duration {
	w.t.Helper()
	for limit := since.Add(10 * time.Second); time.Now().Before(limit); rest(2 * time.Millisecond) {
		for _, a := range w.both() {
			status, err := a.ask()
			if err == nil && status.Role == pair.Backup && status.Peer.LastContact.After(since) {
				return status.Peer.LastContact.Sub(since)
			}
		}
	}
	w.t.Fatal("the two do not hear each other again")
	return 0
}

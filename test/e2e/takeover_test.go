//go:build e2e

package e2e

import (
	"testing"
	"time"
)

func TestPowerCut(t *testing.T) {
	bestOf(t, fast+100*time.Millisecond, func(t *testing.T) time.Duration {
		w := steadyPair(t, plan{timeout: fast})
		at := w.fault(w.lab.PowerCut(w.alpha.host))
		gap := w.tookOver(w.alpha, w.beta, at, 10*time.Second)
		w.returns(w.alpha, w.beta)
		return gap
	})
}

func TestPowerCutAtDefaultSettings(t *testing.T) {
	full(t)
	bestOf(t, byDefault+200*time.Millisecond, func(t *testing.T) time.Duration {
		w := steadyPair(t, plan{timeout: byDefault})
		at := w.fault(w.lab.PowerCut(w.alpha.host))
		return w.tookOver(w.alpha, w.beta, at, 20*time.Second)
	})
}

func TestCablePulled(t *testing.T) {
	full(t)
	bestOf(t, fast+100*time.Millisecond, func(t *testing.T) time.Duration {
		w := steadyPair(t, plan{timeout: fast})
		at := w.fault(w.lab.CutCable(w.alpha.host))
		gap := w.tookOver(w.alpha, w.beta, at, 10*time.Second)
		at = w.fault(w.lab.PlugCable(w.alpha.host))
		w.settled(w.beta, w.alpha)
		w.undisturbed(w.beta, at, quietly)
		return gap
	})
}

// returns gives an appliance its power back; it must become the backup without
// a disturbance of the site.
func (w *world) returns(a, primary *appliance) {
	w.t.Helper()
	at := w.fault(w.lab.PowerOn(a.host))
	a.serve()
	w.settled(primary, a)
	w.undisturbed(primary, at, quietly)
}

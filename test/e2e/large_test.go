//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

// TestLargeMessagesLost has the way between the two lose every frame of more than
// 1,000 bytes without a word, as a tunnel does whose ICMP is filtered. The polls go
// on, so nothing flaps; it is told; and the data keeps coming.
func TestLargeMessagesLost(t *testing.T) {
	w := steadyPair(t, plan{timeout: moderate})
	before := len(w.beta.events(pair.KindRoleChanged))
	w.fault(w.lab.LoseLarge(w.alpha.Host, w.beta.Host, 1000))
	w.alpha.write(site("later.txt"), strings.Repeat("much of it ", 50_000))
	for _, a := range w.both() {
		eventually(t, a.Name()+" tells why", time.Minute, func() bool { return a.condition("large-messages-lost") })
	}
	if doctor := w.beta.run("", "doctor"); !strings.Contains(doctor.Out, "Small messages pass between the two appliances, large ones do not (MTU)") {
		t.Errorf("doctor says nothing of it:\n%s", doctor.Out)
	}
	eventually(t, "the data comes all the same", time.Minute, func() bool {
		return w.beta.has(site("later.txt"), strings.Repeat("much of it ", 50_000))
	})
	w.noTakeover(w.beta, 5*time.Second)
	for _, event := range w.beta.events(pair.KindRoleChanged)[before:] {
		t.Errorf("the state flaps: %s", event.Text)
	}
	w.fault(w.lab.Heal())
	for _, a := range w.both() {
		eventually(t, a.Name()+" tells that it is over", time.Minute, func() bool { return !a.condition("large-messages-lost") })
	}
}

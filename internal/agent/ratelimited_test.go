package agent

import (
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

// kept is a history in memory.
type kept struct{ events []pair.Event }

func (k *kept) Record(event pair.Event) { k.events = append(k.events, event) }

// A site that does not come up for a day changes its state each second. The history
// stays readable, and says how much it leaves out.
func TestWhatRepeatsItselfDoesNotFillTheHistory(t *testing.T) {
	now := time.Unix(1e9, 0)
	written := &kept{}
	history := newRateLimited(written, func() time.Time { return now })
	flap := pair.Event{Kind: pair.KindRoleChanged, Text: "primary claiming → primary waiting", Detail: map[string]string{"from": "primary claiming", "to": "primary waiting"}}
	for range 24 * 60 * 60 {
		now = now.Add(time.Second)
		history.Record(flap)
	}
	if n := len(written.events); n < 24*6 || n > 24*(repeats+6) {
		t.Errorf("%d events of a day are written", n)
	}
	said := 0
	for _, event := range written.events {
		if strings.Contains(event.Text, "more times") {
			said++
		}
	}
	if said == 0 {
		t.Error("nobody says that something was left out")
	}
	other := flap
	other.Detail = map[string]string{"from": "backup steady", "to": "backup suspect"}
	before := len(written.events)
	history.Record(other)
	now = now.Add(2 * time.Hour)
	history.Record(flap)
	if len(written.events) != before+2 {
		t.Error("what does not repeat itself was left out")
	}
	before = len(written.events)
	for range 3 * repeats {
		history.Record(pair.Event{Kind: pair.KindSyncDone, Text: "Data sync done."})
	}
	if n := len(written.events) - before; n != 3*repeats {
		t.Errorf("%d of %d data syncs are written", n, 3*repeats)
	}
}

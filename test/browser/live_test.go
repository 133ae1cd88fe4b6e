//go:build e2e

package browser

import (
	"context"
	"testing"
	"time"
)

// liveLimit is how long a page may take to show what has happened.
const liveLimit = time.Second

func TestOpenPagesFollowWithinASecond(t *testing.T) {
	w := pairedWorld(t)
	p, peer := w.visit(w.alpha.Addr4()), w.visit(w.beta.Addr4())
	for _, tab := range []*tab{p, peer} {
		tab.signIn(administrator)
		tab.sees("Status")
	}
	// A busy machine may be late; one that is late three times has another reason.
	const tries = 3
	for try := 1; ; try++ {
		took := slowestFollowing(t, w, p, peer)
		if took <= liveLimit {
			return
		}
		if try == tries {
			t.Fatalf("a page shows what happened after %s, later than %s, %d times", short(took), liveLimit, tries)
		}
		w.must(w.alpha.API.EndMaintenance(context.Background()))
	}
}

// slowestFollowing returns how long the slowest of some causes took to be seen on
// an open page.
func slowestFollowing(t *testing.T, w *world, p, peer *tab) (slowest time.Duration) {
	t.Helper()
	ctx := context.Background()
	for _, cause := range []struct {
		name string
		do   func() error
		text string
		on   *tab
	}{
		{"maintenance begins", func() error { return w.alpha.API.StartMaintenance(ctx, time.Hour) }, "maintenance", p},
		{"maintenance ends", func() error { return w.alpha.API.EndMaintenance(ctx) }, "", p},
		{"maintenance begins, seen on the peer", func() error { return w.alpha.API.StartMaintenance(ctx, time.Hour) }, "maintenance", peer},
	} {
		at := time.Now()
		w.must(cause.do())
		if cause.text == "" {
			eventually(t, cause.name, patience, func() bool { return !cause.on.in("Conditions").shows("maintenance") })
		} else {
			cause.on.in("Conditions").seesWithin(patience, cause.text)
		}
		took := time.Since(at)
		t.Logf("%s: %s from the cause to the page", cause.name, short(took))
		slowest = max(slowest, took)
	}
	return slowest
}

func TestOpenPageFindsBackAfterALostConnection(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.forgive(lost()...)
	p.signIn(administrator)
	client := w.lab.Host("client")
	w.fault(w.lab.CutCable(client))
	p.seesWithin(8*time.Second, "No contact with alpha since")
	p.state("lost")
	w.must(w.alpha.API.StartMaintenance(context.Background(), time.Hour)) // nobody sees it now
	back := w.fault(w.lab.PlugCable(client))
	p.sees("maintenance")
	eventually(t, "the page says no longer that it is lost", patience, func() bool { return !p.shows("No contact with") })
	t.Logf("followed again %s after the cable was back", short(time.Since(back)))
}

// lost is what the browser's console says while nobody answers, or who answers
// wants another session.
func lost() []string {
	return []string{"net::ERR_", "Failed to fetch", "network error", "htmx:error: timeout", "htmx:sse:error"}
}

// An appliance that goes away and comes back as a backup tells it to who has a
// page of it open all the time.
func TestOpenPageSurvivesItsAppliance(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.forgive(lost()...)
	p.signIn(administrator)
	w.fault(w.lab.PowerCut(w.alpha.Host))
	p.seesWithin(8*time.Second, "No contact with alpha since", "the other appliance takes over")
	eventually(t, "beta is primary", 30*time.Second, func() bool { return serves(w.beta) })
	back := w.fault(w.lab.PowerOn(w.alpha.Host))
	w.must(w.alpha.Serve(context.Background()))
	p.seesWithin(2*time.Minute, "alpha is the backup now; it was the primary when you opened this page")
	t.Logf("the page knows %s after the power was back", short(time.Since(back)))
	p.state("moved-returned")
}

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"baton/internal/lab"
	"baton/internal/lab/siteclient"
	"baton/internal/pair"
)

// answeredBy reports whether that appliance gave the client's newest answer, just now.
func (w *world) answeredBy(a *appliance) bool {
	last, ok := w.client.Latest()
	return ok && last.Appliance == a.Name() && time.Since(last.End) < 200*time.Millisecond
}

// fault returns when a fault was done; it must have been.
func (w *world) fault(at time.Time, err error) time.Time {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	return at
}

// tookOver waits until the client is answered by another appliance after a
// fault, and returns how long it was without an answer. The one that left may not
// answer again, nor show the address on the link.
func (w *world) tookOver(from, to *appliance, at time.Time, within time.Duration) time.Duration {
	w.t.Helper()
	w.reached(to, at, within)
	rest(300 * time.Millisecond) // a second owner would show in this time
	report := w.client.Report().Between(at.Add(-300*time.Millisecond), time.Now())
	w.oneAfterTheOther(report, from, to)
	if w.bothAllowed == 0 {
		w.silentOnLink(from, w.firstShown(to, at))
	}
	gap := report.Longest().Duration()
	w.t.Logf("without an answer for %s: %s, then %s", gap.Round(time.Millisecond), from.Name(), to.Name())
	return gap
}

// reached waits until the client, asking after an instant, is answered by the appliance.
func (w *world) reached(by *appliance, after time.Time, within time.Duration) {
	w.t.Helper()
	eventually(w.t, by.Name()+" answers the client", within, func() bool {
		_, ok := w.client.Report().GapAfter(after, by.Name())
		return ok
	})
}

// oneAfterTheOther checks that nobody who asked after the first answer of the one
// that came was answered by the one that left. Requests that were under way at the
// same time say nothing: which of them is begun first is not which is sent first.
func (w *world) oneAfterTheOther(report siteclient.Report, from, to *appliance) {
	w.t.Helper()
	spells := report.Spells()
	first, last := spells[0].Appliance, spells[len(spells)-1].Appliance
	if first != from.Name() || last != to.Name() || report.Overlap(first, last) > 0 {
		w.t.Fatalf("the client was answered by %v, wanted %s, then %s; on the link:\n%s",
			turns(spells), from.Name(), to.Name(), strings.Join(w.shown(spells[0].To), "\n"))
	}
}

// shown lists who has shown a shared IP as its own since.
func (w *world) shown(since time.Time) (text []string) {
	for _, claim := range w.watcher.Claims() {
		if claim.At.After(since) {
			text = append(text, fmt.Sprintf("%s %s: %s (%s)", claim.At.Format("05.000"), claim.Host, claim.IP, claim.Kind))
		}
	}
	return text
}

func turns(spells []siteclient.Spell) (text []string) {
	for _, s := range spells {
		text = append(text, fmt.Sprintf("%s (%d answers from %s)", s.Appliance, s.Answers, s.From.Format("05.000")))
	}
	return text
}

// firstShown is when a host first showed a shared IP as its own since. Its first answer is no such
// sign: the other one may have passed it on.
func (w *world) firstShown(host *appliance, since time.Time) time.Time {
	for _, claim := range w.watcher.Claims() {
		if claim.At.After(since) && claim.Host == host.Name() {
			return claim.At
		}
	}
	return time.Now()
}

// silentOnLink checks that a host has not shown a shared IP as its own since.
func (w *world) silentOnLink(host *appliance, since time.Time) {
	w.t.Helper()
	for _, ip := range w.shared {
		for _, claim := range w.watcher.Since(since, ip.Addr()) {
			if claim.Host == host.Name() {
				w.t.Fatalf("%s still showed %s as its own (%s), %s after the other one did", claim.Host, claim.IP, claim.Kind, claim.At.Sub(since))
			}
		}
	}
}

// undisturbed checks that since the instant only this appliance has answered, with
// no gap longer than that.
func (w *world) undisturbed(by *appliance, since time.Time, longest time.Duration) {
	w.t.Helper()
	report := w.client.Report().Between(since, time.Now())
	spells := report.Spells()
	if len(spells) != 1 || spells[0].Appliance != by.Name() {
		w.t.Fatalf("the client was answered by %v, wanted %s alone", turns(spells), by.Name())
	}
	if gap := report.Longest().Duration(); gap > longest {
		w.t.Fatalf("without an answer for %s, wanted at most %s", gap, longest)
	}
}

// quietly is the longest gap that a busy machine makes by itself: one that stands
// still for longer than the lease steps aside for a moment.
const quietly = 700 * time.Millisecond

// noTakeover checks for some time that the backup stays what it is.
func (w *world) noTakeover(backup *appliance, during time.Duration) {
	w.t.Helper()
	throughout(w.t, backup.Name()+" is a backup without the address", during, func() bool {
		status := backup.status()
		for _, ip := range status.SharedIPs {
			if ip.Held {
				return false
			}
		}
		return status.Role == pair.Backup
	})
	if takeovers := backup.events(pair.KindTakeover); len(takeovers) > 0 {
		w.t.Fatalf("the history has takeovers: %v", takeovers)
	}
}

// get fetches one page through the first shared IP, as a browser does.
func (w *world) get(path string) (by, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	transport := &http.Transport{DialContext: w.lab.Host("client").DialContext, DisableKeepAlives: true}
	target := netip.AddrPortFrom(w.shared[0].Addr(), 80)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+target.String()+"/"+path, http.NoBody)
	if err != nil {
		return "", "", err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return response.Header.Get(lab.ApplianceHeader), string(text), err
}

// bestOf plays a scenario with a new pair until its time is within a bound, three
// times at most: other work on the machine may spoil a time, never an assertion.
func bestOf(t *testing.T, bound time.Duration, p plan, scenario func(*world) time.Duration) {
	t.Helper()
	const tries = 3
	best := time.Hour
	for i := range tries {
		t.Run(fmt.Sprintf("run %d", i+1), func(t *testing.T) { best = min(best, scenario(steadyPair(t, p))) })
		if best <= bound || t.Failed() {
			return
		}
	}
	t.Errorf("%s at best, wanted at most %s", best.Round(time.Millisecond), bound)
}

// rest lets time pass in which nothing may happen.
func rest(d time.Duration) { time.Sleep(d) }

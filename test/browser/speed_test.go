//go:build e2e

package browser

import (
	"testing"
	"time"
)

// What the console promises.
const (
	paintLimit = 100 * time.Millisecond // from the start of the navigation to the first paint, but for the browser's own time
	firstBytes = 150_000                // first page, with all that belongs to it, as on the wire
)

// pages lists every page of the console on a primary.
func pages() []string {
	return []string{
		"/login/status", "/login/site", "/login/protection", "/login/users", "/login/reports",
		"/login/management/security", "/login/management/failover", "/login/management/notifications",
		"/login/management/software", "/login/management/api", "/login/account",
	}
}

func TestFirstPageIsSmallAndQuick(t *testing.T) {
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	first := p.measure("/login")
	t.Logf("first page: %d bytes, painted after %s (connection, style sheets and all)", first.bytes, short(first.paint))
	p.signIn(administrator)
	p.forget()
	first = p.measure("/login/status")
	t.Logf("first page after signing in: %d bytes, painted after %s", first.bytes, short(first.paint))
	if first.bytes == 0 || first.bytes > firstBytes {
		t.Errorf("the first page takes %d bytes, more than %d", first.bytes, firstBytes)
	}
}

func TestEveryPageIsPaintedWithinATenthOfASecond(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.signIn(administrator)
	p.forgive("favicon.ico") // which a page without a style does not name
	for _, path := range pages() {
		p.measure(path)
		p.paintedInTime(path)
	}
}

// paintedInTime checks when a page is painted. Whatever else the machine does only
// adds, so the best of several counts, beside a page of one sentence and no style:
// that takes the browser's own time. Late pages are measured again.
func (p *tab) paintedInTime(path string) {
	p.t.Helper()
	const rounds, loads = 4, 7
	for round := 1; ; round++ {
		own := p.several(loads, "/health")
		runs := p.several(loads, path)
		usual, best := runs.median(), runs.best()
		took, allowed := best.paint-own.best().paint, atThisPace(paintLimit, own.median().paint)
		p.t.Logf("%-34s server %8s   page %8s   first paint %8s, at best %8s, of it the page's own %8s of %8s   %6d bytes", path,
			short(usual.server), short(usual.whole), short(usual.paint), short(best.paint), short(took), short(allowed), usual.bytes)
		switch {
		case took <= allowed:
			return
		case round == rounds:
			p.t.Errorf("%s takes %s to be painted, besides the browser's own time: more than %s, %d times", path, short(took), short(allowed), rounds)
			return
		}
	}
}

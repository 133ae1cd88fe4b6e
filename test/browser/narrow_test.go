//go:build e2e

package browser

import "testing"

// The tabs scroll sideways on a narrow screen; where one is must be in sight.
func TestPresentTabIsInSightOnANarrowScreen(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.look(look{narrow, "light"})
	p.signIn(administrator)
	for _, path := range pages() {
		p.open(path)
		hidden := ask[[]string](p, `[...document.querySelectorAll('nav [aria-current]')].filter(e => { const r = e.getBoundingClientRect(); return r.left < 0 || r.right > innerWidth; }).map(visibleText)`)
		if len(hidden) > 0 {
			t.Errorf("%s: the present tab is out of sight: %s", path, hidden)
		}
	}
}

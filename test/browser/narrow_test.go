//go:build e2e

package browser

import (
	"strings"
	"testing"
)

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

// A name that nobody expected must not widen a page, nor push what it is for out
// of sight.
func TestLongNamesFitEveryPage(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	name := strings.Repeat("verylongname", 5)
	w.must(w.alpha.Do(t.Context(), password, "user", "add", name, "--role", "administrator",
		"--display-name", strings.Repeat("Donaudampfschifffahrt", 5), "--mail", name+"@"+name+".example.org"))
	w.must(w.alpha.Do(t.Context(), "", "token", "create", name, "--role", "viewer"))
	p := w.visit(w.alpha.Addr4())
	p.signIn(name)
	for _, width := range []int64{wide, narrow} {
		p.look(look{width, "light"})
		for _, path := range append(pages(), "/login/users/edit/"+name, "/login/reports/audit") {
			p.open(path)
			p.fits("a long name", width)
			if high := ask[float64](p, `Math.max(...[...document.querySelectorAll('tbody tr')].map(e => e.getBoundingClientRect().height), 0)`); width == wide && high > 200 {
				t.Errorf("%s: a row of a table is %.0f pixels high", path, high)
			}
		}
	}
	p.press("button", name)
	p.fits("the menu of a long name", narrow)
}

//go:build e2e

package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// focus presses Tab until what is called so has the focus.
func (p *tab) focus(kind, name string) {
	p.t.Helper()
	for range 150 {
		if ask[bool](p, fmt.Sprintf("(e => e && e.matches(kinds[%s]) && named(e) === %s)(document.activeElement)", quoted(kind), quoted(name))) {
			return
		}
		p.keys(kb.Tab)
	}
	p.t.Fatalf("%s: Tab never comes to the %s %q", p.path(), kind, name)
}

// write types where the focus is.
func (p *tab) write(text string) {
	p.t.Helper()
	ctx, cancel := p.limited()
	defer cancel()
	_, err := chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
	p.do(err)
}

// everythingByKeyboard walks over the page with the Tab key: it must come to
// everything that a mouse can act on, and show where it is.
func (p *tab) everythingByKeyboard() {
	p.t.Helper()
	const reachable = `[...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')].filter(e => shown(e) && !e.disabled && e.tabIndex >= 0 && !(e.type === 'radio' && !e.checked))`
	ask[bool](p, "(() => { document.activeElement.blur(); window.scrollTo(0, 0); window.reached = new Set(); return true; })()")
	wanted := ask[int](p, reachable+".length")
	for range wanted + 20 {
		p.keys(kb.Tab)
		// The parts of a time field have a mark of the browser's own.
		if invisible := ask[string](p, `(() => { const e = document.activeElement;
			if (!e || e === document.body) return '';
			window.reached.add(e);
			const s = getComputedStyle(e), label = e.closest('label'), mark = s => s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0 || s.boxShadow !== 'none';
			return e.type === 'time' || mark(s) || label && mark(getComputedStyle(label)) ? '' : e.outerHTML.slice(0, 160); })()`); invisible != "" {
			p.t.Errorf("%s: the focus is not to be seen on %s", p.path(), invisible)
		}
	}
	if missed := ask[[]string](p, reachable+".filter(e => !window.reached.has(e)).map(e => e.outerHTML.slice(0, 160))"); len(missed) > 0 {
		p.t.Errorf("%s: Tab never comes to\n  %s", p.path(), missed)
	}
}

func TestKeyboardOnly(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.open("/login")
	p.focus("field", "User name")
	p.write(administrator)
	p.focus("field", "Password")
	p.write(password)
	p.leave(func() { p.keys(kb.Enter) })
	p.sees("Status")
	for _, path := range pages() {
		p.open(path)
		p.everythingByKeyboard()
	}
	p.open("/login/status")
	p.focus("link", "Skip to the content")
	p.keys(kb.Enter)
	if at := ask[string](p, "document.activeElement.id"); at != "main" {
		t.Errorf("the skip link leads to %q", at)
	}
	p.open("/login/status")
	p.focus("button", administrator)
	p.keys(kb.Enter)
	p.focus("button", "Sign out")
	p.leave(func() { p.keys(kb.Enter) })
	if at := p.path(); at != "/login" {
		t.Errorf("signed out, and is at %s", at)
	}
}

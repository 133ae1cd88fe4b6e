//go:build e2e

package browser

import (
	"fmt"
	"strings"
	"testing"

	"baton/internal/api"

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
// everything that a mouse can act on, and show where it is. What a page that
// follows its appliance shows only meanwhile is met on another walk.
func (p *tab) everythingByKeyboard() {
	p.t.Helper()
	const walks = 3
	var amiss []string
	for range walks {
		if amiss = p.walk(); len(amiss) == 0 {
			return
		}
	}
	p.t.Errorf("%s, %d times:\n  %s", p.path(), walks, strings.Join(amiss, "\n  "))
}

// walk presses Tab all over the page, and returns what is wrong.
func (p *tab) walk() (amiss []string) {
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
			amiss = append(amiss, "the focus is not to be seen on "+invisible)
		}
	}
	for _, missed := range ask[[]string](p, reachable+".filter(e => !window.reached.has(e)).map(e => e.outerHTML.slice(0, 160))") {
		amiss = append(amiss, "Tab never comes to "+missed)
	}
	return amiss
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

// enter comes to what is called so with the Tab key, presses Enter, and waits for
// the page that answers.
func (p *tab) enter(kind, name string) {
	p.t.Helper()
	p.focus(kind, name)
	p.leave(func() { p.keys(kb.Enter) })
}

// retype replaces what the field with the focus holds.
func (p *tab) retype(label, text string) {
	p.t.Helper()
	p.focus("field", label) // Tab selects what a field holds
	p.write(text)
}

// TestPairAndSwitchByKeyboard does what cannot be left to a mouse: sign in, pair,
// and hand the site over.
func TestPairAndSwitchByKeyboard(t *testing.T) {
	full(t)
	w := freshWorld(t)
	for _, a := range w.both() {
		w.must(a.Do(t.Context(), password, "setup", "--user", administrator))
		w.must(a.Do(t.Context(), key, "key", "set"))
	}
	p := w.visit(w.alpha.Addr4())
	p.open("/login")
	p.write(administrator) // the first field has the focus
	p.retype("Password", password)
	p.leave(func() { p.keys(kb.Enter) })
	p.enter("link", "Management")
	p.enter("link", "Failover")
	p.retype("Host name or IP address", "not a host")
	p.leave(func() { p.keys(kb.Enter) })
	p.sees("Nothing was saved")
	p.atTheErrors()
	p.keys(kb.Tab)
	p.keys(kb.Enter) // the link in the summary leads to the field
	eventually(t, "the field has the focus", patience, func() bool {
		return ask[bool](p, "named(document.activeElement).startsWith('Host name or IP address') && document.activeElement.matches('input')")
	})
	ask[bool](p, "document.activeElement.select() || true")
	p.write(w.beta.Addr4().String())
	p.leave(func() { p.keys(kb.Enter) })
	p.sees("is replaced")
	p.enter("button", "Establish Relationship")
	p.sees("This host's status", "Peer host's status")
	eventually(t, "beta has a snapshot", 3*patience, func() bool {
		status, err := w.beta.Status(t.Context())
		return err == nil && status.Sync.Snapshot.Number > 0
	})
	const final = "Pull a final data sync from the primary site"
	p.focus("tick", final)
	for _, want := range []bool{false, true} {
		if p.keys(" "); p.ticked(final) != want {
			t.Errorf("after Space the box is ticked: %v", !want)
		}
	}
	p.enter("button", "Become Backup")
	eventually(t, "nothing is in the way", 2*patience, func() bool { // as it may be right after pairing
		p.open("/login/management/failover/switch?role=backup&final=true")
		return p.shows("Pre-flight") && !p.shows("would be refused")
	})
	p.enter("button", "Become Backup")
	eventually(t, "beta is primary", 3*patience, func() bool { return serves(w.beta) })
	p.sees("Become Primary") // its button now
}

// atTheErrors checks that a refused form begins where it says what is wrong.
func (p *tab) atTheErrors() {
	p.t.Helper()
	if at := ask[string](p, "document.activeElement.outerHTML.slice(0, 80)"); !ask[bool](p, "document.activeElement.matches('[role=alert]')") {
		p.t.Errorf("%s: refused, and the focus is at %s", p.path(), at)
	}
	if !ask[bool](p, "(r => r.top >= 0 && r.top < innerHeight)(document.activeElement.getBoundingClientRect())") {
		p.t.Errorf("%s: refused, and what is wrong is out of sight", p.path())
	}
}

// Whoever types, reads or is about to press something must not notice that the
// page follows its appliance.
func TestLiveUpdatesLeaveThePersonAlone(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.signIn(administrator)
	p.open("/login/management/failover")
	p.press("button", "If much data was deleted on purpose")
	p.press("button", administrator) // the menu
	p.focus("field", "Network Connectivity Test IPs")
	ask[bool](p, "document.activeElement.select() || true")
	p.write("198.51.100.254\n198.51.100.2")
	ask[bool](p, "document.activeElement.setSelectionRange(3, 7) || true")
	p.follows(w, func() {
		type kept struct {
			Value      string `json:"value"`
			Start, End int
			Open       int `json:"open"`
		}
		found := ask[kept](p, "(e => ({value: e.value || '', Start: e.selectionStart, End: e.selectionEnd, open: document.querySelectorAll('details[open]').length}))(document.activeElement)")
		if want := (kept{"198.51.100.254\n198.51.100.2", 3, 7, 2}); found != want {
			t.Errorf("while somebody types: %+v, wanted %+v", found, want)
		}
	})
	// Also what has the focus within a part that is replaced.
	p.focus("button", "Cancel")
	p.follows(w, func() { p.stillAt("button", "Cancel") })
	p.open("/login/status")
	p.focus("link", "Sync and switch")
	p.follows(w, func() { p.stillAt("link", "Sync and switch") })
}

// What was refused is still to be mended, whatever happens to the pair meanwhile.
func TestARefusedFormOutlivesASwitch(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.signIn(administrator)
	p.open("/login/management/failover")
	form := p.in("Configuration")
	form.fill("Data-Sync Bandwidth Limit", "fast")
	form.submit("Save Changes")
	p.atTheErrors()
	eventually(t, "beta has a snapshot", patience, func() bool {
		status, err := w.beta.Status(t.Context())
		return err == nil && status.Sync.Snapshot.Number > 0
	})
	w.must(w.alpha.Do(t.Context(), "", "become", "backup", "--final-sync", "--wait"))
	p.sees("alpha is the backup now; it was the primary when you opened this page", "Show this page anew")
	if kept := form.value("Data-Sync Bandwidth Limit"); kept != "fast" {
		t.Errorf("after the switch the field holds %q", kept)
	}
}

// follows brings about updates of the page, and has a look after each.
func (p *tab) follows(w *world, look func()) {
	p.t.Helper()
	for range 2 {
		w.must(api.StartMaintenance().Do(p.t.Context(), w.alpha.API, api.MaintenanceRequest{For: "1h"}))
		p.in("This host's status").sees("maintenance")
		look()
		w.must(api.EndMaintenance().Do(p.t.Context(), w.alpha.API, api.None{}))
		eventually(p.t, "maintenance ends on the page", patience, func() bool { return !p.in("This host's status").shows("maintenance") })
		look()
	}
}

func (p *tab) stillAt(kind, name string) {
	p.t.Helper()
	if !ask[bool](p, fmt.Sprintf("(e => e.matches(kinds[%s]) && named(e) === %s)(document.activeElement)", quoted(kind), quoted(name))) {
		p.t.Errorf("the focus has left the %s %q for %s", kind, name, ask[string](p, "document.activeElement.outerHTML.slice(0, 120)"))
	}
}

//go:build e2e

package browser

import "testing"

func TestEverythingWorksWithoutScript(t *testing.T) {
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.withoutScript()
	p.signIn(administrator)
	for _, path := range pages() {
		p.open(path)
		if headings := p.all("heading"); len(headings) == 0 || p.shows("There is no such page") {
			t.Errorf("%s shows nothing without script: %s", path, p.text())
		}
	}
	p.open("/login/status")
	p.press("button", administrator)
	p.submit("Dark")
	if theme := ask[string](p, "document.documentElement.dataset.bsTheme"); theme != "dark" {
		t.Errorf("the theme is %q after Dark was chosen", theme)
	}
	p.press("button", administrator)
	p.submit("Sign out")
	p.open("/login/status")
	if at := p.path(); at != "/login" {
		t.Errorf("signed out, and sees %s", at)
	}
}

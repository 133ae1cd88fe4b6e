//go:build e2e

package browser

import "testing"

// signIn signs somebody in, and leaves the tab on Status.
func (p *tab) signIn(name string) {
	p.t.Helper()
	p.open("/login")
	p.fill("User name", name)
	p.fill("Password", password)
	p.submit("Sign in")
	if at := p.path(); at != "/login/status" {
		p.t.Fatalf("signed in as %s, and is at %s: %s", name, at, p.text())
	}
}

func TestSignIn(t *testing.T) {
	w := freshWorld(t)
	w.must(w.alpha.Do(t.Context(), password, "setup", "--user", administrator))
	p := w.visit(w.alpha.Addr4())
	p.open("/login/status?from=here")
	p.state("sign-in")
	p.fill("User name", administrator)
	p.fill("Password", "not the password")
	p.submit("Sign in")
	if name, kept := p.value("User name"), p.value("Password"); name != administrator || kept != "" {
		t.Errorf("a refused sign-in keeps the name %q and the password %q: the name only is right", name, kept)
	}
	p.state("sign-in-refused")
	p.fill("Password", password)
	p.submit("Sign in")
	if at := ask[string](p, "location.pathname + location.search"); at != "/login/status?from=here" {
		t.Errorf("signed in, and is at %s: it had asked for /login/status?from=here", at)
	}
}

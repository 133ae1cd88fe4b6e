//go:build e2e

package browser

import (
	"testing"

	"baton/internal/api"
	"baton/internal/lab/daemon"
)

// setUp makes the first administrator on the page that a fresh appliance leads to.
func (p *tab) setUp(a *daemon.Appliance) {
	p.t.Helper()
	state, err := api.GetSetup().Call(p.ctx, a.API, api.None{})
	p.do(err)
	p.open("/login")
	p.sees("Set up " + a.Name())
	p.fill("Setup token", state.Token)
	p.fill("User name", administrator)
	p.fill("Password", password)
	p.fill("Password again", password)
	p.submit("Make the administrator")
}

func TestSetUp(t *testing.T) {
	w := freshWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.open("/login/status")
	p.sees("Set up alpha")
	p.state("set-up")
	p.fill("Setup token", "aaaa-bbbb-cccc-dddd-eeee-ffff-gggg")
	p.fill("User name", administrator)
	p.fill("Password", password)
	p.fill("Password again", password)
	p.submit("Make the administrator")
	if kept := p.value("User name"); kept != administrator {
		t.Errorf("a refused set-up keeps the name %q", kept)
	}
	p.state("set-up-refused")
	p.setUp(w.alpha)
	if at := p.path(); at != "/login/status" {
		t.Errorf("set up, and is at %s: %s", at, p.text())
	}
	p.open("/login/setup")
	p.lacks("Setup token")
}

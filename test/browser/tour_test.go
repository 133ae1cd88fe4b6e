//go:build e2e

package browser

import (
	"strings"
	"testing"

	"baton/internal/pair"
)

// stop is one page, or one state of it, that the other tests do not come to.
type stop struct {
	name string
	path string
	do   func(p *tab) // on the page, before one looks; nil: nothing
}

func stops() []stop {
	return []stop{
		{name: "site", path: "/login/site"},
		{name: "site-certificate", path: "/login/site", do: func(p *tab) { p.submit("Make a self-signed one") }},
		{name: "protection-test", path: "/login/protection", do: func(p *tab) {
			part := p.in("Protect a directory")
			part.fill("Name", "more")
			part.fill("Path", "/nowhere")
			part.submit("Test")
		}},
		{name: "compare", path: "/login/status/compare"},
		{name: "protection-remove", path: "/login/protection/remove/site"},
		{name: "users", path: "/login/users"},
		{name: "user-new", path: "/login/users/new"},
		{name: "user-added", path: "/login/users/new", do: func(p *tab) {
			for label, text := range map[string]string{"User name": "otto", "Display name": "Otto Operator", "Mail": "otto@example.org", "Password": password, "Password again": password} {
				p.fill(label, text)
			}
			p.tick("Operator: may look, sync, switch and set maintenance")
			p.submit("Add the user")
		}},
		{name: "user", path: "/login/users/edit/otto"},
		{name: "reports-availability", path: "/login/reports"},
		{name: "reports-failovers", path: "/login/reports/failovers"},
		{name: "reports-syncs", path: "/login/reports/syncs"},
		{name: "reports-audit", path: "/login/reports/audit"},
		{name: "reports-nothing", path: "/login/reports/audit?from=2001-01-01&to=2001-01-02"},
		{name: "reports-refused", path: "/login/reports/audit?from=yesterday"},
		{name: "notifications", path: "/login/management/notifications"},
		{name: "webhook-new", path: "/login/management/notifications/webhooks/new"},
		{name: "webhook-secret", path: "/login/management/notifications/webhooks/new", do: func(p *tab) {
			p.fill("Name", "Chat of operations")
			p.fill("Address", "https://hooks.example.org/baton")
			p.submit("Generate a secret")
		}},
		{name: "security-generated", path: "/login/management/security", do: func(p *tab) { p.in("Options").submit("Generate a key") }},
		{name: "software", path: "/login/management/software"},
		{name: "api", path: "/login/management/api"},
		{name: "api-token", path: "/login/management/api", do: func(p *tab) {
			p.in("New token").fill("Name", "monitor")
			p.in("New token").submit("Create token")
		}},
		{name: "account", path: "/login/account"},
		{name: "account-codes", path: "/login/account/codes"},
		{name: "failover-become-backup", path: "/login/management/failover/switch?role=backup"},
		{name: "status-maintenance", path: "/login/status", do: func(p *tab) { p.submit("Start maintenance") }},
		{name: "status-maintenance-ended", path: "/login/status", do: func(p *tab) { p.submit("End maintenance") }},
	}
}

// TestTour looks at every page that no other test comes to.
func TestTour(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	p := w.visit(w.alpha.Addr4())
	p.signIn(administrator)
	for _, stop := range stops() {
		t.Run(stop.name, func(t *testing.T) {
			p := *p
			p.t = t
			p.open(stop.path)
			if stop.do != nil {
				stop.do(&p)
			}
			p.state(stop.name)
		})
	}
	p.forgive("status of 404", "does not conform to the required format")
	p.open("/login/nowhere")
	p.state("no-such-page")
}

// TestTourOfOthers looks at what a viewer and a backup see.
func TestTourOfOthers(t *testing.T) {
	full(t)
	w := pairedWorld(t)
	w.must(w.alpha.Do(t.Context(), password, "user", "add", "vera", "--role", "viewer"))
	vera := w.visit(w.alpha.Addr4())
	vera.signIn("vera")
	for _, path := range pages() {
		vera.open(path)
		vera.state("viewer" + strings.ReplaceAll(strings.TrimPrefix(path, "/login"), "/", "-"))
	}
	eventually(t, "beta has the users of alpha", patience, func() bool {
		status, err := w.beta.Status(t.Context())
		return err == nil && status.Role == pair.Backup && status.Sync.Snapshot.Number > 1
	})
	backup := w.visit(w.beta.Addr4())
	backup.signIn(administrator)
	for _, path := range pages() {
		backup.open(path)
		elsewhere := !strings.HasPrefix(path, "/login/management") && path != "/login/status" && path != "/login/account"
		if elsewhere && backup.path() != "/login/status" {
			t.Errorf("on a backup %s shows %s, wanted its status", path, backup.path())
		}
		if elsewhere && !backup.leads("Open the console of alpha") {
			t.Errorf("%s on a backup does not lead to the primary: %s", path, backup.text())
		}
		if !elsewhere || path == "/login/site" {
			backup.state("backup" + strings.ReplaceAll(strings.TrimPrefix(path, "/login"), "/", "-"))
		}
	}
	// Without a final data sync, and with something that no snapshot has.
	w.must(w.alpha.Do(t.Context(), "", "settings", "set", "sync_schedule=daily"))
	w.must(w.alpha.Do(t.Context(), password, "user", "add", "walter"))
	backup.open("/login/management/failover/switch?role=primary")
	backup.sees("to confirm the loss")
	backup.state("failover-become-primary-loss")
}

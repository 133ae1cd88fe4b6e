package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/console"
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

const password = consoletest.Password

// at is a path that a route answers.
func at(r page.Route) string { return page.Root + strings.ReplaceAll(r.Path, "{name}", "viewer") }

// TestEveryRouteEnforcesItsRole asks every route as nobody and in every role: too
// little is 401 or 403, or leads to the sign-in, whatever else is wrong.
func TestEveryRouteEnforcesItsRole(t *testing.T) {
	t.Parallel()
	looking := consoletest.Open(t)
	for _, route := range console.Routes(looking.Appliance.Backend()) {
		if route.Least == page.Anybody {
			continue
		}
		if !slices.Contains(pair.Accesses(), route.Least) {
			t.Errorf("%s declares no role", pattern(route))
		}
		b := looking
		if route.Method != http.MethodGet { // which may change accounts and sessions
			b = consoletest.Open(t)
		}
		checkRoles(t, b, route)
	}
}

func checkRoles(t *testing.T, b *consoletest.Browser, route page.Route) {
	t.Helper()
	answer := b.Another().Raw(b.Request(route.Method, at(route), nil))
	toSignIn := answer.Status == http.StatusSeeOther && strings.HasPrefix(answer.Header.Get("Location"), page.Root+"?next=")
	if !toSignIn && answer.Status != http.StatusUnauthorized {
		t.Errorf("%s: nobody gets %d to %s", pattern(route), answer.Status, answer.Header.Get("Location"))
	}
	for _, role := range pair.Accesses() {
		may := role.Covers(route.Least)
		if may && route.Path == "/live" { // which does not end
			continue
		}
		status := b.Another().SignIn(role).Raw(b.Request(route.Method, at(route), nil)).Status
		if refused := status == http.StatusForbidden || status == http.StatusUnauthorized; refused == may {
			t.Errorf("%s: %s gets %d", pattern(route), role, status)
		}
	}
}

func TestNoViewerActs(t *testing.T) {
	t.Parallel()
	own := []string{"/theme", "/sign-out", "", "/code", "/setup"}
	for _, route := range console.Routes(admintest.New(t).Backend()) {
		if route.Method != http.MethodGet && viewerMay(route) && !slices.Contains(own, route.Path) && !strings.HasPrefix(route.Path, "/account/") {
			t.Errorf("%s: a viewer may act", pattern(route))
		}
	}
}

// pattern names a route.
func pattern(r page.Route) string { return r.Method + " " + page.Root + r.Path }

func viewerMay(r page.Route) bool { return r.Least == page.Anybody || r.Least == pair.Viewer }

// TestNoOtherSiteActsThroughABrowser tries every action as a form of another site would.
func TestNoOtherSiteActsThroughABrowser(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	for _, route := range console.Routes(b.Appliance.Backend()) {
		if route.Method == http.MethodGet {
			continue
		}
		for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			r := b.Request(route.Method, at(route), nil)
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set(header, value)
			if status := b.Raw(r).Status; status != http.StatusForbidden {
				t.Errorf("%s with %s: %s gets %d", pattern(route), header, value, status)
			}
		}
	}
	b.Get(page.Root+"/status").Has(t, "administrator")
}

func TestWhatPeopleTypeStaysText(t *testing.T) {
	t.Parallel()
	const script = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	b := consoletest.Open(t).SignIn(pair.Administrator)
	if p := b.Post(page.Root+"/users/edit/viewer", "display_name", script, "role", "viewer", "version", "1"); p.Path != page.Root+"/users" {
		t.Fatalf("saved to %s: %s", p.Path, p.Body)
	}
	r := b.Request(http.MethodPost, page.Root, url.Values{"name": {"operator"}, "password": {password}})
	r.Header.Set("User-Agent", script)
	b.Another().Do(r)
	pages := []consoletest.Page{
		b.Get(page.Root + "/users"), b.Get(page.Root + "/users/edit/viewer"),
		b.Post(page.Root+"/users/new", "name", script, "display_name", script, "role", script),
		b.Post(page.Root+"/management/security", "console_networks", script, "password_length", script, "session_timeout", script, "version", script),
		b.Another().Post(page.Root, "name", script, "password", script, "next", script),
		b.Another().Get(page.Root + "?" + url.Values{"next": {script}}.Encode()),
		b.Get(page.Root + "/users/edit/" + url.PathEscape(script)),
	}
	for _, p := range pages {
		if strings.Contains(p.Body, "<script>alert") || strings.Contains(p.Body, "<img src=x") {
			t.Errorf("%s holds the script", p.Path)
		}
	}
	pages[0].Has(t, "&lt;script&gt;")
}

func TestABackupShowsItsOwnPagesOnly(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	b.Appliance.Change(func(s *pair.Status) { s.Role = pair.Backup })
	for _, route := range console.Routes(b.Appliance.Backend()) {
		if route.FromPrimary == "" || route.Method != http.MethodGet {
			continue
		}
		if p := b.Get(at(route)); p.Path != page.Root+"/status" {
			t.Errorf("%s leads to %s", route.Path, p.Path)
		} else {
			p.Has(t, "This appliance is the backup")
		}
	}
	p := b.Get(page.Root + "/account")
	p.Has(t, "accounts are kept by its primary", "Sign out everywhere")
	if strings.Contains(p.Body, "Change password</h2>") {
		t.Error("a password may be typed on a backup")
	}
	b.Get(page.Root+"/management/security").Has(t, "Inter-appliance Communication Pre-shared Key", "This appliance is the backup")
}

func TestNothingInAPageNeedsInlineCode(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	inline := regexp.MustCompile(`(?i)<script(?:[^>]*[^>c])?>[^<]|\sstyle=|\son[a-z]+=|<style|javascript:|hx-on`)
	for _, route := range console.Routes(b.Appliance.Backend()) {
		if route.Method != http.MethodGet || strings.ContainsAny(route.Path, "{") || route.Path == "/live" {
			continue
		}
		if found := inline.FindString(b.Get(page.Root + route.Path).Body); found != "" {
			t.Errorf("%s holds %q", route.Path, found)
		}
	}
}

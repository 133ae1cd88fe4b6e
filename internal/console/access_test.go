package console

import (
	"bufio"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
)

// raw sends a request without following where the answer leads.
func (b *browser) raw(r *http.Request) page {
	b.t.Helper()
	client := *b.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	here := *b
	here.client = &client
	return here.do(r)
}

// at is a path that a route answers.
func at(r route) string { return Root + strings.ReplaceAll(r.path, "{name}", "viewer") }

// TestEveryRouteEnforcesItsRole asks every route as nobody and in every role: too
// little is 401 or 403, or leads to the sign-in, whatever else is wrong.
func TestEveryRouteEnforcesItsRole(t *testing.T) {
	t.Parallel()
	looking := open(t)
	for _, route := range (&Console{}).routes() {
		if route.least == anybody {
			continue
		}
		if route.least != viewer && route.least != operator && route.least != administrator {
			t.Errorf("%s declares no role", route.pattern())
		}
		b := looking
		if route.method != http.MethodGet { // which may change who is who
			b = open(t)
		}
		checkRoles(t, b, route)
	}
}

func checkRoles(t *testing.T, b *browser, route route) {
	t.Helper()
	answer := b.another().raw(b.request(route.method, at(route), nil))
	toSignIn := answer.status == http.StatusSeeOther && strings.HasPrefix(answer.header.Get("Location"), Root+"?next=")
	if !toSignIn && answer.status != http.StatusUnauthorized {
		t.Errorf("%s: nobody gets %d to %s", route.pattern(), answer.status, answer.header.Get("Location"))
	}
	for _, role := range pair.Accesses() {
		may := role.Covers(pair.Access(route.least))
		if may && route.path == "/live" { // which does not end
			continue
		}
		status := b.another().signIn(role).raw(b.request(route.method, at(route), nil)).status
		if refused := status == http.StatusForbidden || status == http.StatusUnauthorized; refused == may {
			t.Errorf("%s: %s gets %d", route.pattern(), role, status)
		}
	}
}

func TestNoViewerActs(t *testing.T) {
	t.Parallel()
	own := []string{"/theme", "/sign-out", "", "/code", "/setup"}
	for _, route := range (&Console{}).routes() {
		if route.method != http.MethodGet && viewerMay(route) && !slices.Contains(own, route.path) && !strings.HasPrefix(route.path, "/account/") {
			t.Errorf("%s: a viewer may act", route.pattern())
		}
	}
}

func viewerMay(r route) bool { return r.least == anybody || r.least == viewer }

// TestNoOtherSiteActsThroughABrowser tries every action as a form of another site would.
func TestNoOtherSiteActsThroughABrowser(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	for _, route := range (&Console{}).routes() {
		if route.method == http.MethodGet {
			continue
		}
		for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			r := b.request(route.method, at(route), nil)
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set(header, value)
			if status := b.raw(r).status; status != http.StatusForbidden {
				t.Errorf("%s with %s: %s gets %d", route.pattern(), header, value, status)
			}
		}
	}
	b.get(Root+"/status").has(t, "administrator")
}

func TestEveryAnswerForbidsFrames(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Viewer)
	for _, path := range []string{"", "/status", "/users", "/nowhere", "/assets/none.js", "/account", "/setup"} {
		header := b.get(Root + path).header
		if header.Get("X-Frame-Options") != "DENY" || !strings.Contains(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %v", path, header)
		}
	}
}

// cookie returns the session's, as the browser keeps it; nothing if it has none.
func (b *browser) cookie() string {
	b.t.Helper()
	address, err := url.Parse(b.server.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, cookie := range b.client.Jar.Cookies(address) {
		if cookie.Name == "__Host-baton" {
			return cookie.Value
		}
	}
	return ""
}

func TestTheSessionCookieIsKeptClose(t *testing.T) {
	t.Parallel()
	b := open(t)
	answer := b.raw(b.request(http.MethodPost, Root, url.Values{"name": {"viewer"}, "password": {password}}))
	cookies := (&http.Response{Header: answer.header}).Cookies()
	i := slices.IndexFunc(cookies, func(c *http.Cookie) bool { return c.Name == "__Host-baton" })
	if i < 0 {
		t.Fatalf("no session cookie in %v", answer.header)
	}
	c := cookies[i]
	if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 || !c.Expires.IsZero() {
		t.Errorf("got %s", c.Raw)
	}
	sessions, err := b.appliance.People().Sessions.Sessions(t.Context())
	if err != nil || len(sessions) != 1 || strings.Contains(sessions[0].ID, c.Value) {
		t.Errorf("the appliance keeps %+v for the token %s, %v", sessions, c.Value, err)
	}
}

func TestASessionThatSomebodyPlantedIsWorthNothing(t *testing.T) {
	t.Parallel()
	b := open(t)
	address, err := url.Parse(b.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	planted := strings.Repeat("A", 43)
	b.client.Jar.SetCookies(address, []*http.Cookie{{Name: "__Host-baton", Value: planted, Path: "/", Secure: true}})
	b.get(Root)
	b.signIn(pair.Administrator)
	first := b.cookie()
	if first == planted || first == "" {
		t.Errorf("signed in under %q", first)
	}
	b.signInAgain()
	if b.cookie() == first {
		t.Error("a second sign-in keeps the token of the first")
	}
	thief := b.another()
	for _, token := range []string{planted, first} {
		thief.client.Jar.SetCookies(address, []*http.Cookie{{Name: "__Host-baton", Value: token, Path: "/", Secure: true}})
		if p := thief.get(Root + "/status"); !strings.HasPrefix(p.path, Root+"?next=") {
			t.Errorf("%s leads to %s", token, p.path)
		}
	}
}

func (b *browser) signInAgain() {
	b.t.Helper()
	b.post(Root, "name", "administrator", "password", password)
}

func TestSigningInLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"https://evil.example/", "//evil.example/", "/\\evil.example", "/login/\r\nSet-Cookie: x=y", "javascript:alert(1)", "/api/v1/status"} {
		b := open(t)
		b.get(Root + "?" + url.Values{"next": {next}}.Encode()) // whatever it is, it is shown
		answer := b.raw(b.request(http.MethodPost, Root, url.Values{"name": {"viewer"}, "password": {password}, "next": {next}}))
		if to := answer.header.Get("Location"); to != Root+"/status" {
			t.Errorf("%q leads to %q", next, to)
		}
	}
}

func TestWhatPeopleTypeStaysText(t *testing.T) {
	t.Parallel()
	const script = `"><script>alert(1)</script><img src=x onerror=alert(2)>`
	b := open(t).signIn(pair.Administrator)
	if p := b.post(Root+"/users/edit/viewer", "display_name", script, "role", "viewer", "version", "1"); p.path != Root+"/users" {
		t.Fatalf("saved to %s: %s", p.path, p.body)
	}
	r := b.request(http.MethodPost, Root, url.Values{"name": {"operator"}, "password": {password}})
	r.Header.Set("User-Agent", script)
	b.another().do(r)
	pages := []page{
		b.get(Root + "/users"), b.get(Root + "/users/edit/viewer"),
		b.post(Root+"/users/new", "name", script, "display_name", script, "role", script),
		b.post(Root+"/management/security", "console_networks", script, "password_length", script, "session_timeout", script, "version", script),
		b.another().post(Root, "name", script, "password", script, "next", script),
		b.another().get(Root + "?" + url.Values{"next": {script}}.Encode()),
		b.get(Root + "/users/edit/" + url.PathEscape(script)),
	}
	for _, p := range pages {
		if strings.Contains(p.body, "<script>alert") || strings.Contains(p.body, "<img src=x") {
			t.Errorf("%s holds the script", p.path)
		}
	}
	pages[0].has(t, "&lt;script&gt;")
}

func TestOtherNetworksGetNothing(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	closed := api.Saved[pair.Security]{Values: pair.DefaultSecurity()}
	closed.Values.ConsoleNetworks = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	if _, err := b.appliance.People().Security.SaveSecurity(t.Context(), closed); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/status", "/setup", "/live?page=status", "/assets/baton.css"} {
		if p := b.get(Root + path); p.status != http.StatusForbidden || strings.Contains(p.body, "alpha") {
			t.Errorf("%s: %d %s", path, p.status, p.body)
		}
	}
}

func TestTooManySignInsAreTurnedAway(t *testing.T) {
	t.Parallel()
	b := open(t)
	p := b.post(Root, "name", "viewer", "password", "x")
	for range 20 {
		p = b.post(Root, "name", "viewer", "password", "x")
	}
	if p.status != http.StatusTooManyRequests || p.header.Get("Retry-After") == "" {
		t.Errorf("got %d, %v", p.status, p.header)
	}
	p.has(t, "Too many failed sign-ins")
}

func TestASessionEndsWithWhatItStoodFor(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(b *browser) error{
		"password": func(b *browser) error {
			return b.appliance.People().Users.SetPassword(b.t.Context(), "viewer", "another horse battery")
		},
		"disabled": func(b *browser) error { return b.appliance.People().Users.DisableUser(b.t.Context(), "viewer") },
		"everywhere": func(b *browser) error {
			return b.appliance.People().Sessions.SignOutEverywhere(b.t.Context(), "viewer")
		},
		"role": func(b *browser) error {
			return b.appliance.People().Users.UpdateUser(b.t.Context(), pair.UserChange{Name: "viewer", Role: pair.Operator})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t).signIn(pair.Viewer)
			if p := b.get(Root + "/status"); p.status != http.StatusOK || p.path != Root+"/status" {
				t.Fatalf("%d at %s", p.status, p.path)
			}
			if err := change(b); err != nil {
				t.Fatal(err)
			}
			if p := b.get(Root + "/status"); !strings.HasPrefix(p.path, Root+"?next=") {
				t.Errorf("still at %s", p.path)
			}
		})
	}
}

// The browser keeps the cookie back when a link on another site leads here.
func TestALinkInWebmailAsksOnceMore(t *testing.T) {
	t.Parallel()
	b := open(t)
	r := b.request(http.MethodGet, Root+"/users?a=b", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	p := b.do(r)
	p.has(t, `<meta http-equiv="refresh" content="0;url=/login/users?a=b">`)
	if p.status != http.StatusOK {
		t.Errorf("got %d", p.status)
	}
}

func TestAnOpenPageIsCutOffSoonAfterItsSession(t *testing.T) {
	t.Parallel()
	appliance := admintest.New(t)
	appliance.AddPerson(t, "viewer", pair.Viewer, password)
	var late atomic.Bool
	console, err := New(appliance.Backend(), Options{Log: slog.New(slog.DiscardHandler), Now: func() time.Time {
		if late.Load() {
			return time.Now().Add(time.Minute)
		}
		return time.Now()
	}})
	if err != nil {
		t.Fatal(err)
	}
	b := serve(t, appliance, console).signIn(pair.Viewer)
	response, err := b.client.Do(b.request(http.MethodGet, Root+"/live?page=status", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	if !lines.Scan() {
		t.Fatal(lines.Err())
	}
	if err := appliance.People().Users.DisableUser(t.Context(), "viewer"); err != nil {
		t.Fatal(err)
	}
	late.Store(true)
	appliance.Change(func(s *pair.Status) {
		s.Conditions = []pair.Condition{{ID: "alone", Severity: pair.Warning, Text: "secret"}}
	})
	for lines.Scan() {
		if strings.Contains(lines.Text(), "secret") {
			t.Fatal("who is disabled still sees what happens")
		}
	}
	if err := lines.Err(); err != nil {
		t.Error(err)
	}
}

func TestABackupShowsItsOwnPagesOnly(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	b.appliance.Change(func(s *pair.Status) { s.Role = pair.Backup })
	for _, route := range (&Console{}).routes() {
		if route.backup || route.method != http.MethodGet {
			continue
		}
		if p := b.get(at(route)); p.path != Root+"/status" {
			t.Errorf("%s leads to %s", route.path, p.path)
		} else {
			p.has(t, "This appliance is the backup")
		}
	}
	p := b.get(Root + "/account")
	p.has(t, "accounts are kept by its primary", "Sign out everywhere")
	if strings.Contains(p.body, "Change password</h2>") {
		t.Error("a password may be typed on a backup")
	}
	b.get(Root+"/management/security").has(t, "Inter-appliance Communication Pre-shared Key", "This appliance is the backup")
}

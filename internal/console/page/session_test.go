package page_test

import (
	"bufio"
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
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

const password = consoletest.Password

func TestTheSessionCookieIsKeptClose(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t)
	answer := b.Raw(b.Request(http.MethodPost, page.Root, url.Values{"name": {"viewer"}, "password": {password}}))
	cookies := (&http.Response{Header: answer.Header}).Cookies()
	i := slices.IndexFunc(cookies, func(c *http.Cookie) bool { return c.Name == "__Host-baton" })
	if i < 0 {
		t.Fatalf("no session cookie in %v", answer.Header)
	}
	c := cookies[i]
	if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 || !c.Expires.IsZero() {
		t.Errorf("got %s", c.Raw)
	}
	sessions, err := b.Appliance.People().Sessions.Sessions(t.Context())
	if err != nil || len(sessions) != 1 || strings.Contains(sessions[0].ID, c.Value) {
		t.Errorf("the appliance keeps %+v for the token %s, %v", sessions, c.Value, err)
	}
}

func TestASessionThatSomebodyPlantedIsWorthNothing(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t)
	address, err := url.Parse(b.Server.URL)
	if err != nil {
		t.Fatal(err)
	}
	planted := strings.Repeat("A", 43)
	b.Client.Jar.SetCookies(address, []*http.Cookie{{Name: "__Host-baton", Value: planted, Path: "/", Secure: true}})
	b.Get(page.Root)
	b.SignIn(pair.Administrator)
	first := b.Cookie()
	if first == planted || first == "" {
		t.Errorf("signed in under %q", first)
	}
	signInAgain(b)
	if b.Cookie() == first {
		t.Error("a second sign-in keeps the token of the first")
	}
	thief := b.Another()
	for _, token := range []string{planted, first} {
		thief.Client.Jar.SetCookies(address, []*http.Cookie{{Name: "__Host-baton", Value: token, Path: "/", Secure: true}})
		if p := thief.Get(page.Root + "/status"); !strings.HasPrefix(p.Path, page.Root+"?next=") {
			t.Errorf("%s leads to %s", token, p.Path)
		}
	}
}

func signInAgain(b *consoletest.Browser) {
	b.T.Helper()
	b.Post(page.Root, "name", "administrator", "password", password)
}

func TestOtherNetworksGetNothing(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Administrator)
	closed := api.Saved[pair.Security]{Values: pair.DefaultSecurity()}
	closed.Values.ConsoleNetworks = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	if _, err := b.Appliance.People().Security.SaveSecurity(t.Context(), closed); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"", "/status", "/setup", "/live?page=status", "/assets/baton.css"} {
		if p := b.Get(page.Root + path); p.Status != http.StatusForbidden || strings.Contains(p.Body, "alpha") {
			t.Errorf("%s: %d %s", path, p.Status, p.Body)
		}
	}
}

func TestASessionEndsWithWhatItStoodFor(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(b *consoletest.Browser) error{
		"password": func(b *consoletest.Browser) error {
			return b.Appliance.People().Users.SetPassword(b.T.Context(), "viewer", "another horse battery")
		},
		"disabled": func(b *consoletest.Browser) error {
			return b.Appliance.People().Users.DisableUser(b.T.Context(), "viewer")
		},
		"everywhere": func(b *consoletest.Browser) error {
			return b.Appliance.People().Sessions.SignOutEverywhere(b.T.Context(), "viewer")
		},
		"role": func(b *consoletest.Browser) error {
			return b.Appliance.People().Users.UpdateUser(b.T.Context(), pair.UserChange{Name: "viewer", Role: pair.Operator})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := consoletest.Open(t).SignIn(pair.Viewer)
			if p := b.Get(page.Root + "/status"); p.Status != http.StatusOK || p.Path != page.Root+"/status" {
				t.Fatalf("%d at %s", p.Status, p.Path)
			}
			if err := change(b); err != nil {
				t.Fatal(err)
			}
			if p := b.Get(page.Root + "/status"); !strings.HasPrefix(p.Path, page.Root+"?next=") {
				t.Errorf("still at %s", p.Path)
			}
		})
	}
}

// The browser does not send the cookie when a link on another site leads here.
func TestALinkInWebmailAsksOnceMore(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t)
	r := b.Request(http.MethodGet, page.Root+"/users?a=b", nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	p := b.Do(r)
	p.Has(t, `<meta http-equiv="refresh" content="0;url=/login/users?a=b">`)
	if p.Status != http.StatusOK {
		t.Errorf("got %d", p.Status)
	}
}

func TestAnOpenPageIsCutOffSoonAfterItsSession(t *testing.T) {
	t.Parallel()
	appliance := admintest.New(t)
	appliance.AddPerson(t, "viewer", pair.Viewer, password)
	var late atomic.Bool
	console := consoletest.New(t, appliance, page.Options{Now: func() time.Time {
		if late.Load() {
			return time.Now().Add(time.Minute)
		}
		return time.Now()
	}})
	b := consoletest.Serve(t, appliance, console).SignIn(pair.Viewer)
	response, err := b.Client.Do(b.Request(http.MethodGet, page.Root+"/live?page=status", nil))
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

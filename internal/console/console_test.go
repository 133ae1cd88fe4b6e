package console

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/pair"
)

const password = "correct horse battery"

// browser is somebody at the console of an appliance in memory.
type browser struct {
	t         *testing.T
	appliance *admintest.Appliance
	server    *httptest.Server
	client    *http.Client
}

// open starts a console with one user of each role, named like the role.
func open(t *testing.T) *browser {
	t.Helper()
	appliance := admintest.New(t)
	for _, role := range pair.Accesses() {
		appliance.AddPerson(t, string(role), role, password)
	}
	return openWith(t, appliance)
}

// openWith starts the console of an appliance.
func openWith(t *testing.T, appliance *admintest.Appliance) *browser {
	t.Helper()
	console, err := New(appliance.Backend(), Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, appliance, console)
}

// serve puts a browser before a console.
func serve(t *testing.T, appliance *admintest.Appliance, console *Console) *browser {
	t.Helper()
	server := httptest.NewTLSServer(console.Handler())
	t.Cleanup(server.Close)
	return (&browser{t: t, appliance: appliance, server: server}).another()
}

// another is somebody else, without a session, at the same console.
func (b *browser) another() *browser {
	b.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.t.Fatal(err)
	}
	client := *b.server.Client()
	client.Jar = jar
	return &browser{t: b.t, appliance: b.appliance, server: b.server, client: &client}
}

// page is an answer.
type page struct {
	status int
	path   string // where the redirects led
	body   string
	header http.Header
}

func (b *browser) do(r *http.Request) page {
	b.t.Helper()
	response, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{status: response.StatusCode, path: response.Request.URL.RequestURI(), body: string(body), header: response.Header}
}

func (b *browser) request(method, path string, form url.Values) *http.Request {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

func (b *browser) get(path string) page {
	b.t.Helper()
	return b.do(b.request(http.MethodGet, path, nil))
}

// post sends a form: names and values in turn.
func (b *browser) post(path string, fields ...string) page {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do(b.request(http.MethodPost, path, form))
}

// signIn signs in as the user of a role.
func (b *browser) signIn(role pair.Access) *browser {
	b.t.Helper()
	if p := b.post(Root, "name", string(role), "password", password); p.status != http.StatusOK || p.path == Root {
		b.t.Fatalf("sign-in as %s: %d at %s", role, p.status, p.path)
	}
	return b
}

func (p page) has(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(p.body, text) {
			t.Errorf("%s lacks %q:\n%s", p.path, text, p.body)
		}
	}
}

func TestPagesAreForThoseWhoSignIn(t *testing.T) {
	t.Parallel()
	b := open(t)
	if p := b.get(Root + "/status"); p.path != Root+"?next=%2Flogin%2Fstatus" {
		t.Errorf("led to %s", p.path)
	}
	p := b.post(Root, "name", "viewer", "password", "wrong", "next", "/login/status")
	if p.status != http.StatusUnauthorized {
		t.Errorf("wrong password: %d", p.status)
	}
	p.has(t, "The user name or the password is wrong.", `value="viewer"`)
	if strings.Contains(p.body, `value="wrong"`) {
		t.Error("the password is shown again")
	}
	if p := b.post(Root, "name", "viewer", "password", password, "next", "/login/status"); p.path != Root+"/status" {
		t.Errorf("signed in to %s", p.path)
	}
	if p := b.post(Root + "/sign-out"); p.path != Root {
		t.Errorf("signed out to %s", p.path)
	}
	if p := b.get(Root + "/status"); !strings.HasPrefix(p.path, Root+"?") {
		t.Errorf("signed out, and yet at %s", p.path)
	}
}

func TestNoLinkLeadsAwayThroughUs(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"https://evil.example/", "//evil.example", "/login//evil.example", "/login/\\evil.example", "/elsewhere", "/login/a\r\nb", "", "/login/../evil", "/login/%2e%2E/evil", "/login/.", "/login/%"} {
		if got := localPath(address); got != "/status" {
			t.Errorf("%q leads to %q", address, got)
		}
	}
	if got := localPath("/login/users?a=b"); got != "/users?a=b" {
		t.Errorf("a page of ours leads to %q", got)
	}
}

func TestAnswersForbidWhatAttackersNeed(t *testing.T) {
	t.Parallel()
	b := open(t)
	header := b.get(Root).header
	for name, want := range map[string]string{
		"Content-Security-Policy": policy, "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "same-origin", "Cache-Control": "no-store",
	} {
		if !strings.Contains(strings.Join(header.Values(name), ","), want) {
			t.Errorf("%s: %q, want %q", name, header.Values(name), want)
		}
	}
	r := b.request(http.MethodPost, Root, url.Values{"name": {"viewer"}, "password": {password}})
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if p := b.do(r); p.status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", p.status)
	}
}

func TestNothingInAPageNeedsInlineCode(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Administrator)
	inline := regexp.MustCompile(`(?i)<script(?:[^>]*[^>c])?>[^<]|\sstyle=|\son[a-z]+=|<style|javascript:|hx-on`)
	for _, route := range (&Console{}).routes() {
		if route.method != http.MethodGet || strings.ContainsAny(route.path, "{") || route.path == "/live" {
			continue
		}
		if found := inline.FindString(b.get(Root + route.path).body); found != "" {
			t.Errorf("%s holds %q", route.path, found)
		}
	}
}

func TestAssetsKeepForEverUnderTheirHash(t *testing.T) {
	t.Parallel()
	b := open(t)
	names := regexp.MustCompile(`(?:src|href)="(/login/assets/[^"]+)"`).FindAllStringSubmatch(b.signIn(pair.Viewer).get(Root+"/status").body, -1)
	if len(names) < 5 {
		t.Fatalf("found %v", names)
	}
	for _, name := range names {
		p := b.get(name[1])
		if p.status != http.StatusOK || !strings.Contains(p.header.Get("Cache-Control"), "immutable") || p.header.Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", name[1], p.status, p.header)
		}
	}
}

func TestAnOpenPageIsToldWhenTheRoleChanges(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Viewer)
	seen := seenOf(pair.Status{Appliance: pair.ApplianceStatus{ID: admintest.ID, Name: "alpha"}}, time.Now()).String()
	r := b.request(http.MethodGet, Root+"/live?page=status&seen="+seen, nil)
	r.Header.Set("Accept", "text/event-stream")
	response, err := b.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewScanner(response.Body)
	await := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", text, lines.Err())
	}
	await("live-head")
	b.appliance.Change(func(s *pair.Status) { s.Role, s.Epoch.Counter = pair.Backup, 4 })
	await("alpha is the backup of a pair now; it stood alone when you opened this page.")
	await("event: changed")
}

// A backup learns the epoch of its primary shortly after pairing: nobody has served
// anew.
func TestWhatMovedIsToldAsItWas(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Viewer)
	b.appliance.Change(func(s *pair.Status) { s.Role, s.Epoch.Counter = pair.Backup, 4 })
	at := func(role string, epoch int) string {
		return fmt.Sprintf("%s/status?seen=%s.%s.%d.1000.alpha", Root, admintest.ID, role, epoch)
	}
	b.get(at("standalone", 4)).has(t, "alpha is the backup of a pair now; it stood alone when you opened this page.")
	b.get(at("backup", 3)).has(t, "The site has been served anew since you opened this page: alpha is the backup.")
	b.get(at("backup", 0)).lacks(t, "since you opened this page")
}

func TestWhatAnEarlierPageSawIsComparedWithThePresent(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Viewer)
	b.get(Root+"/status?seen=0bad.backup.2.1000.beta").has(t, "You were looking at beta. This is alpha, standalone.")
	for _, seen := range []string{"nonsense", "0bad.backup.2.1000.Your+session+has+ended", "0bad.backup.2.1000." + strings.Repeat("x", 65)} {
		if p := b.get(Root + "/status?seen=" + seen); strings.Contains(p.body, "You were looking") {
			t.Errorf("%q is taken for an earlier look", seen)
		}
	}
}

func TestEveryPageIsWhole(t *testing.T) {
	t.Parallel()
	c, err := New(admintest.New(t).Backend(), Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for name, parse := range c.pages {
		page, err := parse()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if name != "layout" && page.Lookup("main") == nil {
			t.Errorf("%s has no main part", name)
		}
	}
}

func TestAMovedPageTellsOfWhatCameAfterIt(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Viewer)
	drawn := admintest.Start().Add(time.Hour)
	for after, text := range map[time.Duration]string{-time.Minute: "Paired with beta.", time.Minute: "The relationship was broken here."} {
		b.appliance.Happened(pair.Event{Time: drawn.Add(after), Appliance: admintest.ID, Kind: pair.KindUnpaired, Text: text})
	}
	earlier := seen{id: "0bad", name: "beta", role: pair.Backup, epoch: 2, at: drawn}
	p := b.get(Root + "/account?seen=" + earlier.String())
	p.has(t, "You were looking at beta.", "The relationship was broken here.")
	p.lacks(t, "Paired with beta.")
}

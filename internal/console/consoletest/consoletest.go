// Package consoletest opens the console of an appliance of admintest in browsers without
// script, for the tests of its pages.
//
// Start reading at Browser.
package consoletest

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/console"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// Password is the password of all users.
const Password = "correct horse battery"

// Browser is the browser of one person at a console.
type Browser struct {
	T         *testing.T
	Appliance *admintest.Appliance
	Server    *httptest.Server
	Client    *http.Client
}

// Open starts a console with one user of each role, named like the role.
func Open(t *testing.T) *Browser {
	t.Helper()
	appliance := admintest.New(t)
	for _, role := range pair.Accesses() {
		appliance.AddPerson(t, string(role), role, Password)
	}
	return OpenWith(t, appliance)
}

// OpenWith starts the console of an appliance.
func OpenWith(t *testing.T, appliance *admintest.Appliance) *Browser {
	t.Helper()
	return Serve(t, appliance, New(t, appliance, page.Options{}))
}

// New is the console of an appliance; it logs nothing.
func New(t *testing.T, appliance *admintest.Appliance, options page.Options) *page.Server {
	t.Helper()
	options.Log = slog.New(slog.DiscardHandler)
	server, err := console.New(appliance.Backend(), options)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// Serve puts a browser before a console.
func Serve(t *testing.T, appliance *admintest.Appliance, console *page.Server) *Browser {
	t.Helper()
	server := httptest.NewTLSServer(console.Handler())
	t.Cleanup(server.Close)
	return (&Browser{T: t, Appliance: appliance, Server: server}).Another()
}

// Another is the browser of somebody else, without a session, at the same console.
func (b *Browser) Another() *Browser {
	b.T.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		b.T.Fatal(err)
	}
	client := *b.Server.Client()
	client.Jar = jar
	return &Browser{T: b.T, Appliance: b.Appliance, Server: b.Server, Client: &client}
}

// Page is an answer.
type Page struct {
	Status int
	Path   string // where the redirects led
	Body   string
	Header http.Header
}

// Do sends a request and follows where the answer leads.
func (b *Browser) Do(r *http.Request) Page {
	b.T.Helper()
	response, err := b.Client.Do(r) //nolint:gosec // a server of the test
	if err != nil {
		b.T.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.T.Fatal(err)
	}
	return Page{Status: response.StatusCode, Path: response.Request.URL.RequestURI(), Body: string(body), Header: response.Header}
}

// Raw sends a request and does not follow where the answer leads.
func (b *Browser) Raw(r *http.Request) Page {
	b.T.Helper()
	client := *b.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	here := *b
	here.Client = &client
	return here.Do(r)
}

// Request makes a request of a page of the console.
func (b *Browser) Request(method, path string, form url.Values) *http.Request {
	b.T.Helper()
	r, err := http.NewRequestWithContext(b.T.Context(), method, b.Server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.T.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

// Get opens a page.
func (b *Browser) Get(path string) Page {
	b.T.Helper()
	return b.Do(b.Request(http.MethodGet, path, nil))
}

// Post sends a form; fields are names and values in turn.
func (b *Browser) Post(path string, fields ...string) Page {
	b.T.Helper()
	form := url.Values{}
	for pair := range slices.Chunk(fields, 2) {
		form.Add(pair[0], pair[1])
	}
	return b.Do(b.Request(http.MethodPost, path, form))
}

// SignIn signs in as the user of a role.
func (b *Browser) SignIn(role pair.Access) *Browser {
	b.T.Helper()
	if p := b.Post(page.Root, "name", string(role), "password", Password); p.Status != http.StatusOK || p.Path == page.Root {
		b.T.Fatalf("sign-in as %s: %d at %s", role, p.Status, p.Path)
	}
	return b
}

// Cookie returns the value of the session cookie; empty if the browser has none.
func (b *Browser) Cookie() string {
	b.T.Helper()
	address, err := url.Parse(b.Server.URL)
	if err != nil {
		b.T.Fatal(err)
	}
	for _, cookie := range b.Client.Jar.Cookies(address) {
		if cookie.Name == "__Host-baton" {
			return cookie.Value
		}
	}
	return ""
}

// Has fails the test unless the page shows all texts.
func (p Page) Has(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(p.Body, text) {
			t.Errorf("%s lacks %q:\n%s", p.Path, text, p.Body)
		}
	}
}

// Lacks fails the test if the page shows any of the texts.
func (p Page) Lacks(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(p.Body, text) {
			t.Errorf("%s shows %q:\n%s", p.Path, text, p.Body)
		}
	}
}

// Value returns what a field of a page holds.
func (p Page) Value(t *testing.T, name string) string {
	t.Helper()
	match := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(p.Body)
	if match == nil {
		t.Fatalf("%s has no field %s:\n%s", p.Path, name, p.Body)
	}
	return match[1]
}

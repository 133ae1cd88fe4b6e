package page_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"baton/internal/admin/admintest"
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

func TestAnswersForbidWhatAttackersNeed(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t)
	header := b.Get(page.Root).Header
	for name, want := range map[string]string{
		"Content-Security-Policy": page.Policy, "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "same-origin", "Cache-Control": "no-store",
	} {
		if !strings.Contains(strings.Join(header.Values(name), ","), want) {
			t.Errorf("%s: %q, want %q", name, header.Values(name), want)
		}
	}
	r := b.Request(http.MethodPost, page.Root, url.Values{"name": {"viewer"}, "password": {password}})
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if p := b.Do(r); p.Status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", p.Status)
	}
}

func TestAssetsKeepForEverUnderTheirHash(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t)
	names := regexp.MustCompile(`(?:src|href)="(/login/assets/[^"]+)"`).FindAllStringSubmatch(b.SignIn(pair.Viewer).Get(page.Root+"/status").Body, -1)
	if len(names) < 5 {
		t.Fatalf("found %v", names)
	}
	for _, name := range names {
		p := b.Get(name[1])
		if p.Status != http.StatusOK || !strings.Contains(p.Header.Get("Cache-Control"), "immutable") || p.Header.Get("Content-Type") == "" {
			t.Errorf("%s: %d %v", name[1], p.Status, p.Header)
		}
	}
}

func TestEveryPageIsWhole(t *testing.T) {
	t.Parallel()
	for name, parse := range consoletest.New(t, admintest.New(t), page.Options{}).Templates() {
		whole, err := parse()
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if name != "layout" && whole.Lookup("main") == nil {
			t.Errorf("%s has no main part", name)
		}
	}
}

// The pages of all sections share one list of names.
func TestTwoPagesOfOneNameAreRefused(t *testing.T) {
	t.Parallel()
	again := page.Section{Templates: fstest.MapFS{"templates/error.html": {Data: []byte(`{{define "main"}}{{end}}`)}}}
	if _, err := page.New(page.Backend{}, page.Options{}, nil, []page.Section{page.Frame(), again}); err == nil || !strings.Contains(err.Error(), "two pages are named error") {
		t.Errorf("a second page error: %v", err)
	}
}

func TestEveryAnswerForbidsFrames(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Viewer)
	for _, path := range []string{"", "/status", "/users", "/nowhere", "/assets/none.js", "/account", "/setup"} {
		header := b.Get(page.Root + path).Header
		if header.Get("X-Frame-Options") != "DENY" || !strings.Contains(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %v", path, header)
		}
	}
}

func TestStrangersSendSmallForms(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t)
	if p := b.Post(page.Root, "name", strings.Repeat("x", page.MaxSmallForm), "password", consoletest.Password); p.Status != http.StatusUnprocessableEntity || len(p.Body) > page.MaxSmallForm {
		t.Errorf("%d, %d bytes", p.Status, len(p.Body))
	}
}

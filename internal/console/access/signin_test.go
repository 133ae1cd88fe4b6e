package access_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"baton/internal/console/consoletest"
	"baton/internal/console/page"
)

func TestPagesAreForThoseWhoSignIn(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t)
	if p := b.Get(page.Root + "/status"); p.Path != page.Root+"?next=%2Flogin%2Fstatus" {
		t.Errorf("led to %s", p.Path)
	}
	p := b.Post(page.Root, "name", "viewer", "password", "wrong", "next", "/login/status")
	if p.Status != http.StatusUnauthorized {
		t.Errorf("wrong password: %d", p.Status)
	}
	p.Has(t, "The user name or the password is wrong.", `value="viewer"`)
	if strings.Contains(p.Body, `value="wrong"`) {
		t.Error("the password is shown again")
	}
	if p := b.Post(page.Root, "name", "viewer", "password", password, "next", "/login/status"); p.Path != page.Root+"/status" {
		t.Errorf("signed in to %s", p.Path)
	}
	if p := b.Post(page.Root + "/sign-out"); p.Path != page.Root {
		t.Errorf("signed out to %s", p.Path)
	}
	if p := b.Get(page.Root + "/status"); !strings.HasPrefix(p.Path, page.Root+"?") {
		t.Errorf("signed out, and yet at %s", p.Path)
	}
}

func TestSigningInLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"https://evil.example/", "//evil.example/", "/\\evil.example", "/login/\r\nSet-Cookie: x=y", "javascript:alert(1)", "/api/v1/status"} {
		b := consoletest.Open(t)
		b.Get(page.Root + "?" + url.Values{"next": {next}}.Encode()) // whatever it is, it is shown
		answer := b.Raw(b.Request(http.MethodPost, page.Root, url.Values{"name": {"viewer"}, "password": {password}, "next": {next}}))
		if to := answer.Header.Get("Location"); to != page.Root+"/status" {
			t.Errorf("%q leads to %q", next, to)
		}
	}
}

func TestTooManySignInsAreTurnedAway(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t)
	p := b.Post(page.Root, "name", "viewer", "password", "x")
	for range 20 {
		p = b.Post(page.Root, "name", "viewer", "password", "x")
	}
	if p.Status != http.StatusTooManyRequests || p.Header.Get("Retry-After") == "" {
		t.Errorf("got %d, %v", p.Status, p.Header)
	}
	p.Has(t, "Too many failed sign-ins")
}

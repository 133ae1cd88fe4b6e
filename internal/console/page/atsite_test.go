package page_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// askAtSite asks for the console at the site's host name.
func askAtSite(t *testing.T, appliance *admintest.Appliance, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	consoletest.New(t, appliance, page.Options{}).AtSite().ServeHTTP(w, r)
	return w
}

// pairedAt is a pair whose TLS ports listen on addresses.
func pairedAt(t *testing.T, listen ...string) *admintest.Appliance {
	t.Helper()
	a := admintest.New(t)
	a.Listen(listen...)
	a.Change(func(s *pair.Status) {
		s.Role = pair.Primary
		s.Peer = &pair.PeerStatus{ID: admintest.PeerID, Name: "beta", Address: "198.51.100.2:9443"}
		s.SharedIPs = []pair.SharedIPStatus{
			{Address: "198.51.100.10/24", Shared: true}, {Address: "2001:db8::10/64", Shared: true}, {Address: "198.51.100.11/24"},
		}
	})
	return a
}

func TestAtTheSitesHostNameAPageSaysWhereTheConsoleIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		listen []string
		want   []string
	}{
		"everywhere": {[]string{":443"}, []string{
			"https://198.51.100.10/login", "https://[2001:db8::10]/login", "https://198.51.100.1/login", "https://198.51.100.2:9443/login",
		}},
		"another port": {[]string{"[::]:8443"}, []string{
			"https://198.51.100.10:8443/login", "https://[2001:db8::10]:8443/login", "https://198.51.100.1/login", "https://198.51.100.2:9443/login",
		}},
		"some addresses": {[]string{"198.51.100.1:443", "[2001:db8::1]:9443", "198.51.100.10:444", "198.51.100.11:443"}, []string{
			"https://198.51.100.10:444/login", "https://198.51.100.1/login", "https://[2001:db8::1]:9443/login", "https://198.51.100.2:9443/login",
		}},
	} {
		r := httptest.NewRequest(http.MethodGet, "https://www.example.org/login/status?next=https://evil.example/", nil)
		r.Host = "www.example.org:4711"
		r.Header.Set("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
		r.Header.Set("X-Forwarded-Host", "evil.example")
		w := askAtSite(t, pairedAt(t, c.listen...), r)
		p := consoletest.Page{Status: w.Code, Path: name, Body: w.Body.String(), Header: w.Header()}
		if p.Status != http.StatusForbidden || p.Header.Get("Content-Type") != "text/html; charset=utf-8" || p.Header.Get("Content-Security-Policy") != page.Policy {
			t.Errorf("%s: %d, %v", name, p.Status, p.Header)
		}
		if p.Header.Get("Set-Cookie") != "" || strings.Contains(p.Header.Get("Vary"), "Cookie") {
			t.Errorf("%s: a session or a cookie: %v", name, p.Header)
		}
		p.Has(t, "The console is not here", "So that nothing of the site can act in the console")
		p.Lacks(t, "evil.example", "4711", "<form", "<style", "style=", "<script>")
		var links []string
		for part := range strings.SplitSeq(p.Body, `<a href="`) {
			if href, _, is := strings.Cut(part, `"`); is && strings.HasPrefix(href, "https:") {
				links = append(links, href)
			}
		}
		if strings.Join(links, " ") != strings.Join(c.want, " ") {
			t.Errorf("%s: leads to\n%v, want\n%v", name, links, c.want)
		}
	}
}

func TestThePageAtTheSitesHostNameHasItsLook(t *testing.T) {
	t.Parallel()
	a := pairedAt(t, ":443")
	w := askAtSite(t, a, httptest.NewRequest(http.MethodGet, "/login", nil))
	for part := range strings.SplitSeq(w.Body.String(), `"`) {
		if !strings.HasPrefix(part, page.AssetPrefix) {
			continue
		}
		if file := askAtSite(t, a, httptest.NewRequest(http.MethodGet, part, nil)); file.Code != http.StatusOK || file.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: %d", part, file.Code)
		}
	}
}

func TestNothingOfTheConsoleAnswersAtTheSitesHostName(t *testing.T) {
	t.Parallel()
	a := pairedAt(t, ":443")
	a.AddPerson(t, string(pair.Viewer), pair.Viewer, password)
	for _, path := range []string{page.Root, page.Root + "/", page.Root + "/status", page.Root + "/live?page=status", page.Root + "/moved?seen=x", page.Root + "/assets/nothing.js", page.Root + "/sign-out"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequest(method, path, strings.NewReader("name=viewer&password="+password))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := askAtSite(t, a, r)
			if asset := strings.Contains(path, "/assets/") && method == http.MethodGet; w.Code != http.StatusForbidden && !asset || w.Header().Get("Set-Cookie") != "" {
				t.Errorf("%s %s: %d %v", method, path, w.Code, w.Header())
			}
		}
	}
}

func TestProgramsAreRefusedAtTheSitesHostNameInTheirOwnWay(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, page.Root+"/status", io.NopCloser(strings.NewReader("{}")))
	r.Header.Set("Accept", "application/json")
	w := askAtSite(t, pairedAt(t, ":443"), r)
	var problem struct{ Code, Detail string }
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusForbidden || w.Header().Get("Content-Type") != "application/problem+json" || problem.Code != "forbidden" || !strings.Contains(problem.Detail, "https://198.51.100.10/login") {
		t.Errorf("%d, %s, %+v", w.Code, w.Header().Get("Content-Type"), problem)
	}
}

// A client that the console would not answer does not get its addresses either.
func TestWhereTheConsoleIsIsToldToThoseItAnswers(t *testing.T) {
	t.Parallel()
	a := pairedAt(t, ":443")
	saved, err := a.People().Security.Security(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if saved.Values, err = pair.With(saved.Values, map[string]string{"console_networks": "198.51.100.0/24"}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.People().Security.SaveSecurity(t.Context(), saved); err != nil {
		t.Fatal(err)
	}
	for from, told := range map[string]bool{"198.51.100.7:4711": true, "203.0.113.7:4711": false} {
		for _, accept := range []string{"text/html", "application/json"} {
			r := httptest.NewRequest(http.MethodGet, page.Root, nil)
			r.RemoteAddr = from
			r.Header.Set("Accept", accept)
			if w := askAtSite(t, a, r); w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "198.51.100") != told {
				t.Errorf("from %s, %s: %d %s", from, accept, w.Code, w.Body)
			}
		}
	}
}

// The banner that contact is lost leads only to where something listens.
func TestTheBannerLeadsOnlyToWhatListens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		listen []string
		shared string
	}{
		"everywhere":      {[]string{":8443"}, "https://198.51.100.10:8443/login"},
		"own address":     {[]string{"198.51.100.1:443"}, ""},
		"own and shared":  {[]string{"198.51.100.1:443", "198.51.100.10:444"}, "https://198.51.100.10:444/login"},
		"another address": {[]string{"192.0.2.7:443"}, ""},
	} {
		appliance := pairedAt(t, c.listen...)
		appliance.AddPerson(t, string(pair.Viewer), pair.Viewer, password)
		b := consoletest.OpenWith(t, appliance)
		b.SignIn(pair.Viewer)
		page := b.Get("/login/status").Body
		if !strings.Contains(page, "https://198.51.100.2:9443/login") {
			t.Errorf("%s: the peer's console is missing", name)
		}
		if leads := strings.Contains(page, `href="https://198.51.100.10`); leads != (c.shared != "") || !strings.Contains(page, c.shared) {
			t.Errorf("%s: the banner leads to the shared IP: %v", name, leads)
		}
	}
}

package listen

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/certificate"
	"baton/internal/config"
	"baton/internal/pair"
)

// A service worker among the site's files must not come to answer for the console.
func TestNoServiceWorkerIsWhereTheConsoleIs(t *testing.T) {
	t.Parallel()
	p := &Public{doors: NewDoors(config.Config{Name: "alpha"}, nil, slog.New(slog.DiscardHandler)), certificates: &certificates{}}
	if err := p.show(pair.Site{HostName: "www.example.org"}, certificate.Stored{}); err != nil {
		t.Fatal(err)
	}
	answers := p.withoutWorkers(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "script") }))
	for _, c := range []struct {
		host, path, worker string
		want               int
	}{
		{"198.51.100.1", "/worker.js", "script", http.StatusForbidden},
		{"alpha.example.org", "/login/assets/baton.js", "script", http.StatusForbidden},
		{"198.51.100.1", "/worker.js", "", http.StatusOK},
		{"www.example.org", "/worker.js", "script", http.StatusOK},
	} {
		r := httptest.NewRequest(http.MethodGet, c.path, nil)
		r.Host = c.host
		if c.worker != "" {
			r.Header.Set("Service-Worker", c.worker)
		}
		w := httptest.NewRecorder()
		answers.ServeHTTP(w, r)
		if left := w.Header().Get("Clear-Site-Data"); w.Code != c.want || (left == `"storage"`) != (c.want == http.StatusForbidden) {
			t.Errorf("%+v: %d, Clear-Site-Data %s", c, w.Code, left)
		}
	}
}

// A script among the site's files must not share an origin with the console.
func TestSiteAndConsoleShareNoOrigin(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "index.html"), []byte("<script>evil()</script>"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.Config{Name: "alpha", Site: &config.Site{Root: root}}
	p := &Public{doors: NewDoors(c, nil, slog.New(slog.DiscardHandler)), certificates: &certificates{}}
	p.doors.Open()
	site := p.besideConsole(p.doors.Console())
	console := p.besideSite(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "console") }), http.NotFoundHandler())
	ask := func(handler http.Handler, host string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	for _, name := range []string{"", "www.example.org"} {
		if err := p.show(pair.Site{HostName: name}, certificate.Stored{}); err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{
			"198.51.100.1", "198.51.100.1:9443", "[2001:db8::1]", "[2001:db8::1]:443", "alpha.example.org", "www.example.org.evil.example", "",
			"www.example.org", "www.example.org:443", "WWW.example.org", "www.example.org.", "www.example.org.:9443",
		} {
			shown := ask(site, host)
			policy := shown.Header().Get("Content-Security-Policy")
			alone := strings.HasPrefix(policy, "sandbox ") && !strings.Contains(policy, "allow-same-origin")
			answers := ask(console, host).Code == http.StatusOK
			if shown.Code != http.StatusOK || answers && !alone {
				t.Errorf("host name %q, asked for %q: %d, policy %q, and the console answers: %t", name, host, shown.Code, policy, answers)
			}
			if own := name != "" && strings.HasPrefix(strings.ToLower(host), name) && !strings.Contains(host, "evil"); answers == own || alone == own {
				t.Errorf("host name %q, asked for %q: sandbox %t, console %t", name, host, alone, answers)
			}
		}
	}
}

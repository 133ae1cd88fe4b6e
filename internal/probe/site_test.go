package probe

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"baton/internal/cause"
	"baton/internal/cause/causetest"
	"baton/internal/health"
	"baton/internal/pair"
)

func TestSiteSaysWhyItDoesNotAnswer(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case "/elsewhere":
			http.Redirect(w, r, "/broken", http.StatusFound)
		case "/itself":
			http.Redirect(w, r, "/itself", http.StatusFound)
		case "/text":
			_, _ = io.WriteString(w, "<p>all is well</p>")
		case "/endless":
			for text := strings.Repeat("x", 1<<10); ; {
				if _, err := io.WriteString(w, text); err != nil {
					return
				}
			}
		case "/heads":
			for i := range 100 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 1<<10))
			}
		case "/slow":
			<-r.Context().Done()
		case "/cut":
			panic(http.ErrAbortHandler)
		case "/drip":
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}))
	t.Cleanup(site.Close)
	mute, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	type asked struct {
		check pair.HealthCheck
		want  health.Answer
	}
	root := pair.HealthCheck{URL: site.URL + "/"}
	for a, want := range map[asked]string{
		{check: root}: "",
		{check: pair.HealthCheck{URL: site.URL + "/elsewhere"}}:                           "",
		{check: pair.HealthCheck{TCP: site.Listener.Addr().String()}}:                     "",
		{check: pair.HealthCheck{URL: site.URL + "/broken"}}:                              "answers with status 500 Internal Server Error",
		{check: pair.HealthCheck{URL: site.URL + "/heads"}}:                               "answers with what is not HTTP, or with a head of more than 64 KiB",
		{check: pair.HealthCheck{URL: site.URL + "/slow"}}:                                "does not answer within 200 ms",
		{check: pair.HealthCheck{URL: site.URL + "/drip"}}:                                "does not answer within 200 ms",
		{check: pair.HealthCheck{URL: site.URL + "/cut"}}:                                 "ends the connection without an answer",
		{check: pair.HealthCheck{URL: "http://" + mute.Addr().String()}}:                  "does not answer within 200 ms",
		{check: pair.HealthCheck{URL: "http://" + gone.Addr().String()}}:                  "refuses connections: nothing listens there",
		{check: pair.HealthCheck{TCP: gone.Addr().String()}}:                              "refuses connections: nothing listens there",
		{root, health.Answer{Status: health.Statuses{From: 200, To: 200}}}:                "",
		{root, health.Answer{Status: health.Statuses{From: 201, To: 299}}}:                "answers with status 200 OK",
		{check: pair.HealthCheck{URL: site.URL + "/itself"}}:                              "", // not followed: no loop
		{pair.HealthCheck{URL: site.URL + "/itself"}, health.Answer{Status: only(200)}}:   "answers with status 302 Found",
		{pair.HealthCheck{URL: site.URL + "/broken"}, health.Answer{Status: only(500)}}:   "",
		{pair.HealthCheck{URL: site.URL + "/text"}, health.Answer{Body: "all is well"}}:   "",
		{pair.HealthCheck{URL: site.URL + "/text"}, health.Answer{Body: "all is lost"}}:   `answers without "all is lost"`,
		{pair.HealthCheck{URL: site.URL + "/endless"}, health.Answer{Body: "x"}}:          "",
		{pair.HealthCheck{URL: site.URL + "/endless"}, health.Answer{Body: "y"}}:          `answers without "y" in its first 64 KiB`,
		{pair.HealthCheck{URL: site.URL + "/broken"}, health.Answer{Body: "all is well"}}: "answers with status 500 Internal Server Error",
	} {
		err := Site(t.Context(), a.check, a.want, 200*time.Millisecond)
		switch {
		case want == "" && err != nil:
			t.Errorf("%+v: %v", a, err)
		case want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)):
			t.Errorf("%+v: %v, want %q", a, err, want)
		}
	}
}

func only(status int) health.Statuses { return health.Statuses{From: status, To: status} }

func TestACheckOfTheSiteIsToldInWordsOfAPerson(t *testing.T) {
	for _, raw := range causetest.Raw() {
		if text := said(&url.Error{Op: "Get", URL: "http://127.0.0.1/", Err: raw}, time.Second); cause.Rough(text) {
			t.Errorf("%v is told as: %s", raw, text)
		}
	}
}

// TestAMetadataServiceIsNoSite has an administrator name what tells this machine its own
// credentials.
func TestAMetadataServiceIsNoSite(t *testing.T) {
	for _, text := range []string{"http://169.254.169.254/latest/meta-data/", "tcp:169.254.169.254:80", "tcp:100.100.100.200:80", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/", "tcp:0.0.0.0:80"} {
		check, err := pair.ParseSiteCheck(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := Site(t.Context(), check, health.Answer{}, time.Second); err == nil || !strings.Contains(err.Error(), "is never asked") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

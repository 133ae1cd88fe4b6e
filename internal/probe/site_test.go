package probe

import (
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
	"baton/internal/pair"
)

func TestSiteSaysWhyItDoesNotAnswer(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/broken":
			w.WriteHeader(http.StatusInternalServerError)
		case "/elsewhere":
			http.Redirect(w, r, "/broken", http.StatusFound)
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
	for check, want := range map[pair.HealthCheck]string{
		{URL: site.URL + "/"}:                   "",
		{URL: site.URL + "/elsewhere"}:          "",
		{TCP: site.Listener.Addr().String()}:    "",
		{URL: site.URL + "/broken"}:             "answers with status 500 Internal Server Error",
		{URL: site.URL + "/slow"}:               "does not answer within 200 ms",
		{URL: site.URL + "/drip"}:               "does not answer within 200 ms",
		{URL: site.URL + "/cut"}:                "ends the connection without an answer",
		{URL: "http://" + mute.Addr().String()}: "does not answer within 200 ms",
		{URL: "http://" + gone.Addr().String()}: "refuses connections: nothing listens there",
		{TCP: gone.Addr().String()}:             "refuses connections: nothing listens there",
	} {
		err := Site(t.Context(), check, 200*time.Millisecond)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", check, err)
		case want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)):
			t.Errorf("%s: %v, want %q", check, err, want)
		}
	}
}

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
		if err := Site(t.Context(), check, time.Second); err == nil || !strings.Contains(err.Error(), "is never asked") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

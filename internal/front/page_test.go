package front

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/pair"
)

func home(t *testing.T, f *Front, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestThePublicPageStandsInForAMissingIndex(t *testing.T) {
	root := filepath.Join(t.TempDir(), "site")
	f := newFront(root)
	f.Open()
	if got := home(t, f, "/"); got.Code != http.StatusNotFound {
		t.Errorf("without a page: %d", got.Code)
	}
	if err := f.SetPage(pair.Site{Name: "Help desk", Title: "Back soon", Message: "One.\nTwo.\n\n\nThree."}); err != nil {
		t.Fatal(err)
	}
	shown := home(t, f, "/")
	for _, want := range []string{"<title>Back soon</title>", "<h1>Back soon</h1>", "<p>One.\nTwo.</p>", "<p>Three.</p>", "Help desk"} {
		if shown.Code != http.StatusOK || !strings.Contains(shown.Body.String(), want) {
			t.Errorf("no directory: %d, no %q in %s", shown.Code, want, shown.Body)
		}
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := home(t, f, "/"); got.Code != http.StatusOK || !strings.Contains(got.Body.String(), "Back soon") {
		t.Errorf("empty directory: %d %s", got.Code, got.Body)
	}
	if got := home(t, f, "/other"); got.Code != http.StatusNotFound {
		t.Errorf("another path: %d", got.Code)
	}
	if err := os.WriteFile(filepath.Join(root, "index.html"), []byte("the site"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := home(t, f, "/"); got.Body.String() != "the site" {
		t.Errorf("the site's own page is not shown: %s", got.Body)
	}
	if err := os.Remove(filepath.Join(root, "index.html")); err != nil {
		t.Fatal(err)
	}
	if err := f.SetPage(pair.Site{Name: "Help desk"}); err != nil {
		t.Fatal(err)
	}
	if got := home(t, f, "/"); got.Code != http.StatusNotFound {
		t.Errorf("the page taken away: %d", got.Code)
	}
}

func TestAClosedDoorShowsNoPublicPage(t *testing.T) {
	f := newFront("")
	if err := f.SetPage(pair.Site{Title: "Back soon"}); err != nil {
		t.Fatal(err)
	}
	if got := home(t, f, "/"); got.Code != http.StatusServiceUnavailable || strings.Contains(got.Body.String(), "Back soon") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestThePublicPageRunsNothing(t *testing.T) {
	f := newFront("")
	f.Open()
	evil := `</title></style><script>alert(1)</script><img src=x onerror=alert(1)>" style="` + "\u2028{{.Style}}"
	if err := f.SetPage(pair.Site{Name: evil, Title: evil, Message: evil + "\n\njavascript:alert(1)"}); err != nil {
		t.Fatal(err)
	}
	got := home(t, f, "/")
	body := got.Body.String()
	if strings.Count(body, "<script") != 0 || strings.Contains(body, "<img") || strings.Count(body, "<style>") != 1 || strings.Count(body, "</style>") != 1 {
		t.Errorf("it breaks out: %s", body)
	}
	_, style, _ := strings.Cut(body, "<style>")
	style, _, _ = strings.Cut(style, "</style>")
	hash := sha256.Sum256([]byte(style))
	policy := got.Header().Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-"+base64.StdEncoding.EncodeToString(hash[:])+"'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy %q does not fit the page's style", policy)
	}
	for header, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Content-Type": "text/html; charset=utf-8", "Referrer-Policy": "no-referrer"} {
		if got.Header().Get(header) != want {
			t.Errorf("%s: %q", header, got.Header().Get(header))
		}
	}
}

package static

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"baton/internal/pair"
)

func home(t *testing.T, f *Files, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestThePublicPageStandsInForAMissingIndex(t *testing.T) {
	root := filepath.Join(t.TempDir(), "site")
	f := newFiles(root)
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

package static

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func newFiles(root string) *Files { return New(root, slog.New(slog.DiscardHandler)) }

// site writes a directory with everything that may lie in one.
func site(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	root := filepath.Join(top, "site")
	write := func(name, text string) {
		path := filepath.Join(top, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	write("secret.txt", "secret")
	write("site/index.html", "<h1>home</h1>")
	write("site/style.css", "h1 {}")
	write("site/docs/index.html", "docs")
	write("site/empty/page.txt", "page")
	write("site/.git/config", "hidden")
	write("site/.htpasswd", "hidden")
	write("site/.well-known/security.txt", "contact")
	write("site/odd/index.html/file", "an index that is a directory")
	err := errors.Join(
		os.Symlink("../secret.txt", filepath.Join(root, "relative")),
		os.Symlink(filepath.Join(top, "secret.txt"), filepath.Join(root, "absolute")),
		os.Symlink("..", filepath.Join(root, "up")),
		os.Symlink("style.css", filepath.Join(root, "inside.css")),
		syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestFilesAreServedAndNothingElse(t *testing.T) {
	t.Parallel()
	f := newFiles(site(t))
	tests := []struct {
		path   string
		status int
		body   string
		kind   string
	}{
		{"/", 200, "<h1>home</h1>", "text/html; charset=utf-8"},
		{"/index.html", 200, "<h1>home</h1>", "text/html; charset=utf-8"},
		{"/style.css", 200, "h1 {}", "text/css; charset=utf-8"},
		{"/docs/", 200, "docs", "text/html; charset=utf-8"},
		{"/inside.css", 200, "h1 {}", "text/css; charset=utf-8"},
		{"/.well-known/security.txt", 200, "contact", "text/plain; charset=utf-8"},
		{"/docs", 302, "", ""},
		{"/empty/", 404, "", ""},
		{"/odd/", 404, "", ""},
		{"/missing", 404, "", ""},
		{"/relative", 404, "", ""},
		{"/absolute", 404, "", ""},
		{"/up/secret.txt", 404, "", ""},
		{"/../secret.txt", 404, "", ""},
		{"/docs/../../secret.txt", 404, "", ""},
		{"/.git/config", 404, "", ""},
		{"/.htpasswd", 404, "", ""},
		{"/pipe", 404, "", ""},
		{"/nul\x00", 404, "", ""},
	}
	for _, test := range tests {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path = test.path
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		if w.Code != test.status || test.status == 200 && (w.Body.String() != test.body || w.Header().Get("Content-Type") != test.kind) {
			t.Errorf("%q: %d %s %q", test.path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
}

func TestDirectoriesLeadToTheirIndexAndNowhereElse(t *testing.T) {
	t.Parallel()
	f := newFiles(site(t))
	for path, want := range map[string]string{"/docs": "docs/", "//docs": "docs/", "/docs?a=b": "docs/?a=b"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		if got := w.Header().Get("Location"); got != want {
			t.Errorf("%s: to %q, want %q", path, got, want)
		}
	}
}

func TestOnlyReadingIsAllowed(t *testing.T) {
	t.Parallel()
	f := newFiles(site(t))
	w := httptest.NewRecorder()
	f.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestDirectoryMayAppearLaterAndBeReplaced(t *testing.T) {
	t.Parallel()
	root := site(t)
	f := newFiles(filepath.Join(filepath.Dir(root), "later"))
	get := func() int {
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w.Code
	}
	if got := get(); got != http.StatusNotFound {
		t.Errorf("no site: %d", got)
	}
	if err := os.Rename(root, f.root); err != nil {
		t.Fatal(err)
	}
	if got := get(); got != http.StatusOK {
		t.Errorf("site shown: %d", got)
	}
	if err := os.Rename(f.root, root+".old"); err != nil {
		t.Fatal(err)
	}
	if got := get(); got != http.StatusNotFound {
		t.Errorf("site moved away: %d", got)
	}
}

// deadlines is a writer that knows deadlines for reading.
type deadlines struct {
	*httptest.ResponseRecorder

	until time.Time
}

func (d *deadlines) SetReadDeadline(until time.Time) error { d.until = until; return nil }

func TestABodyThatNobodyReadsIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	f := newFiles(site(t))
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	f.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("slow")))
	if w.until.IsZero() || time.Until(w.until) > bodyTime {
		t.Errorf("waited for until %v", w.until)
	}
}

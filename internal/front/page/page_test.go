package page

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"baton/internal/pair"
)

func TestThePublicPageRunsNothing(t *testing.T) {
	evil := `</title></style><script>alert(1)</script><img src=x onerror=alert(1)>" style="` + "\u2028{{.Style}}"
	page, err := New(pair.Site{Name: evil, Title: evil, Message: evil + "\n\njavascript:alert(1)"})
	if err != nil {
		t.Fatal(err)
	}
	got := httptest.NewRecorder()
	page.Serve(got, http.StatusOK)
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

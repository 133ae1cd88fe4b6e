package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/api"
)

// match sends one request of an administrator that wants a version.
func (b *bench) match(method, target, tag, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr = "203.0.113.5:4711"
	r.Header.Set("Authorization", "Bearer "+b.tokens["administrator"])
	if tag != "" {
		r.Header.Set("If-Match", tag)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func TestTheSiteIsChangedByKeyAndVersion(t *testing.T) {
	b := newBench(t)
	w := b.match("PATCH", "/api/v1/site", `"0"`, `{"name":"Help desk","host_name":"WWW.example.org"}`)
	if w.Code != 200 || w.Header().Get("ETag") != `"1"` || !strings.Contains(w.Body.String(), `"host_name":"www.example.org"`) {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := b.match("PATCH", "/api/v1/site", `"0"`, `{"name":"Other"}`); w.Code != 412 {
		t.Errorf("an old version: %d %s", w.Code, w.Body)
	}
	if w := b.match("PATCH", "/api/v1/site", "", `{"title":"Back soon"}`); w.Code != 200 || w.Header().Get("ETag") != `"2"` {
		t.Errorf("any version: %d %s", w.Code, w.Body)
	}
	for _, bad := range []string{`{}`, `{"colour":"red"}`, `{"host_name":"a\r\nX-Evil: 1"}`, `{"title":"a\nb"}`, `{"name":1}`, `[]`} {
		if p := problemIn(t, b.ask("PATCH", "/api/v1/site", "administrator", bad)); p.Status != 422 {
			t.Errorf("%s: %+v", bad, p)
		}
	}
	if w := b.ask("GET", "/api/v1/site", "viewer", ""); !strings.Contains(w.Body.String(), `"name":"Help desk"`) || !strings.Contains(w.Body.String(), `"front"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestACertificateTakesAVersionAndABoundedBody(t *testing.T) {
	b := newBench(t)
	chain, key := admintest.NewCertificate(t, "www.example.org")
	text, err := json.Marshal(api.NewCertificate{Certificate: chain, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	given := string(text)
	if w := b.match("PUT", "/api/v1/certificate", `"0"`, given); w.Code != 200 || w.Header().Get("ETag") != `"1"` || strings.Contains(w.Body.String(), "PRIVATE") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, method := range []string{"PUT", "DELETE"} {
		if w := b.match(method, "/api/v1/certificate", `"0"`, given); w.Code != 412 {
			t.Errorf("%s of an old version: %d %s", method, w.Code, w.Body)
		}
	}
	if w := b.match("POST", "/api/v1/certificate/self-signed", `"0"`, ""); w.Code != 412 {
		t.Errorf("an old version: %d %s", w.Code, w.Body)
	}
	for _, size := range []int{65 << 10, 2 << 20} {
		bomb := `{"certificate":` + strconv.Quote(strings.Repeat("A", size)) + `}`
		if w := b.ask("PUT", "/api/v1/certificate", "administrator", bomb); w.Code != 413 && w.Code != 422 || w.Body.Len() > 4096 {
			t.Errorf("%d bytes: %d, answered with %d bytes", size, w.Code, w.Body.Len())
		}
	}
	if p := problemIn(t, b.ask("PUT", "/api/v1/certificate", "administrator", `{"certificate":"SECRET"}`)); p.Status != 422 || strings.Contains(p.Detail, "SECRET") {
		t.Errorf("%+v", p)
	}
}

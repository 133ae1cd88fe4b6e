package api_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/pair"
)

func TestNotificationsAreSavedWholeAndShownWithoutSecrets(t *testing.T) {
	b := newBench(t)
	w := b.ask("GET", "/api/v1/notifications", "administrator", "")
	version := w.Header().Get("ETag")
	var shown map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &shown); err != nil || w.Code != 200 || version != `"0"` {
		t.Fatalf("%d %s, version %s, %v", w.Code, w.Body, version, err)
	}
	if shown["daily_at"] != "08:00" {
		t.Errorf("the daily notice is at %v", shown["daily_at"])
	}
	delete(shown, "channels")
	shown["webhooks"] = []any{map[string]any{
		"id": "", "name": "chat", "enabled": true, "url": "https://hooks.example.org/part-of-the-address", "secret": "sixteen and more of it",
		"tell": map[string]any{"conditions": "critical", "cleared": true, "kinds": []string{"takeover"}, "daily": false},
	}}
	body, _ := json.Marshal(shown)
	put := func(match string) int {
		r := httptest.NewRequest(http.MethodPut, "/api/v1/notifications", strings.NewReader(string(body)))
		r.Header.Set("Authorization", "Bearer "+b.tokens["administrator"])
		r.Header.Set("If-Match", match)
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		return w.Code
	}
	if code := put(version); code != 200 {
		t.Fatalf("saving answers %d", code)
	}
	if code := put(version); code != 412 {
		t.Errorf("saving over a newer version answers %d", code)
	}
	for _, access := range pair.Accesses() {
		text := b.ask("GET", "/api/v1/notifications", string(access), "").Body.String()
		if strings.Contains(text, "sixteen") || strings.Contains(text, "part-of-the-address") != (access == pair.Administrator) {
			t.Errorf("a %s sees %s", access, text)
		}
	}
	for name, edit := range map[string]string{
		"an unknown severity": strings.Replace(string(body), `"critical"`, `"loud"`, 1),
		"an unknown key":      strings.Replace(string(body), `"cleared"`, `"clear"`, 1),
		"no hour":             strings.Replace(string(body), `"08:00"`, `"25:00"`, 1),
		"a short secret":      strings.Replace(string(body), "sixteen and more of it", "short", 1),
	} {
		if p := problemIn(t, b.ask("PUT", "/api/v1/notifications", "administrator", edit)); p.Status != 422 {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestATestNotificationSaysWhatCameOfIt(t *testing.T) {
	b := newBench(t)
	b.appliance.SetChannel(pair.MailChannel, pair.ChannelState{LastError: "broken", LastFailure: admintest.Start().Add(-time.Hour)})
	if p := problemIn(t, b.ask("POST", "/api/v1/notifications/test", "administrator", `{"channel":"mail"}`)); p.Status != 409 {
		t.Errorf("without a server: %+v", p)
	}
	if p := problemIn(t, b.ask("POST", "/api/v1/notifications/test", "administrator", `{"channel":"nobody"}`)); p.Status != 404 {
		t.Errorf("of nobody: %+v", p)
	}
	if p := problemIn(t, b.ask("POST", "/api/v1/notifications/test", "operator", `{"channel":"mail"}`)); p.Status != 403 {
		t.Errorf("by an operator: %+v", p)
	}
	if text := b.ask("GET", "/api/v1/notifications", "viewer", "").Body.String(); !strings.Contains(text, `"last_error":"broken"`) {
		t.Errorf("the state is not shown: %s", text)
	}
}

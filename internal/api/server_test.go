package api_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
)

// bench is an appliance behind its network face, with one token of every role, and a
// clock of its own.
type bench struct {
	tokens    map[string]string // secrets, by role
	appliance *admintest.Appliance
	handler   http.Handler
	now       time.Time
}

func newBench(tb testing.TB) *bench {
	tb.Helper()
	b := &bench{tokens: map[string]string{}, appliance: admintest.New(tb), now: admintest.Start()}
	for _, access := range pair.Accesses() {
		b.tokens[string(access)] = b.appliance.AddToken(tb, access)
	}
	b.handler = api.NewServer(b.appliance.Backend(), api.Options{
		Log: slog.New(slog.DiscardHandler), Version: "1.2.3", Now: func() time.Time { return b.now },
	}).Network()
	return b
}

// ask sends one request from the network; token is a role, a secret, or empty.
func (b *bench) ask(method, target, token, body string) *httptest.ResponseRecorder {
	return b.askFrom("203.0.113.5:4711", method, target, token, body)
}

func (b *bench) askFrom(from, method, target, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.RemoteAddr = from
	if token != "" {
		if secret, role := b.tokens[token]; role {
			token = secret
		}
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

type problem struct {
	Type, Title, Detail, Code string
	Status                    int
	Errors                    []struct{ Location, Message string }
}

func problemIn(t *testing.T, w *httptest.ResponseRecorder) problem {
	t.Helper()
	if got := w.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("content type %q of answer %d, want a problem: %s", got, w.Code, w.Body)
	}
	var p problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	if p.Status != w.Code || p.Title == "" || p.Detail == "" || p.Type == "" || p.Code == "" {
		t.Errorf("incomplete problem for status %d: %+v", w.Code, p)
	}
	return p
}

func TestStatusHasTheContractsShape(t *testing.T) {
	b := newBench(t)
	w := b.ask("GET", "/api/v1/status", "viewer", "")
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"appliance", "role", "state", "epoch", "since", "shared_ips", "sync", "services", "protection_level", "conditions"} {
		if _, ok := got[key]; !ok {
			t.Errorf("status lacks %s", key)
		}
	}
	if _, ok := got["services"].([]any); !ok {
		t.Errorf("services is %T, want a list though there is none", got["services"])
	}
	if _, extra := got["$schema"]; extra {
		t.Error("status carries a $schema that the contract does not know")
	}
}

func TestSettingsChangeAllOrNone(t *testing.T) {
	b := newBench(t)
	w := b.ask("PATCH", "/api/v1/settings", "administrator", `{"primary_timeout":"2s","sync_time":"99:00","nonsense":"1"}`)
	p := problemIn(t, w)
	if p.Status != 422 || p.Code != "usage" || len(p.Errors) != 2 {
		t.Errorf("problem %+v, want a usage problem with both refused fields", p)
	}
	if w = b.ask("GET", "/api/v1/settings", "viewer", ""); !strings.Contains(w.Body.String(), `"primary_timeout":"5s"`) {
		t.Errorf("settings after a refused change: %s", w.Body)
	}
}

func TestSettingsKeepTheFasterChange(t *testing.T) {
	b := newBench(t)
	tag := b.ask("GET", "/api/v1/settings", "viewer", "").Header().Get("ETag")
	change := func(body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPatch, "/api/v1/settings", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+b.tokens["administrator"])
		r.Header.Set("If-Match", tag)
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		return w
	}
	if w := change(`{"primary_timeout":"2s"}`); w.Code != 200 || w.Header().Get("ETag") == tag {
		t.Fatalf("first change: %d, ETag %s", w.Code, w.Header().Get("ETag"))
	}
	if p := problemIn(t, change(`{"primary_timeout":"3s"}`)); p.Status != 412 || p.Code != "conflict" {
		t.Errorf("second change from the same version: %+v", p)
	}
	if w := b.ask("PATCH", "/api/v1/settings", "administrator", `{"primary_timeout":"4s"}`); w.Code != 200 {
		t.Errorf("a change that names no version: %d %s", w.Code, w.Body)
	}
}

func TestMalformedQuestionsAreProblems(t *testing.T) {
	b := newBench(t)
	huge := `{"key":"` + strings.Repeat("x", 2<<20) + `"}`
	for _, test := range []struct {
		name, method, path, body string
		status                   int
	}{
		{"no JSON", "POST", "/api/v1/role", `{`, 400},
		{"no body", "POST", "/api/v1/role", ``, 400},
		{"unknown field", "POST", "/api/v1/role", `{"role":"backup","soon":true}`, 422},
		{"unknown role", "POST", "/api/v1/role", `{"role":"standalone"}`, 422},
		{"wrong type", "POST", "/api/v1/role", `{"role":"backup","force":"yes"}`, 422},
		{"list instead of object", "PATCH", "/api/v1/settings", `[]`, 422},
		{"value that is no text", "PATCH", "/api/v1/settings", `{"observe_only":true}`, 422},
		{"nothing to change", "PATCH", "/api/v1/settings", `{}`, 422},
		{"key too long for the field", "PUT", "/api/v1/key", `{"key":"` + strings.Repeat("x", 2000) + `"}`, 422},
		{"key too short for the backend", "PUT", "/api/v1/key", `{"key":"short"}`, 422},
		{"body too long", "PUT", "/api/v1/key", huge, 413},
		{"unknown query", "GET", "/api/v1/status?verbose=1", ``, 422},
		{"bad time", "GET", "/api/v1/history?since=yesterday", ``, 422},
		{"bad limit", "GET", "/api/v1/history?limit=0", ``, 422},
		{"too many", "GET", "/api/v1/history?limit=10001", ``, 422},
		{"unknown task", "GET", "/api/v1/tasks/nothing", ``, 404},
		{"unknown route", "GET", "/api/v1/nothing", ``, 404},
		{"unknown method", "DELETE", "/api/v1/status", ``, 404},
		{"no form", "POST", "/api/v1/backup/restore", `{}`, 422},
		{"path that leaves the tree", "POST", "/api/v1/data", `{"name":"a","kind":"dir","path":"/srv/../etc"}`, 422},
		{"unknown kind", "POST", "/api/v1/data", `{"name":"a","kind":"nfs","path":"/srv"}`, 422},
		{"unit and command", "POST", "/api/v1/services", `{"name":"a","kind":"unit","unit":"a.service","command":["a"]}`, 422},
		{"token that has expired", "POST", "/api/v1/tokens", `{"name":"a","role":"viewer","expires":"2001-01-01T00:00:00Z"}`, 422},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := b.ask(test.method, test.path, "administrator", test.body)
			if p := problemIn(t, w); p.Status != test.status {
				t.Errorf("status %d, want %d: %s", p.Status, test.status, p.Detail)
			}
		})
	}
}

func TestProblemsNeverEchoSecrets(t *testing.T) {
	b := newBench(t)
	for path, body := range map[string]string{
		"/api/v1/users": `{"name":"anna","role":"boss","password":"hunter2hunter2","extra":"hunter2hunter2"}`,
		"/api/v1/setup": `{"user":"","password":{"is":"hunter2hunter2"}}`,
	} {
		if w := b.ask("POST", path, "administrator", body); w.Code != 422 || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestHistoryIsFilteredAndAlwaysHasDetail(t *testing.T) {
	b := newBench(t)
	b.appliance.Record(pair.KindTakeover, "one", nil)
	b.appliance.Record(pair.KindSyncDone, "two", nil)
	b.appliance.Record(pair.KindHandover, "three", nil)
	w := b.ask("GET", "/api/v1/history?kind=takeover,handover&since=2030-01-02T03:05:06Z", "viewer", "")
	var events []map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &events); err != nil {
		t.Fatal(err)
	}
	if len(events) != 1 || events[0]["text"] != "three" || events[0]["detail"] == nil {
		t.Errorf("events: %v", events)
	}
}

func TestHealthIsForLoadBalancers(t *testing.T) {
	b := newBench(t)
	if w := b.ask("GET", "/health", "", ""); w.Code != 503 || !strings.HasPrefix(w.Body.String(), "alpha is standalone") {
		t.Errorf("standalone: %d %s", w.Code, w.Body)
	}
	b.appliance.Change(func(s *pair.Status) { s.Role = pair.Primary })
	if w := b.ask("GET", "/health", "", ""); w.Code != 200 || strings.Count(w.Body.String(), "\n") != 1 {
		t.Errorf("primary: %d %q", w.Code, w.Body)
	}
}

func TestMetricsForAllowedNetworksOnly(t *testing.T) {
	b := newBench(t)
	if p := problemIn(t, b.ask("GET", "/metrics", "administrator", "")); p.Status != 403 {
		t.Errorf("from a foreign network: %+v", p)
	}
	b.appliance.Change(func(s *pair.Status) {
		s.Role, s.Epoch = pair.Primary, pair.Epoch{Counter: 7, Holder: admintest.ID}
		s.Peer = &pair.PeerStatus{Reachable: true, LastContactAgeMS: 1500}
		s.Sync.DataAgeMS = 800
		s.Services = []pair.ServiceStatus{
			{Name: "db", State: "running", Healthy: true, Restarts: 2, LastStart: &pair.ServiceAct{TookMS: 1250}},
			{Name: "web", State: "failed"},
		}
		s.Conditions = []pair.Condition{{ID: "disk-full", Severity: pair.Warning}, {ID: "disk-full", Severity: pair.Warning}}
	})
	w := b.askFrom("127.0.0.1:1", "GET", "/metrics", "", "")
	lines := strings.Split(w.Body.String(), "\n")
	for _, want := range []string{
		`baton_role{role="primary"} 1`, `baton_role{role="backup"} 0`, `baton_state{state="steady"} 1`, `baton_epoch_counter 7`,
		`baton_peer_reachable 1`, `baton_peer_last_contact_age_seconds 1.5`, `baton_data_age_seconds 0.8`, `baton_sync_bytes_total 0`,
		`baton_sync_last_duration_seconds 0`, `baton_shared_ip_held{address="198.51.100.10/24",interface="eth0"} 0`,
		`baton_condition{id="disk-full",severity="warning"} 1`, `baton_takeovers_total 0`,
		`baton_service_running{service="db"} 1`, `baton_service_running{service="web"} 0`, `baton_service_healthy{service="web"} 0`,
		`baton_service_restarts_total{service="db"} 2`, `# TYPE baton_service_restarts_total counter`, `baton_service_last_start_seconds{service="db"} 1.25`,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if w.Code != 200 || !strings.Contains(w.Body.String(), `baton_build_info{go_version="go`) {
		t.Errorf("status %d, or no build info", w.Code)
	}
}

func TestMetricsAreOfTheFormatWhateverTheLabels(t *testing.T) {
	b := newBench(t)
	b.appliance.Change(func(s *pair.Status) {
		s.Conditions = []pair.Condition{{ID: "quote \" back\\slash line\nend", Severity: pair.Warning}}
	})
	text := b.askFrom("127.0.0.1:1", "GET", "/metrics", "", "").Body.String()
	if want := `baton_condition{id="quote \" back\\slash line\nend",severity="warning"} 1`; !strings.Contains(text, want+"\n") {
		t.Errorf("metrics lack %s", want)
	}
	line := regexp.MustCompile(`^[a-z0-9_]+(\{[A-Za-z_]+="([^"\\]|\\.)*"(, ?[A-Za-z_]+="([^"\\]|\\.)*")*\})? [-+.0-9eInf]+$`)
	types := map[string]int{}
	for text := range strings.Lines(text) {
		text = strings.TrimSuffix(text, "\n")
		if name, is := strings.CutPrefix(text, "# TYPE "); is {
			types[strings.Fields(name)[0]]++
		} else if !strings.HasPrefix(text, "# HELP ") && !line.MatchString(text) {
			t.Errorf("not of the format: %s", text)
		}
	}
	for name, n := range types {
		if n > 1 {
			t.Errorf("%s has its type said %d times", name, n)
		}
	}
	for _, want := range []string{"baton_role", "baton_takeovers_total"} {
		if types[want] == 0 {
			t.Errorf("%s has no type", want)
		}
	}
	for _, want := range []string{"go_goroutines", "process_resident_memory_bytes", "process_open_fds"} {
		if !strings.Contains(text, "\n"+want+" ") {
			t.Errorf("metrics lack %s", want)
		}
	}
}

func TestBackupTravelsThere(t *testing.T) {
	b := newBench(t)
	b.appliance.AddPerson(t, "anna", pair.Administrator, "correct horse battery")
	server := httptest.NewServer(b.handler)
	defer server.Close()
	client, err := api.NewClient(api.ClientOptions{URL: server.URL, Token: b.tokens["administrator"]})
	if err != nil {
		t.Fatal(err)
	}
	path := b.appliance.Directory(t, "site")
	if err := api.AddData().Do(t.Context(), client, api.DataSpec{Name: "site", Kind: "dir", Path: path}); err != nil {
		t.Fatal(err)
	}
	var saved []byte
	err = api.CreateBackup().Call(t.Context(), client, api.PasswordText{Password: "correct horse"}, func(r io.Reader) (err error) { saved, err = io.ReadAll(r); return err })
	if err != nil {
		t.Fatal(err)
	}
	if err := api.RemoveData().Do(t.Context(), client, "site"); err != nil {
		t.Fatal(err)
	}
	if _, err := api.RestoreBackup().Call(t.Context(), client, "wrong horse", bytes.NewReader(saved)); pair.CodeOf(err) != pair.Refused {
		t.Errorf("restore with another password: %v", err)
	}
	if _, err := api.RestoreBackup().Call(t.Context(), client, "correct horse", bytes.NewReader(saved)); err != nil {
		t.Fatal(err)
	}
	data, err := api.ListData().Call(t.Context(), client, api.None{})
	if err != nil || len(data) != 1 {
		t.Fatalf("%d pieces of data, %v", len(data), err)
	}
	if diff := cmp.Diff(api.Data{Name: "site", Kind: pair.DataDirectory, Path: path}, data[0]); diff != "" {
		t.Error(diff)
	}
}

// A backup may be longer than an ordinary body.
func TestALargeBackupIsReadWhole(t *testing.T) {
	b := newBench(t)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	file := func() io.Writer {
		if err := form.WriteField("password", "correct horse"); err != nil {
			t.Fatal(err)
		}
		part, err := form.CreateFormFile("file", "backup")
		if err != nil {
			t.Fatal(err)
		}
		return part
	}()
	if _, err := file.Write(make([]byte, 2<<20)); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/api/v1/backup/inspect", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Authorization", "Bearer "+b.tokens["administrator"])
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	if p := problemIn(t, w); p.Code != string(pair.Refused) || !strings.Contains(p.Detail, "not a backup of Baton") {
		t.Errorf("%+v", p)
	}
}

package app

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
	"baton/internal/peer/wire"
	"baton/internal/store/local"
)

const hostileID pair.ApplianceID = "0123456789abcdef0123456789abcdef"

// hostileTexts are what a peer may write where it writes anything.
func hostileTexts() []string {
	return []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `{{.}}`, `javascript:alert(1)`,
		`=cmd|' /C calc'!A0`, `+1+1`, `-1+1`, `@SUM(A1)`, "\t=1", "\r=1", "\n=1", " =1", "\ufeff=1", "\u200b=1", "＝1", `"=1"`, "a\",=1,\"b",
		"Subject\r\nBcc: evil@example.org\r\n\r\nbody", "\u202egnp.exe", "\x1b[31mred", "\x00", "\x00=1",
		"9223372036854775807", "-9223372036854775808", "99999999999999999999", "1e308", "NaN", "-Inf", "0", "", " ",
		"2h562047h", "9999-12-31T23:59:59.999999999Z", "-0001-01-01T00:00:00Z", "primary steady", "backup steady", "role(9) nowhere",
		strings.Repeat("<b>", 1300), strings.Repeat("\u0301", 2000),
	}
}

// hostileEvents are of every kind, with every detail that somebody reads.
func hostileEvents() []pair.Event {
	kinds := []string{
		pair.KindRoleChanged, pair.KindTakeover, pair.KindHandover, pair.KindSteppedDown, pair.KindObserved, pair.KindPaired, pair.KindUnpaired,
		pair.KindPairingFailed, pair.KindSyncDone, pair.KindSyncFailed, pair.KindDiverged, pair.KindConditionRaised, pair.KindConditionCleared,
		pair.KindSignedIn, pair.KindSignedOut, pair.KindSignInFailed, pair.KindSettingChanged, pair.KindStarted, pair.KindStopped, "made-up",
	}
	keys := []string{
		"from", "to", "reason", "epoch", "snapshot", "peer_heard", "silent_ms", "test_ips_answer_since", "test_ips", "shared_ip_free_since",
		"timeout", "data_age_ms", "down_ms", "poll_failure", "condition", "severity", "next_step", "by", "user", "browser", "alive_ms", "role",
		"version", "number", "runs", "bytes", "files", "took", "duration_ms", "longest_ms", "error",
	}
	var events []pair.Event
	for i, text := range hostileTexts() {
		for j, kind := range kinds {
			detail := map[string]string{}
			for k, key := range keys { // each meets each other in time
				detail[key] = hostileTexts()[(i+j*k)%len(hostileTexts())]
			}
			events = append(events, pair.Event{
				ID: pair.EventID(hostileID, int64(len(events)+1)), Appliance: hostileID, Kind: kind, Text: text, Detail: detail,
				Time: time.Now().Add(-time.Duration(len(events)) * time.Minute).UTC().Truncate(time.Millisecond),
			})
		}
	}
	for i, when := range []string{"1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"} {
		at, _ := time.Parse(time.RFC3339, when)
		events = append(events, pair.Event{ID: pair.EventID(hostileID, int64(len(events)+1)), Appliance: hostileID, Kind: kinds[i], Text: when, Time: at})
	}
	return events
}

// hostileReport is what a peer tells of itself: a condition of every text, and one
// of them everywhere else.
func hostileReport(t *testing.T, text string) pair.Report {
	t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	var told wire.Report
	err = json.Unmarshal([]byte(strings.NewReplacer("TEXT", string(quoted), "MOST", "9223372036854775807", "LEAST", "-9223372036854775808").Replace(`{"version": 1, "report": {
		"version": TEXT, "role": "backup", "state": "steady", "since": "9999-12-31T23:59:59Z", "protection_level": MOST,
		"shared_ips": [{"address": TEXT, "interface": TEXT, "shared": true, "held": true}, {"address": "203.0.113.66/24", "interface": TEXT, "shared": true}],
		"sync": {"number": 18446744073709551615, "state": TEXT, "error": TEXT, "data_age_ms": LEAST, "bytes_done": MOST, "bytes_total": MOST, "files_done": LEAST,
			"files_total": MOST, "bytes_per_second": MOST, "left_ms": MOST, "next_run": "0001-01-01T00:00:00Z"},
		"readiness": {"ready": true, "takeover_ms": MOST, "loss_ms": LEAST, "text": TEXT, "next_step": TEXT},
		"services": [{"name": TEXT, "what": TEXT, "check": TEXT, "wanted": TEXT, "state": TEXT, "trouble": TEXT, "refused": TEXT, "since": "9999-12-31T23:59:59Z",
			"last_start": {"at": "0001-01-01T00:00:00Z", "took_ms": LEAST}, "last_stop": {"took_ms": MOST}, "restarts": LEAST, "ran": "9999-12-31T23:59:59Z"}],
		"installed": {"services": [{"name": TEXT, "unit_sum": TEXT, "program": TEXT, "user": TEXT, "ports": [TEXT, TEXT], "lacks": TEXT}], "owners": [{"id": 1, "name": TEXT}]},
		"conditions": [{"id": "alone", "severity": "", "text": "", "since": "0001-01-01T00:00:00Z"}]}}`)), &told)
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range hostileTexts() {
		told.Report.Conditions = append(told.Report.Conditions, pair.Condition{ID: each, Severity: pair.Severity(each), Text: each, NextStep: each})
	}
	return told.Report
}

// victim is an appliance in a role whose peer has told everything hostile.
func victim(t *testing.T, role pair.Role) *Appliance {
	t.Helper()
	first := pairedAppliance(t, hostileID)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	own, err := local.Open(filepath.Join(first.config.DataDir, "local"), first.identity.ID(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(own.Save(t.Context(), func(s *local.State) { s.Record.Role = role }), own.Close()); err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), first.config, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	if err := a.site.Users.Add(t.Context(), pair.NewUser{Name: "anna", Role: pair.Administrator, Password: secretWords}); err != nil {
		t.Fatal(err)
	}
	for some := range slices.Chunk(hostileEvents(), wire.ExchangeEvents) {
		if _, err := a.exchange.Answer(t.Context(), wire.Exchange{Events: some}); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// visitor is anna, signed in to the console.
func visitor(t *testing.T, address string) *http.Client {
	t.Helper()
	client := clientFrom(t, "127.0.0.1")
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client.Jar = jar
	response, err := client.PostForm("https://"+address+"/login", url.Values{"name": {"anna"}, "password": {secretWords}})
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusSeeOther {
		t.Fatalf("not signed in: %d", response.StatusCode)
	}
	return client
}

// harmless finds in a page what no text of a peer may become.
func harmless(t *testing.T, what string, page answered) {
	t.Helper()
	if page.status != http.StatusOK {
		t.Errorf("%s: %d", what, page.status)
		return
	}
	for _, bad := range []string{"<script>alert", "<img src=x", "' onmouseover='", "<b><b>", `href="javascript:`, `href='javascript:`, "ZgotmplZ"} {
		if at := strings.Index(page.body, bad); at >= 0 {
			t.Errorf("%s has %q: …%s…", what, bad, page.body[max(at-200, 0):min(at+200, len(page.body))])
		}
	}
}

func TestWhatAHostilePeerTellsHarmsNoPage(t *testing.T) {
	pages := map[pair.Role][]string{
		pair.Backup: {"/status", "/management/failover", "/management/failover/switch?role=primary", "/management/software", "/account"},
		pair.Primary: {
			"/status", "/management/failover", "/management/failover/switch?role=backup", "/management/notifications", "/management/software", "/users", "/site", "/protection",
			"/reports", "/reports?period=all", "/reports/failovers?period=all", "/reports/syncs?period=all", "/reports/audit?period=all",
		},
	}
	for role, paths := range pages {
		a := victim(t, role)
		address := wholePort(t, a)
		client := visitor(t, address)
		for _, path := range paths {
			harmless(t, role.String()+" "+path, asked(t, client, address, address, "/login"+path, "text/html"))
		}
		for _, text := range []string{`"><script>alert(1)</script>`, "", "\x00", "NaN"} {
			if _, err := a.exchange.Report(t.Context(), wire.Report{Report: hostileReport(t, text)}); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"/status", "/management/failover"} {
				harmless(t, role.String()+" "+path+", told "+text[:min(len(text), 30)], asked(t, client, address, address, "/login"+path, "text/html"))
			}
		}
	}
}

func TestWhatAHostilePeerTellsIsNoFormula(t *testing.T) {
	a := victim(t, pair.Primary)
	address := wholePort(t, a)
	client := visitor(t, address)
	for _, kind := range []string{"failovers", "syncs", "audit", "availability"} {
		file := asked(t, client, address, address, "/login/reports/"+kind+"/download?period=all&format=csv", "*/*")
		rows, err := csv.NewReader(bytes.NewReader([]byte(file.body))).ReadAll()
		if err != nil || file.status != http.StatusOK || len(rows) < 2 {
			t.Fatalf("%s: %d, %d rows, %v", kind, file.status, len(rows), err)
		}
		for _, row := range rows {
			for _, cell := range row {
				bare := strings.TrimLeftFunc(cell, func(r rune) bool { return r <= ' ' || r == '\ufeff' || r == '\u200b' })
				if bare != "" && strings.ContainsAny(bare[:1], "=+-@|") {
					t.Errorf("%s: a cell is calculated: %.60q", kind, cell)
				}
			}
		}
		whole := asked(t, client, address, address, "/login/reports/"+kind+"/download?period=all&format=json", "*/*")
		if !json.Valid([]byte(whole.body)) || strings.Contains(whole.body, "<script>") {
			t.Errorf("%s as JSON: %.200s", kind, whole.body)
		}
	}
}

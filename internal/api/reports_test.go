package api_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/report"
)

// busy is an appliance to which something has happened.
func busy(t *testing.T) *bench {
	t.Helper()
	b := newBench(t)
	at := admintest.Start().Add(-48 * time.Hour)
	move := func(after time.Duration, kind, from, to string) {
		b.appliance.Happened(pair.Event{
			Time: at.Add(after), Appliance: admintest.ID, Kind: kind, Text: from + " → " + to, Detail: map[string]string{"from": from, "to": to, "reason": "why"},
		})
	}
	move(0, pair.KindRoleChanged, "primary claiming", "primary steady")
	move(time.Hour, pair.KindSteppedDown, "primary steady", "primary isolated")
	move(2*time.Hour, pair.KindRoleChanged, "primary claiming", "primary steady")
	for i, by := range []string{"anna", "=HYPERLINK(\"https://evil.example\")", "+1", "-1", "@SUM(1)", "\t=1", "＝1", "b,\"o\"\nb"} {
		b.appliance.Happened(pair.Event{
			Time: at.Add(3*time.Hour + time.Duration(i)*time.Minute), Appliance: admintest.ID, Kind: pair.KindSettingChanged,
			Text: by + " set a thing.", Detail: map[string]string{"by": by},
		})
	}
	b.appliance.Happened(pair.Event{
		Time: at.Add(4 * time.Hour), Appliance: admintest.ID, Kind: pair.KindSyncDone, Text: "7 data syncs.",
		Detail: map[string]string{"runs": "7", "bytes": "3000", "files": "2", "duration_ms": "1500", "longest_ms": "900", "number": "8"},
	})
	return b
}

func read[T any](t *testing.T, w *httptest.ResponseRecorder) (got T) {
	t.Helper()
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAvailabilityIsReported(t *testing.T) {
	b := busy(t)
	got := read[api.Availability](t, b.ask("GET", "/api/v1/reports/availability?period=7d", "viewer", ""))
	hour := time.Hour.Milliseconds()
	if got.Total.Down != hour || got.Total.Longest != hour || len(got.Outages) != 1 || got.Outages[0].BeganText == "" || len(got.Parts) != 7 {
		t.Errorf("total %+v, %d parts, outages %+v", got.Total, len(got.Parts), got.Outages)
	}
	if got.TimeZone != "UTC" || got.Step != report.Daily || len(got.Stretches) != 3 || got.NameOf(admintest.ID) != "alpha" {
		t.Errorf("%+v", got.ReportRange)
	}
}

func TestEventsAreReportedInPages(t *testing.T) {
	b := busy(t)
	first := read[api.EventReport](t, b.ask("GET", "/api/v1/reports/audit?period=all&limit=5", "viewer", ""))
	if len(first.Events) != 5 || first.Next == "" || first.Total.Counts[pair.KindSettingChanged] != 8 {
		t.Fatalf("%d events, next %q, %+v", len(first.Events), first.Next, first.Total)
	}
	second := read[api.EventReport](t, b.ask("GET", "/api/v1/reports/audit?period=all&limit=5&before="+first.Next, "viewer", ""))
	if len(second.Events) != 3 || second.Next != "" || second.Events[2].Detail["by"] != "anna" {
		t.Errorf("second page %+v", second.Events)
	}
	syncs := read[api.EventReport](t, b.ask("GET", "/api/v1/reports/syncs?since=2029-12-30T00:00:00Z&until=2030-01-03T00:00:00Z&step=hour", "viewer", ""))
	if syncs.Total.Counts[pair.KindSyncDone] != 7 || syncs.Total.Bytes != 3000 || syncs.Total.Longest != 900 || syncs.Step != report.Hourly {
		t.Errorf("syncs %+v", syncs.Total)
	}
	failovers := read[api.EventReport](t, b.ask("GET", "/api/v1/reports/failovers?kind=stepped-down", "viewer", ""))
	if len(failovers.Events) != 1 || len(failovers.Events[0].Story) != 1 {
		t.Errorf("failovers %+v", failovers.Events)
	}
}

func TestReportsRefuseNonsense(t *testing.T) {
	b := busy(t)
	for query, status := range map[string]int{
		"availability?period=1y":                                      422,
		"availability?step=week":                                      422,
		"availability?text=x":                                         422,
		"availability?format=xls":                                     422,
		"syncs?period=7d&since=2030-01-01T00:00:00Z":                  422,
		"syncs?since=2030-01-02T00:00:00Z&until=2030-01-01T00:00:00Z": 422,
		"syncs?kind=takeover":                                         422,
		"syncs?format=csv&kind=takeover":                              422,
		"syncs?limit=501":                                             422,
		"syncs?since=now":                                             422,
		"audit?text=" + strings.Repeat("x", 201):                      422,
		"nothing":                                                     404,
	} {
		if p := problemIn(t, b.ask("GET", "/api/v1/reports/"+query, "viewer", "")); p.Status != status {
			t.Errorf("%s: %d %s", query, p.Status, p.Detail)
		}
	}
}

func TestReportsAreDownloaded(t *testing.T) {
	b := busy(t)
	for _, kind := range api.ReportKinds() {
		for format, contentType := range map[string]string{"csv": "text/csv; charset=utf-8", "json": "application/json"} {
			w := b.ask("GET", fmt.Sprintf("/api/v1/reports/%s?period=7d&format=%s", kind, format), "viewer", "")
			want := fmt.Sprintf("attachment; filename=baton-%s-2029-12-27-to-2030-01-02.%s", kind, format)
			if w.Code != 200 || w.Header().Get("Content-Type") != contentType || w.Header().Get("Content-Disposition") != want {
				t.Errorf("%s %s: %d %v", kind, format, w.Code, w.Header())
			}
			if format == "json" && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s is no JSON: %s", kind, w.Body)
			}
			if format == "csv" {
				if lines, err := csv.NewReader(w.Body).ReadAll(); err != nil || len(lines) < 2 {
					t.Errorf("%s: %d lines, %v", kind, len(lines), err)
				}
			}
		}
	}
	if w := b.ask("GET", "/api/v1/reports/audit?format=json&since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z", "viewer", ""); strings.TrimSpace(w.Body.String()) != "[]" {
		t.Errorf("no events: %q", w.Body)
	}
}

func TestNoCellOfADownloadIsCalculated(t *testing.T) {
	w := busy(t).ask("GET", "/api/v1/reports/audit?period=7d&format=csv", "viewer", "")
	lines, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(lines) != 9 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	for _, line := range lines {
		for _, cell := range line {
			if first := []rune(cell + "x")[0]; strings.ContainsRune("=+-@\t\r＝", first) {
				t.Errorf("a spreadsheet program would calculate %q", cell)
			}
		}
	}
	if !slices.ContainsFunc(lines, func(line []string) bool { return slices.Contains(line, "b,\"o\"\nb set a thing.") }) {
		t.Error("a text with a comma, quotes and a line break did not come through")
	}
}

// TestADownloadTakesLittleMemory reads a download of many events as it streams in.
func TestADownloadTakesLittleMemory(t *testing.T) {
	const events = 200_000
	many := manyEvents{Reports: admintest.New(t).Backend().Reports, events: events}
	d, err := api.NewDownload(t.Context(), many, api.AuditReport, api.ReportFilter{}, api.CSV)
	if err != nil {
		t.Fatal(err)
	}
	var counted counter
	if err := d.Write(t.Context(), &counted); err != nil {
		t.Fatal(err)
	}
	if counted.lines != events+1 || counted.largest > 64<<10 {
		t.Errorf("%d lines, in pieces of up to %d bytes", counted.lines, counted.largest)
	}
}

type counter struct{ lines, largest int }

func (c *counter) Write(p []byte) (int, error) {
	c.lines += bytes.Count(p, []byte("\n"))
	c.largest = max(c.largest, len(p))
	return len(p), nil
}

type manyEvents struct {
	api.Reports

	events int
}

func (m manyEvents) EachReported(_ context.Context, _ api.ReportKind, _ api.ReportFilter, do func(api.Event) error) error {
	for range m.events {
		if err := do(api.Event{Time: admintest.Start(), Kind: pair.KindSettingChanged, Text: "anna set a thing.", Detail: map[string]string{"by": "anna"}}); err != nil {
			return err
		}
	}
	return nil
}

func TestReportsTravelToTheClient(t *testing.T) {
	b := busy(t)
	server := httptest.NewServer(b.handler)
	defer server.Close()
	client, err := api.NewClient(api.ClientOptions{URL: server.URL, Token: b.tokens["viewer"]})
	if err != nil {
		t.Fatal(err)
	}
	var known api.Availability
	err = api.ReportAvailability().Call(t.Context(), client, api.RangeQuery{Period: report.Week}, into(&known))
	if err != nil || known.Total.Outages != 1 {
		t.Errorf("%+v, %v", known.Total, err)
	}
	var events api.EventReport
	query := api.ReportFilter{Text: "ANNA", Kinds: []string{pair.KindSettingChanged}, Limit: 3}.Query("")
	err = api.ReportEvents(api.AuditReport).Call(t.Context(), client, query, into(&events))
	if err != nil || len(events.Events) != 1 {
		t.Errorf("%+v, %v", events.Events, err)
	}
	var file []byte
	err = api.ReportEvents(api.SyncReport).Call(t.Context(), client, api.ReportFilter{Since: admintest.Start().AddDate(0, 0, -7), Until: admintest.Start()}.Query(api.CSV), func(r io.Reader) (err error) {
		file, err = io.ReadAll(r)
		return err
	})
	if err != nil || !bytes.Contains(file, []byte(",7,8,1500,900,2,3000,2000,")) {
		t.Errorf("%s, %v", file, err)
	}
	query = api.ReportFilter{Kinds: []string{"x"}}.Query("")
	if err := api.ReportEvents(api.AuditReport).Call(t.Context(), client, query, into(&events)); pair.CodeOf(err) != pair.Usage {
		t.Errorf("an unknown kind: %v", err)
	}
}

// into reads a streamed answer that is JSON.
func into(target any) func(io.Reader) error {
	return func(answer io.Reader) error { return json.NewDecoder(answer).Decode(target) }
}

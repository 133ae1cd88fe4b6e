package console

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/report"
)

// reported is a browser at an appliance with a takeover, data syncs and an audit.
func reported(t *testing.T) *browser {
	t.Helper()
	b := open(t)
	b.appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Primary, &pair.PeerStatus{ID: admintest.PeerID, Name: "beta", Role: pair.Backup}
	})
	at := admintest.Start().Add(-50 * time.Hour)
	happened := func(after time.Duration, who pair.ApplianceID, kind, text string, detail ...string) {
		event := pair.Event{Time: at.Add(after), Appliance: who, Kind: kind, Text: text, Detail: map[string]string{}}
		for i := 0; i < len(detail); i += 2 {
			event.Detail[detail[i]] = detail[i+1]
		}
		b.appliance.Happened(event)
	}
	happened(0, admintest.PeerID, pair.KindRoleChanged, "serves", "from", "primary claiming", "to", "primary steady")
	happened(time.Hour, admintest.ID, pair.KindTakeover, "took over", "from", "backup suspect", "to", "primary claiming",
		"reason", "The primary did not answer.", "peer_heard", at.Add(time.Hour-5*time.Second).Format(time.RFC3339Nano), "silent_ms", "5000", "epoch", "2.a", "snapshot", "3")
	happened(time.Hour+time.Second, admintest.ID, pair.KindRoleChanged, "serves here", "from", "primary claiming", "to", "primary alone",
		"reason", "The peer does not answer.", "down_ms", "6000", "epoch", "2.a", "snapshot", "3")
	for i := range 120 {
		happened(2*time.Hour+time.Duration(i)*time.Minute, admintest.PeerID, pair.KindSyncDone, "Data sync.", "runs", "10", "bytes", "5000000", "files", "3", "duration_ms", "2000", "longest_ms", "900")
	}
	happened(5*time.Hour, admintest.PeerID, pair.KindSyncFailed, "The data sync failed: <script>alert(1)</script>.", "duration_ms", "30000")
	happened(6*time.Hour, admintest.ID, pair.KindSettingChanged, "=1+1 set a thing.", "by", "anna from 198.51.100.7")
	return b.signIn(pair.Viewer)
}

func TestEveryReportIsShown(t *testing.T) {
	b := reported(t)
	for path, texts := range map[string][]string{
		"/reports": {"When the site was up", "Counted since 2029-12-31", "served for the first time", "beta", "6.0 s", "serves here", `<rect class="fill-critical"`, "2 Jan 2030"},
		"/reports/failovers": {
			"How often the site changed hands", "Takeover", "The primary did not answer.", "last heard at", "6.0 s", "Full explanation",
			"nobody served the site for 6.0 s",
		},
		"/reports/syncs":             {"1\u202f200", "600 MB", "2.50 MB/s", "&lt;script&gt;alert(1)&lt;/script&gt;", "Older", "900 ms"},
		"/reports/audit?period=12mo": {"anna", "198.51.100.7", "=1&#43;1 set a thing.", "January 2030"},
		"/reports?period=24h":        {"aria-current=\"true\">24 hours"},
		"/reports/syncs?kind=sync-failed&from=2029-12-30&to=2030-01-02": {"Failed", `value="2029-12-30"`, "in use"},
		"/reports/failovers?from=2020-01-01&to=2020-01-02":              {"Nothing of this kind in this time."},
	} {
		p := b.get(Root + path)
		if p.status != http.StatusOK {
			t.Errorf("%s: %d", path, p.status)
		}
		for _, text := range texts {
			if !strings.Contains(p.body, text) {
				t.Errorf("%s does not say %q", path, text)
			}
		}
		if strings.Contains(p.body, " style=") || strings.Contains(p.body, "<script>alert") || strings.Contains(p.body, "NaN") {
			t.Errorf("%s holds a style, a script or no number", path)
		}
	}
}

func TestAListOfAReportIsTurnedPageByPage(t *testing.T) {
	b := reported(t)
	path, pages := "/reports/syncs?period=7d", 0
	for path != "" && pages < 10 {
		p := b.get(Root + path)
		pages++
		path = ""
		for part := range strings.SplitSeq(p.body, "<a ") {
			if strings.Contains(part, ">Older<") {
				path = strings.ReplaceAll(strings.Split(part, `"`)[3], "&amp;", "&")[len(Root):]
			}
		}
	}
	if pages != 3 {
		t.Errorf("121 data syncs on %d pages", pages)
	}
}

func TestAWrongFilterIsExplainedInPlace(t *testing.T) {
	b := reported(t)
	for path, text := range map[string]string{
		"/reports?from=31.12.2029":                              "Write a date as 2030-01-31.",
		"/reports/syncs?from=2030-01-05&to=2030-01-01":          "The report would end before it begins",
		"/reports/audit?kind=takeover&text=anna":                "is not about events of the kind",
		"/reports/failovers?period=yesterday":                   "Unknown period",
		"/reports?step=minute":                                  "Unknown step",
		"/reports/syncs?from=2030-01-05&to=2030-01-01&step=day": `value="2030-01-05"`,
	} {
		if p := b.get(Root + path); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.body, text) {
			t.Errorf("%s: %d, does not say %q", path, p.status, text)
		}
	}
}

func TestReportsAreDownloadedFromThePage(t *testing.T) {
	b := reported(t)
	for _, kind := range api.ReportKinds() {
		p := b.get(fmt.Sprintf("%s/reports/%s/download?format=csv&period=7d", Root, kind))
		want := fmt.Sprintf("attachment; filename=baton-%s-2029-12-27-to-2030-01-02.csv", kind)
		if p.status != http.StatusOK || p.header.Get("Content-Disposition") != want || p.header.Get("Content-Type") != "text/csv; charset=utf-8" {
			t.Errorf("%s: %d %v", kind, p.status, p.header)
		}
		if strings.Contains(p.body, ",=") {
			t.Errorf("%s: a spreadsheet program would calculate a cell", kind)
		}
	}
	if p := b.get(Root + "/reports/syncs/download?format=xls"); p.status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown format: %d", p.status)
	}
	if p := b.get(Root + "/reports/weather/download?format=csv"); p.status != http.StatusUnprocessableEntity && p.status != http.StatusNotFound {
		t.Errorf("an unknown report: %d", p.status)
	}
	if p := b.another().get(Root + "/reports/syncs/download?format=csv"); strings.Contains(p.body, "runs") {
		t.Error("a download without a session")
	}
}

func TestANoteIsAmongTheChanges(t *testing.T) {
	b := open(t).signIn(pair.Operator)
	b.get(Root+"/reports/audit").has(t, "Write a note into the history")
	b.post(Root+"/reports/note", "text", "replaced the switch").has(t, "The note is in the history.")
	events, err := b.appliance.Backend().Overview.History(t.Context(), api.HistoryFilter{Limit: 1})
	if err != nil || len(events) != 1 || !strings.Contains(events[0].Text, "replaced the switch") {
		t.Errorf("the history says %v, %v", events, err)
	}
	viewer := b.another().signIn(pair.Viewer)
	viewer.get(Root+"/reports/audit").lacks(t, "Write a note")
	if p := viewer.post(Root+"/reports/note", "text", "x"); p.status != http.StatusForbidden {
		t.Errorf("a viewer wrote a note: %d", p.status)
	}
}

func TestReportsComeFromThePrimary(t *testing.T) {
	b := reported(t)
	b.appliance.Change(func(s *pair.Status) { s.Role = pair.Backup })
	for _, path := range []string{"/reports", "/reports/failovers", "/reports/syncs/download?format=csv"} {
		if p := b.get(Root + path); !strings.HasPrefix(p.path, Root+"/status") || !strings.Contains(p.body, "the reports from its primary") {
			t.Errorf("%s on a backup leads to %s", path, p.path)
		}
	}
}

func TestAShareIsAllOnlyIfNothingIsMissing(t *testing.T) {
	for _, test := range []struct {
		up, down int64
		want     string
	}{
		{0, 0, "unknown"},
		{1, 0, "100 %"},
		{0, 1, "0.00 %"},
		{9996, 4, "99.96 %"},
		{86_399_999, 1, "99.99999 %"},
		{1_000_000, 1, "99.9999 %"},
		{1 << 50, 1, "99.99999 %"},
	} {
		got := shareText(report.Figures{Up: test.up, Down: test.down})
		if got != test.want {
			t.Errorf("%d up, %d down: %q, want %q", test.up, test.down, got, test.want)
		}
	}
}

func TestChartsReachToARoundNumber(t *testing.T) {
	for value, want := range map[float64]float64{0: 2, 1: 2, 2: 2, 3: 4, 5: 6, 7: 8, 9: 10, 11: 20, 41: 60, 99: 100, 101: 200, 7e9: 8e9} {
		if got := roundUp(value); got != want {
			t.Errorf("%v: %v, want %v", value, got, want)
		}
	}
}

func TestAShortOutageIsSeenOnAStrip(t *testing.T) {
	over := report.Span{Since: admintest.Start(), Until: admintest.Start().AddDate(1, 0, 0)}
	second := func(at time.Duration) report.Span {
		return report.Span{Since: over.Since.Add(at), Until: over.Since.Add(at + time.Second)}
	}
	pieces := []piece{{over, "good", "Up"}, {second(time.Hour), "critical", "1"}, {second(2 * time.Hour), "critical", "2"}, {second(5000 * time.Hour), "critical", "3"}}
	drawn := newStrip("Site", "", over, pieces)
	if len(drawn.Bars) != 3 || drawn.Bars[0].Class != "good" || drawn.Bars[1].W < 2 {
		t.Errorf("%+v", drawn.Bars)
	}
	for _, b := range drawn.Bars {
		if b.X < 0 || b.X+b.W > stripWidth+0.001 {
			t.Errorf("%+v is outside", b)
		}
	}
}

func TestTimeBeforeTheFirstStartIsNotShown(t *testing.T) {
	b := reported(t)
	p := b.get(Root + "/reports")
	if strings.Contains(p.body, "Unknown") || strings.Contains(p.body, "29 Dec 2029") {
		t.Error("the report shows what was before the site was served first")
	}
	if p = b.get(Root + "/reports?from=2029-11-01&to=2029-11-02"); !strings.Contains(p.body, "The site was not served yet in this time.") || strings.Contains(p.body, "strip-plot") {
		t.Error("a report that ends before the first start draws something")
	}
}

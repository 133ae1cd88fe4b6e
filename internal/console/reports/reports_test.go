package reports_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/api"
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// reported is a browser at an appliance with a takeover, data syncs and an audit.
func reported(t *testing.T) *consoletest.Browser {
	t.Helper()
	b := consoletest.Open(t)
	b.Appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Primary, &pair.PeerStatus{ID: admintest.PeerID, Name: "beta", Role: pair.Backup}
	})
	at := admintest.Start().Add(-50 * time.Hour)
	happened := func(after time.Duration, who pair.ApplianceID, kind, text string, detail ...string) {
		event := pair.Event{Time: at.Add(after), Appliance: who, Kind: kind, Text: text, Detail: map[string]string{}}
		for i := 0; i < len(detail); i += 2 {
			event.Detail[detail[i]] = detail[i+1]
		}
		b.Appliance.Happened(event)
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
	happened(5*time.Hour, admintest.ID, pair.KindServiceFailed, "Service web fails its check: no answer.", "service", "web")
	happened(5*time.Hour+time.Second, admintest.ID, pair.KindServiceRestarted, "Service web has ended by itself, and was started again: it was killed.", "service", "web")
	happened(5*time.Hour+20*time.Second, admintest.PeerID, pair.KindRoleChanged, "serves there", "from", "primary claiming", "to", "primary steady", "down_ms", "4321")
	happened(6*time.Hour, admintest.ID, pair.KindSettingChanged, "=1+1 set a thing.", "by", "anna from 198.51.100.7")
	return b.SignIn(pair.Viewer)
}

func TestEveryReportIsShown(t *testing.T) {
	b := reported(t)
	for path, texts := range map[string][]string{
		"/reports": {"When the site was up", "Counted since 2029-12-31", "served for the first time", "beta", "6.0 s", "serves here", `<rect class="fill-critical"`, "2 Jan 2030"},
		"/reports/failovers": {
			"How often the site changed hands", "Takeover", "The primary did not answer.", "last heard at", "6.0 s", "Full explanation",
			"nobody served the site for 6.0 s", "service failures", `badge-critical">Service failed`, "Service web fails its check: no answer.", `badge-warning">Service restarted`,
		},
		"/reports/failovers?kind=service-failed,service-restarted": {`data-label="Site away for">–`, "Service web has ended by itself"},
		"/reports/syncs":             {"1\u202f200", "600 MB", "2.50 MB/s", "&lt;script&gt;alert(1)&lt;/script&gt;", "Older", "900 ms"},
		"/reports/audit?period=12mo": {"anna", "198.51.100.7", "=1&#43;1 set a thing.", "January 2030"},
		"/reports?period=24h":        {"aria-current=\"true\">24 hours"},
		"/reports/syncs?kind=sync-failed&from=2029-12-30&to=2030-01-02": {"Failed", `value="2029-12-30"`, "in use"},
		"/reports/failovers?from=2020-01-01&to=2020-01-02":              {"Nothing of this kind in this time."},
	} {
		p := b.Get(page.Root + path)
		if p.Status != http.StatusOK {
			t.Errorf("%s: %d", path, p.Status)
		}
		for _, text := range texts {
			if !strings.Contains(p.Body, text) {
				t.Errorf("%s does not say %q", path, text)
			}
		}
		if strings.Contains(p.Body, " style=") || strings.Contains(p.Body, "<script>alert") || strings.Contains(p.Body, "NaN") {
			t.Errorf("%s holds a style, a script or no number", path)
		}
	}
}

func TestAListOfAReportIsTurnedPageByPage(t *testing.T) {
	b := reported(t)
	path, pages := "/reports/syncs?period=7d", 0
	for path != "" && pages < 10 {
		p := b.Get(page.Root + path)
		pages++
		path = ""
		for part := range strings.SplitSeq(p.Body, "<a ") {
			if strings.Contains(part, ">Older<") {
				path = strings.ReplaceAll(strings.Split(part, `"`)[3], "&amp;", "&")[len(page.Root):]
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
		if p := b.Get(page.Root + path); p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Body, text) {
			t.Errorf("%s: %d, does not say %q", path, p.Status, text)
		}
	}
}

func TestReportsAreDownloadedFromThePage(t *testing.T) {
	b := reported(t)
	for _, kind := range api.ReportKinds() {
		p := b.Get(fmt.Sprintf("%s/reports/%s/download?format=csv&period=7d", page.Root, kind))
		want := fmt.Sprintf("attachment; filename=baton-%s-2029-12-27-to-2030-01-02.csv", kind)
		if p.Status != http.StatusOK || p.Header.Get("Content-Disposition") != want || p.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
			t.Errorf("%s: %d %v", kind, p.Status, p.Header)
		}
		if strings.Contains(p.Body, ",=") {
			t.Errorf("%s: a spreadsheet program would calculate a cell", kind)
		}
	}
	if p := b.Get(page.Root + "/reports/syncs/download?format=xls"); p.Status != http.StatusUnprocessableEntity {
		t.Errorf("an unknown format: %d", p.Status)
	}
	if p := b.Get(page.Root + "/reports/weather/download?format=csv"); p.Status != http.StatusUnprocessableEntity && p.Status != http.StatusNotFound {
		t.Errorf("an unknown report: %d", p.Status)
	}
	if p := b.Another().Get(page.Root + "/reports/syncs/download?format=csv"); strings.Contains(p.Body, "runs") {
		t.Error("a download without a session")
	}
}

func TestANoteIsAmongTheChanges(t *testing.T) {
	b := consoletest.Open(t).SignIn(pair.Operator)
	b.Get(page.Root+"/reports/audit").Has(t, "Write a note into the history")
	b.Post(page.Root+"/reports/note", "text", "replaced the switch").Has(t, "The note is in the history.")
	events, err := b.Appliance.Backend().Overview.History(t.Context(), api.HistoryFilter{Limit: 1})
	if err != nil || len(events) != 1 || !strings.Contains(events[0].Text, "replaced the switch") {
		t.Errorf("the history says %v, %v", events, err)
	}
	viewer := b.Another().SignIn(pair.Viewer)
	viewer.Get(page.Root+"/reports/audit").Lacks(t, "Write a note")
	if p := viewer.Post(page.Root+"/reports/note", "text", "x"); p.Status != http.StatusForbidden {
		t.Errorf("a viewer wrote a note: %d", p.Status)
	}
}

func TestReportsComeFromThePrimary(t *testing.T) {
	b := reported(t)
	b.Appliance.Change(func(s *pair.Status) { s.Role = pair.Backup })
	for _, path := range []string{"/reports", "/reports/failovers", "/reports/syncs/download?format=csv"} {
		if p := b.Get(page.Root + path); !strings.HasPrefix(p.Path, page.Root+"/status") || !strings.Contains(p.Body, "the reports from its primary") {
			t.Errorf("%s on a backup leads to %s", path, p.Path)
		}
	}
}

func TestTimeBeforeTheFirstStartIsNotShown(t *testing.T) {
	b := reported(t)
	p := b.Get(page.Root + "/reports")
	if strings.Contains(p.Body, "Unknown") || strings.Contains(p.Body, "29 Dec 2029") {
		t.Error("the report shows what was before the site was served first")
	}
	if p = b.Get(page.Root + "/reports?from=2029-11-01&to=2029-11-02"); !strings.Contains(p.Body, "The site was not served yet in this time.") || strings.Contains(p.Body, "strip-plot") {
		t.Error("a report that ends before the first start draws something")
	}
}

// TestAnOutageIsNotThatOfALaterSwitch has an appliance step down and serve again by itself,
// and hand over a moment later.
func TestAnOutageIsNotThatOfALaterSwitch(t *testing.T) {
	b := consoletest.Open(t)
	b.Appliance.Change(func(s *pair.Status) {
		s.Role, s.Peer = pair.Primary, &pair.PeerStatus{ID: admintest.PeerID, Name: "beta", Role: pair.Backup}
	})
	at := admintest.Start().Add(-time.Hour)
	for _, one := range []struct {
		after          time.Duration
		who            pair.ApplianceID
		kind, from, to string
		down           string
	}{
		{0, admintest.ID, pair.KindSteppedDown, "primary steady", "primary isolated", ""},
		{370 * time.Millisecond, admintest.ID, pair.KindRoleChanged, "primary isolated", "primary steady", ""},
		{20 * time.Second, admintest.PeerID, pair.KindHandover, "backup handover", "primary claiming", ""},
		{20*time.Second + 75*time.Millisecond, admintest.PeerID, pair.KindRoleChanged, "primary claiming", "primary steady", "75"},
	} {
		detail := map[string]string{"from": one.from, "to": one.to}
		if one.down != "" {
			detail["down_ms"] = one.down
		}
		b.Appliance.Happened(pair.Event{Time: at.Add(one.after), Appliance: one.who, Kind: one.kind, Text: one.to, Detail: detail})
	}
	p := b.SignIn(pair.Viewer).Get(page.Root + "/reports/failovers")
	text := p.Body
	if strings.Count(text, `data-label="Site away for">75 ms<`) != 1 || strings.Count(text, `data-label="Site away for">370 ms<`) != 1 {
		t.Errorf("got %s", text)
	}
}

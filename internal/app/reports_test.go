package app

import (
	"database/sql"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/report"
)

const other = pair.ApplianceID("0123456789abcdef0123456789abcdef")

// wrote appends an event of this appliance as of a while ago.
func (a *Appliance) wrote(t *testing.T, ago time.Duration, kind, text string, detail ...string) {
	t.Helper()
	event := pair.Event{Time: time.Now().Add(-ago), Kind: kind, Text: text, Detail: map[string]string{}}
	for i := 0; i < len(detail); i += 2 {
		event.Detail[detail[i]] = detail[i+1]
	}
	if _, err := a.site.History.Append(t.Context(), event); err != nil {
		t.Fatal(err)
	}
}

// merged adds events of the other appliance.
func (a *Appliance) merged(t *testing.T, events ...pair.Event) {
	t.Helper()
	for i := range events {
		events[i].Appliance, events[i].ID = other, pair.EventID(other, int64(i+1))
	}
	if _, err := a.site.History.Merge(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

func away(ago time.Duration, kind, from, to string) pair.Event {
	return pair.Event{Time: time.Now().Add(-ago).Truncate(time.Millisecond), Kind: kind, Text: from + " → " + to, Detail: map[string]string{"from": from, "to": to}}
}

func TestAvailabilityIsJudgedFromBothHistories(t *testing.T) {
	a := pairedAppliance(t, other)
	// The other one served, and died an hour ago; this one took over after 6 s.
	a.merged(t, away(5*time.Hour, pair.KindRoleChanged, "primary claiming", "primary steady"))
	a.wrote(t, 5*time.Hour, pair.KindStarted, "started", "role", "backup")
	a.wrote(t, time.Hour+time.Second, pair.KindTakeover, "took over", "from", "backup suspect", "to", "primary claiming")
	a.wrote(t, time.Hour, pair.KindRoleChanged, "serves", "from", "primary claiming", "to", "primary alone", "down_ms", "6000")
	known, err := a.tested().Availability(t.Context(), api.ReportFilter{Period: report.Day})
	if err != nil {
		t.Fatal(err)
	}
	if known.Total.Down != 6000 || len(known.Outages) != 1 || known.Outages[0].EndedText != "serves" || known.Outages[0].Ongoing {
		t.Errorf("total %+v, outages %+v", known.Total, known.Outages)
	}
	if known.Total.Up < 4*time.Hour.Milliseconds() || known.Total.Before < 18*time.Hour.Milliseconds() {
		t.Errorf("total %+v", known.Total)
	}
	if len(known.Appliances) != 2 || known.NameOf(a.identity.ID()) != a.config.Name {
		t.Errorf("appliances %+v", known.Appliances)
	}
	alone, err := a.tested().Availability(t.Context(), api.ReportFilter{Period: report.Day, Appliance: a.identity.ID()})
	if err != nil || alone.Total.Up < 59*time.Minute.Milliseconds() || alone.Total.Up > 61*time.Minute.Milliseconds() {
		t.Errorf("this appliance alone: %+v, %v", alone.Total, err)
	}
	if _, err := a.tested().Availability(t.Context(), api.ReportFilter{Appliance: "nobody"}); pair.CodeOf(err) != pair.NotFound {
		t.Errorf("an unknown appliance: %v", err)
	}
}

func TestAFailoverIsToldWithItsStory(t *testing.T) {
	a := pairedAppliance(t, other)
	a.merged(t,
		away(40*time.Minute, pair.KindRoleChanged, "primary steady", "primary handover"),
		away(40*time.Minute, pair.KindHandover, "primary handover", "backup releasing"),
		away(10*time.Minute, pair.KindSteppedDown, "primary alone", "primary isolated"))
	a.wrote(t, 40*time.Minute-time.Second, pair.KindHandover, "took the site", "from", "backup handover", "to", "primary claiming")
	a.wrote(t, 30*time.Minute, pair.KindSettingChanged, "ann set a thing.", "by", "ann from 198.51.100.7")
	made, err := a.tested().EventReport(t.Context(), api.FailoverReport, api.ReportFilter{Period: report.Day})
	if err != nil {
		t.Fatal(err)
	}
	if made.Total.Counts[pair.KindHandover] != 1 || made.Total.Counts[pair.KindSteppedDown] != 1 || len(made.Events) != 2 {
		t.Fatalf("%+v, events %+v", made.Total, made.Events)
	}
	if switched := made.Events[1]; switched.Text != "took the site" || len(switched.Story) != 3 {
		t.Errorf("%s: %+v", switched.Text, switched.Story)
	}
	audit, err := a.tested().EventReport(t.Context(), api.AuditReport, api.ReportFilter{Period: report.Day, Text: "198.51.100.7"})
	if err != nil || len(audit.Events) != 1 {
		t.Errorf("%+v, %v", audit.Events, err)
	}
}

func TestPartsOfAReportAddUpToItsTotal(t *testing.T) {
	a := pairedAppliance(t, other)
	for i := range 50 {
		a.wrote(t, time.Duration(i)*time.Hour, pair.KindSyncDone, "sync", "runs", "3", "bytes", strconv.Itoa(i), "duration_ms", "20", "longest_ms", "9")
	}
	for _, step := range report.Steps() {
		made, err := a.tested().EventReport(t.Context(), api.SyncReport, api.ReportFilter{Period: report.Always, Step: step, Limit: 7})
		if err != nil {
			t.Fatal(err)
		}
		var runs, bytes int64
		for _, part := range made.Parts {
			runs, bytes = runs+part.Counts[pair.KindSyncDone], bytes+part.Bytes
		}
		if runs != 150 || bytes != 49*50/2 || made.Total.Bytes != bytes || made.Total.Longest != 9 || len(made.Events) != 7 || made.Next == "" {
			t.Errorf("%s: %d runs, %d bytes, total %+v, %d events", step, runs, bytes, made.Total, len(made.Events))
		}
	}
	n := 0
	err := a.tested().EachReported(t.Context(), api.SyncReport, api.ReportFilter{Period: report.Always}, func(api.Event) error { n++; return nil })
	if err != nil || n != 50 {
		t.Errorf("%d events, %v", n, err)
	}
}

// million fills the appliance's database with a year of a busy pair: 1,000,000
// events, one every half minute, by turns of both appliances.
func million(b *testing.B, a *Appliance) {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(a.config.DataDir, "site.db")+"?_pragma=journal_mode(wal)&_pragma=synchronous(off)")
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	for _, statement := range []string{
		`INSERT INTO event
		WITH RECURSIVE number (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM number LIMIT 1000000)
		SELECT iif(i % 2, ?1, ?2), i / 2 + 1, ?3 + i * 31500,
			CASE WHEN i % 1000 < 600 THEN 'sync-done' WHEN i % 1000 < 620 THEN 'sync-failed' WHEN i % 1000 < 700 THEN 'signed-in'
				WHEN i % 1000 < 850 THEN 'setting-changed' WHEN i % 1000 < 990 THEN 'condition-raised'
				WHEN i % 1000 < 996 THEN 'role-changed' WHEN i % 1000 < 998 THEN 'takeover' ELSE 'handover' END,
			'What happened as number ' || i || ', told in a sentence of an ordinary length for the history.',
			CASE WHEN i % 1000 < 600 THEN json_object('duration_ms', '' || (i % 5000), 'bytes', '' || (i * 100), 'files', '17', 'number', '' || i, 'took', '1s')
				WHEN i % 1000 < 990 THEN json_object('by', 'ann from 198.51.100.7')
				WHEN i % 4 < 2 THEN json_object('from', 'primary claiming', 'to', 'primary steady', 'reason', 'Nothing.', 'epoch', '7.abc')
				ELSE json_object('from', 'primary steady', 'to', 'primary isolated', 'reason', 'Nothing.', 'epoch', '7.abc') END
		FROM number`,
		`INSERT INTO event_head SELECT ?, 500000, 500000 UNION ALL SELECT ?, 500000, 500000 WHERE ? > 0`,
	} {
		if _, err := db.ExecContext(b.Context(), statement, a.identity.ID(), other, time.Now().AddDate(-1, 0, 0).UnixMilli()); err != nil {
			b.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	b.Logf("1,000,000 events written in %s", time.Since(began).Round(time.Millisecond))
}

// BenchmarkReports measures every report at every filter that costs something, on
// a history of 1,000,000 events of which ten in a thousand are of roles.
func BenchmarkReports(b *testing.B) {
	const most = 200 * time.Millisecond
	a := pairedAppliance(b, other)
	million(b, a)
	filters := map[string]api.ReportFilter{
		"text nowhere": {Period: report.Always, Text: "found nowhere"},
		"appliance":    {Period: report.Always, Appliance: other},
		"by day":       {Period: report.Always, Step: report.Daily},
		"largest page": {Period: report.Year, Limit: api.MaxReported},
		"long ago":     {Since: time.Now().AddDate(0, -11, 0), Until: time.Now().AddDate(0, -10, 0), Text: "number 5"},
	}
	for _, period := range report.Periods() {
		filters[string(period)] = api.ReportFilter{Period: period}
	}
	names := make([]string, 0, len(filters))
	for name := range filters {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, kind := range api.ReportKinds() {
		for _, name := range names {
			filter := filters[name]
			b.Run(string(kind)+"/"+strings.ReplaceAll(name, " ", "-"), func(b *testing.B) {
				before := used(b)
				for b.Loop() {
					if err := a.readReport(b, kind, filter); err != nil {
						b.Fatal(err)
					}
				}
				each := (used(b) - before) / time.Duration(b.N)
				b.ReportMetric(float64(each)/1e6, "cpu-ms/op")
				if each > most {
					b.Errorf("took %s, wanted at most %s", each, most)
				}
			})
		}
	}
}

// used is the time of the processors that this process has used: what a reading
// costs however busy the machine is.
func used(b *testing.B) time.Duration {
	b.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func (a *Appliance) readReport(b *testing.B, kind api.ReportKind, filter api.ReportFilter) error {
	b.Helper()
	if kind == api.AvailabilityReport {
		_, err := a.tested().Availability(b.Context(), filter)
		return err
	}
	_, err := a.tested().EventReport(b.Context(), kind, filter)
	return err
}

func TestAFormerPeerKeepsItsName(t *testing.T) {
	const present = pair.ApplianceID("fedcba9876543210fedcba9876543210")
	a := pairedAppliance(t, present)
	a.merged(t, pair.Event{Time: time.Now().Add(-time.Hour), Kind: pair.KindStarted, Text: "started", Detail: map[string]string{"role": "backup", "name": "paris"}})
	known, err := a.tested().Availability(t.Context(), api.ReportFilter{Period: report.Day})
	if err != nil || known.NameOf(other) != "paris" || len(known.Appliances) != 3 {
		t.Errorf("the report knows %+v, %v", known.Appliances, err)
	}
	status, err := a.tested().Status(t.Context())
	if err != nil || !slices.Equal(status.Former, []pair.Named{{ID: other, Name: "paris"}}) {
		t.Errorf("the status tells of %+v, %v", status.Former, err)
	}
}

func TestWhoLeavesTheRelationshipKeepsItsName(t *testing.T) {
	a := runningAppliance(t)
	a.unpaired(peer.Pinned{ID: other, Name: "rome"})
	status, err := a.tested().Status(t.Context())
	if err != nil || !slices.Equal(status.Former, []pair.Named{{ID: other, Name: "rome"}}) {
		t.Errorf("the status tells of %+v, %v", status.Former, err)
	}
	waitFor(t, "the history calls this appliance by its name", func() bool {
		names, err := a.site.History.Names(t.Context())
		return err == nil && names[a.identity.ID()] == "alpha"
	})
}

package app

import (
	"strings"
	"testing"
	"time"

	"baton/internal/agent"
	"baton/internal/pair"
)

// backupReports is what a backup that is ready tells.
func backupReports() pair.Report {
	return pair.Report{Role: pair.Backup, State: pair.Steady, Readiness: ready(5200, 800, "the primary")}
}

func primaryOf(t *testing.T, record pair.Record) *Appliance {
	t.Helper()
	record.Role, record.Epoch = pair.Primary, pair.Epoch{Counter: 1, Holder: other}
	return pairedAs(t, other, record)
}

func TestThePrimaryTellsTheReadinessOfItsBackup(t *testing.T) {
	a := primaryOf(t, pair.Record{})
	a.protected.Store(1)
	s := a.agent.Look().State
	if got := a.readinessOfBackup(agent.Seen{State: s}, true, pair.SyncStatus{}); got.Ready || !strings.Contains(got.Text, "not known") {
		t.Errorf("before the backup has told: %+v", got)
	}
	a.told.keep(other, backupReports())
	if got := a.readinessOfBackup(agent.Seen{State: s}, true, pair.SyncStatus{DataAgeMS: 800}); !got.Sound() || !strings.Contains(got.Text, "takeover in about 5.2 s, losing the last 800 ms") {
		t.Errorf("%+v", got)
	}
	a.protected.Store(0)
	if got := a.readinessOfBackup(agent.Seen{State: s}, true, pair.SyncStatus{DataAgeMS: 800}); !got.Ready || got.Sound() || !strings.Contains(got.NextStep, "baton data add") {
		t.Errorf("nothing is protected, and it says %+v", got)
	}
	if got := a.readinessOfBackup(agent.Seen{State: s}, false, pair.SyncStatus{DataAgeMS: 800}); got.Ready || !strings.Contains(got.Text, "does not answer") {
		t.Errorf("a silent backup that has just told: %+v", got)
	}
	s.Phase = pair.Conflict
	if got := a.readinessOfBackup(agent.Seen{State: s}, true, pair.SyncStatus{}); got.Ready || !strings.Contains(got.Text, "Both appliances claim data") {
		t.Errorf("in a conflict: %+v", got)
	}
}

func TestABackupThatReachesTooFewTestIPsIsNotReady(t *testing.T) {
	if got := unreached(); got.Ready || !strings.Contains(got.Text, "would not take over") || got.NextStep == "" {
		t.Errorf("%+v", got)
	}
}

func TestMaintenanceCountsBeforeTheBackupHasToldOfIt(t *testing.T) {
	a := primaryOf(t, pair.Record{Maintenance: true})
	a.told.keep(other, backupReports())
	got := a.readinessOfBackup(a.agent.Look(), true, pair.SyncStatus{})
	if got.Ready || !strings.Contains(got.Text, "the backup would not take over") || !strings.Contains(got.NextStep, "baton maintenance off") {
		t.Errorf("%+v", got)
	}
	if got := a.tested().checkReady(); got.OK {
		t.Errorf("the doctor says %+v", got)
	}
}

func TestAReportIsNewsOnlyIfItShowsSomethingElse(t *testing.T) {
	var told lastReport
	report := backupReports()
	if !told.keep(other, report) {
		t.Error("the first report is no news")
	}
	report.Readiness = ready(5200, 900, "the primary") // as it ages
	if told.keep(other, report) {
		t.Error("the same again is news")
	}
	for what, change := range map[string]func(*pair.Report){
		"a state":     func(r *pair.Report) { r.State = pair.Maintenance },
		"readiness":   func(r *pair.Report) { r.Readiness = &pair.Readiness{NextStep: "Wait."} },
		"a condition": func(r *pair.Report) { r.Conditions = []pair.Condition{{ID: "no-snapshot"}} },
	} {
		told.keep(other, report)
		changed := report
		change(&changed)
		if !told.keep(other, changed) {
			t.Errorf("%s is no news", what)
		}
	}
}

func TestOpeningIsExpectedAsThePrimaryTellsUntilItIsMeasuredHere(t *testing.T) {
	var o opening
	if got := o.expected(nil); got != 0 {
		t.Errorf("%s though nobody has told", got)
	}
	primary := &pair.PeerReport{Report: pair.Report{OpeningMS: 1500}}
	if got := o.expected(primary); got != 1500*time.Millisecond {
		t.Errorf("%s, not as the primary tells", got)
	}
	if got := o.expected(&pair.PeerReport{Report: pair.Report{OpeningMS: 1 << 60}}); got != mostOpening {
		t.Errorf("%s is believed", got)
	}
	o.took.Store(int64(300 * time.Millisecond))
	if got := o.expected(primary); got != 300*time.Millisecond {
		t.Errorf("%s, not as measured here", got)
	}
}

func TestChangesThatOnlyADataSyncBringsAreCountedAsLost(t *testing.T) {
	a := primaryOf(t, pair.Record{})
	before := time.Now().Add(-time.Minute)
	a.wrote(t, time.Hour, pair.KindSettingChanged, "added user old.", pair.DetailBySync, "true") // is in the snapshot
	a.wrote(t, 0, pair.KindSettingChanged, "added user ann.", pair.DetailBySync, "true")
	a.wrote(t, 0, pair.KindSettingChanged, "set title.") // told at once
	a.merged(t, pair.Event{Time: time.Now(), Kind: pair.KindSettingChanged, Text: "added user bob.", Detail: map[string]string{pair.DetailBySync: "true"}})
	for of, want := range map[pair.ApplianceID]int64{a.identity.ID(): 1, other: 1} {
		if got, err := a.siteChanges(t.Context(), of, pair.Snapshot{TakenAt: before.UnixMilli()}); got != want || err != nil {
			t.Errorf("%d changes of %s, %v, want %d", got, of.Short(), err, want)
		}
	}
	known, err := a.countUnsynced(t.Context()) // since ever: nothing was synced
	if err != nil || known.Changes != 2 {
		t.Errorf("%+v, %v", known, err)
	}
}

func TestWhoLeadsMarksWhatADataSyncBrings(t *testing.T) {
	a := runningAppliance(t)
	if err := a.tested().AddUser(asAnn(t), pair.NewUser{Name: "bob", Password: "correct horse battery", Role: pair.Viewer}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the change is counted", func() bool {
		n, err := a.siteChanges(t.Context(), a.identity.ID(), pair.Snapshot{})
		return err == nil && n == 1
	})
}

func TestDocumentsAreToldToABackupThatHasThemOtherwise(t *testing.T) {
	a := primaryOf(t, pair.Record{})
	save := func(name, text string, version int64) {
		t.Helper()
		if _, err := a.site.SaveDocument(t.Context(), name, []byte(text), version, pair.Event{Kind: pair.KindSettingChanged, Text: "saved"}); err != nil {
			t.Fatal(err)
		}
	}
	save("site", `{"name": "a < b"}`, 0)
	save(documentNotifications, `{"daily_at":"08:00"}`, 0)
	held := a.heldDocuments(t.Context())
	if told := a.otherDocuments(t.Context(), held); len(told) != 0 {
		t.Errorf("one that has all is told %+v", told)
	}
	save("site", `{"name": "c"}`, 1)
	told := a.otherDocuments(t.Context(), held)
	if len(told) != 1 || told[0].Name != "site" || told[0].Value != `{"name": "c"}` || told[0].Version != 2 {
		t.Errorf("told %+v", told)
	}
	if told := a.otherDocuments(t.Context(), nil); told != nil {
		t.Errorf("one that does not ask is told %+v", told)
	}
	a.takeDocuments(t.Context(), told) // a primary takes none
	if _, version, err := a.site.Document(t.Context(), "site"); version != 2 || err != nil {
		t.Errorf("version %d, %v", version, err)
	}
}

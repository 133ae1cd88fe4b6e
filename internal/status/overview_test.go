package status

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baton/internal/act/acttest"
	"baton/internal/agent"
	"baton/internal/datasync"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/service/drystart"
	"baton/internal/service/keeper"
	"baton/internal/sharedip"
	"baton/internal/store/local"
	"baton/internal/watch"
)

const other = pair.ApplianceID("bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")

// primary is the overview of the primary of a pair; change tells what its agent sees besides.
func primary(t *testing.T, change func(*agent.Decision)) *Overview {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	self := pair.ApplianceID(strings.Repeat("a", 32))
	own, err := local.Open(dir, self, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	engine, err := datasync.Open(t.Context(), datasync.Options{Dir: filepath.Join(dir, "sync"), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	loop := acttest.NewAgent()
	loop.Show(func(s *agent.Decision) {
		s.State.Record.Role, s.State.Record.Epoch = pair.Primary, pair.Epoch{Counter: 1, Holder: self}
		if change != nil {
			change(s)
		}
	})
	return &Overview{
		Services: keeper.New(keeper.Options{}), DryStart: drystart.New(drystart.Options{}), WayBack: &watch.WayBack{},
		ID: self, Name: "alpha", Version: "test", Address: func() string { return "198.51.100.1:443" }, Agent: loop,
		Link: &acttest.Link{Peer: &peer.Pinned{ID: other, Name: "beta"}}, Engine: engine, Host: sharedip.New(nil, log), Local: own,
		Settings: inforce.NewSettings(pair.DefaultSettings(), 1), Ticked: func() []pair.SharedIP { return nil },
		Reach: &watch.Reach{Agent: loop}, Files: &watch.Files{}, Protected: func() int64 { return 0 }, Log: log,
	}
}

func TestThoseWhoWatchShareOneLookUntilSomethingChanges(t *testing.T) {
	o := primary(t, nil)
	look := func() pair.Status {
		status, _, err := o.recent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	first, second := look(), look()
	if !first.Since.Equal(second.Since) { // it is counted back from the instant of each look
		t.Error("two looks within a moment were two looks")
	}
	o.newest.changed = make(chan struct{}) // as if something had changed since
	if third := look(); third.Since.Equal(first.Since) {
		t.Error("a change is not looked at")
	}
}

func TestHealthSaysWhatTheStatusSaysOfTheSite(t *testing.T) {
	t.Parallel()
	up := pair.Status{Role: pair.Primary, Site: pair.SiteStatus{State: pair.SiteUp, Text: "Up, served by alpha."}}
	if got := healthOf(up, true); !got.Serving || got.Text != "Site: Up, served by alpha." {
		t.Errorf("a primary that serves: %+v", got)
	}
	down := up
	down.Site.State = pair.SiteDown
	if got := healthOf(down, true); got.Serving {
		t.Errorf("a primary whose site does not answer: %+v", got)
	}
	if got := healthOf(up, false); got.Serving {
		t.Errorf("a primary while the peer serves: %+v", got)
	}
	up.Role = pair.Backup
	if got := healthOf(up, false); got.Serving || got.Text != "Site: Up, served by alpha. This appliance is the backup." {
		t.Errorf("a backup: %+v", got)
	}
}

// backupReports is what a backup that is ready tells.
func backupReports() pair.Report {
	return pair.Report{Role: pair.Backup, State: pair.Steady, Readiness: ready(5200, 800, "the primary")}
}

func TestThePrimaryTellsTheReadinessOfItsBackup(t *testing.T) {
	o := primary(t, nil)
	o.Protected = func() int64 { return 1 }
	s := o.Agent.Decision().State
	if got := o.readinessOfBackup(agent.Decision{State: s}, true, pair.SyncStatus{}); got.Ready || !strings.Contains(got.Text, "not known") {
		t.Errorf("before the backup has told: %+v", got)
	}
	o.reported.keep(other, backupReports())
	if got := o.readinessOfBackup(agent.Decision{State: s}, true, pair.SyncStatus{DataAgeMS: 800}); !got.Sound() || !strings.Contains(got.Text, "takeover in about 5.2 s, losing the last 800 ms") {
		t.Errorf("%+v", got)
	}
	o.Protected = func() int64 { return 0 }
	if got := o.readinessOfBackup(agent.Decision{State: s}, true, pair.SyncStatus{DataAgeMS: 800}); !got.Ready || got.Sound() || !strings.Contains(got.NextStep, "baton data add") {
		t.Errorf("nothing is protected, and it says %+v", got)
	}
	if got := o.readinessOfBackup(agent.Decision{State: s}, false, pair.SyncStatus{DataAgeMS: 800}); got.Ready || !strings.Contains(got.Text, "does not answer") {
		t.Errorf("a silent backup that has just told: %+v", got)
	}
	s.Phase = pair.Conflict
	if got := o.readinessOfBackup(agent.Decision{State: s}, true, pair.SyncStatus{}); got.Ready || !strings.Contains(got.Text, "Both appliances claim data") {
		t.Errorf("in a conflict: %+v", got)
	}
}

func TestABackupThatReachesTooFewTestIPsIsNotReady(t *testing.T) {
	if got := unreached(); got.Ready || !strings.Contains(got.Text, "would not take over") || got.NextStep == "" {
		t.Errorf("%+v", got)
	}
}

// Doctor promises no takeover by a backup that has just reached too few test IPs.
func TestDoctorGoesByTheTestIPsThatAnswerNow(t *testing.T) {
	o := primary(t, func(s *agent.Decision) {
		now := agent.BootClock()
		s.State.Record.Role, s.State.Phase, s.State.Now = pair.Backup, pair.Steady, now
		s.State.Record.Epoch.Holder = other
		s.State.Record.Snapshot = pair.Snapshot{Number: 1}
		s.State.SnapshotAt, s.State.PeerHeard, s.State.PrimaryHeard = failover.Moment{At: now, Set: true}, failover.Moment{At: now, Set: true}, failover.Moment{At: now, Set: true}
		s.State.Peer.Role, s.State.Peer.SharedIP, s.State.Peer.Epoch = pair.Primary, true, s.State.Record.Epoch
		s.Config.BackupOperations, s.Config.AutomaticFailover, s.Config.SharedIP, s.Config.TestIPs = true, true, true, 1
	})
	o.Protected = func() int64 { return 1 }
	d := &Checks{Overview: o}
	for reached, want := range map[int]bool{-1: true, 1: true, 0: false} {
		if got := d.checkReadyBy(reached); got.OK != want {
			t.Errorf("%d answer: %+v", reached, got)
		}
	}
	if got := unreached().Text; strings.Contains(got, "Neither the peer") {
		t.Errorf("the peer answers, and it says: %s", got)
	}
}

func TestMaintenanceCountsBeforeTheBackupHasToldOfIt(t *testing.T) {
	o := primary(t, func(s *agent.Decision) { s.State.Record.Maintenance = true })
	o.reported.keep(other, backupReports())
	got := o.readinessOfBackup(o.Agent.Decision(), true, pair.SyncStatus{})
	if got.Ready || !strings.Contains(got.Text, "the backup would not take over") || !strings.Contains(got.NextStep, "baton maintenance off") {
		t.Errorf("%+v", got)
	}
	if got := (&Checks{Overview: o}).checkReady(); got.OK {
		t.Errorf("the doctor says %+v", got)
	}
}

// A backup in maintenance whose primary is silent says that, and what ends it.
func TestABackupThatMustNotTakeOverSaysThatThePrimaryIsSilent(t *testing.T) {
	o := primary(t, func(s *agent.Decision) {
		s.State.Record.Role, s.State.Record.Maintenance = pair.Backup, true
		s.State.Failed, s.State.Failure, s.State.PrimaryHeard = failover.Moment{Set: true}, pair.NoAnswer, failover.Moment{Set: true}
		s.State.Peer.SharedIP = true
		s.Config.BackupOperations, s.Config.AutomaticFailover, s.Config.SharedIP, s.Config.TestIPs = true, true, true, 1
	})
	got := o.Readiness(pair.SyncStatus{})
	if got.Ready || !strings.HasPrefix(got.Text, "The primary does not answer, and this appliance does not take over: ") || !strings.HasSuffix(got.NextStep, "baton maintenance off.") {
		t.Errorf("%+v", got)
	}
}

func TestAPeerThatSaidGoodbyeIsNotReachable(t *testing.T) {
	o := primary(t, func(s *agent.Decision) {
		s.State.PeerHeard, s.State.Peer.Stopping = failover.Moment{At: agent.BootClock(), Set: true}, true
	})
	if o.PeerStatus(time.Now()).Reachable {
		t.Error("it is")
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
	var o Opening
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
	o.Claimed(time.Hour) // no data was opened for that
	if got := o.expected(nil); got != 0 {
		t.Errorf("%s for a claim alone", got)
	}
	o.DataOpened(100 * time.Millisecond)
	o.Claimed(200 * time.Millisecond) // whatever was waited for in between
	if got := o.expected(primary); got != 300*time.Millisecond {
		t.Errorf("%s, not as measured here", got)
	}
}

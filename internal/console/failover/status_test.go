package failover_test

import (
	"net/http"
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/console/consoletest"
	"baton/internal/console/page"
	"baton/internal/pair"
)

func TestStatusShowsBothAppliances(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	b.Appliance.Change(func(s *pair.Status) {
		s.Sync.DataAgeMS = 800
		s.Readiness = &pair.Readiness{Ready: true, TakeoverMS: 5200, LossMS: 800, Text: "If this primary failed now: takeover in about 5.2 s, losing the last 800 ms of changes."}
		s.Peer.Report = &pair.PeerReport{Report: pair.Report{
			Since: admintest.Start(), ProtectionLevel: 1, SharedIPs: []pair.SharedIPStatus{{Address: "198.51.100.10/24", Interface: "eth1", Shared: true}},
			Conditions: []pair.Condition{{ID: "no-test-ips", Severity: pair.Warning, Text: "No test IPs.", NextStep: "Set some."}},
		}}
	})
	b.Get(page.Root+"/status").Has(t, "This host&#39;s status", "Peer host&#39;s status", "<strong>alpha</strong>", "<strong>beta</strong>", "120 ms ago", "losing the last 800 ms of changes",
		"To raise the protection level:", "On beta: No test IPs.", "198.51.100.10/24 on eth1, enabled", "Passed", "800 ms")
}

func TestStatusTellsWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	b.Appliance.Change(func(s *pair.Status) {
		s.Peer.LastContactAgeMS, s.Peer.Reachable, s.Peer.CheckFailed = -1, false, "no answer"
	})
	b.Get(page.Root+"/status").Has(t, "not yet known", "It has not been heard since this appliance started.", "never since the start", "Failed: no answer")
	consoletest.Open(t).SignIn(pair.Viewer).Get(page.Root+"/status").Has(t, "This appliance has no backup", "Nothing needs attention.")
}

// A former backup, and an appliance that is not set up yet, serve only clients that use
// their own address.
func TestNoSharedIPIsNotSaidToServe(t *testing.T) {
	t.Parallel()
	b := consoletest.Open(t).SignIn(pair.Viewer)
	b.Appliance.Change(func(s *pair.Status) { s.SharedIPs = []pair.SharedIPStatus{{Address: "198.51.100.10/24"}} })
	p := b.Get(page.Root + "/status")
	p.Has(t, "no shared IP is enabled on it")
	p.Lacks(t, "it serves the site")
	b.Appliance.Change(func(s *pair.Status) { s.SharedIPs[0].Shared = true })
	b.Get(page.Root+"/status").Has(t, "it serves the site, and has no backup")
}

func TestAPrimaryWithoutASharedIPIsNotSaidToServe(t *testing.T) {
	t.Parallel()
	const truth = "Steady: no shared IP is enabled on it, so only who asks at its own address gets the site."
	none := []pair.SharedIPStatus{{Address: "198.51.100.10/24"}}
	for _, role := range []pair.Role{pair.Primary, pair.Backup} {
		b := paired(t, role)
		b.Appliance.Change(func(s *pair.Status) {
			s.State, s.SharedIPs = pair.Steady, none
			s.Peer.Reachable, s.Peer.State, s.Peer.Role = true, pair.Steady, pair.Primary
			s.Peer.Report = &pair.PeerReport{Report: pair.Report{SharedIPs: none}}
			if role == pair.Primary {
				s.Peer.Role = pair.Backup
			}
		})
		p := b.Get(page.Root + "/status")
		p.Has(t, truth)
		p.Lacks(t, "it serves the site")
		b.Appliance.Change(func(s *pair.Status) {
			s.SharedIPs = []pair.SharedIPStatus{{Address: "198.51.100.10/24", Shared: true}}
			s.Peer.Report.SharedIPs = s.SharedIPs
		})
		p = b.Get(page.Root + "/status")
		p.Has(t, "Steady: it serves the site.")
		p.Lacks(t, truth)
	}
}

func TestConditionsCarryTheirNextStep(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	b.Appliance.Change(func(s *pair.Status) {
		s.Conditions = []pair.Condition{
			{ID: "observing", Severity: pair.Info, Text: "Observe only.", NextStep: "Uncheck it."},
			{ID: "automatic-paused", Severity: pair.Critical, Text: "Automatic failover is paused.", NextStep: "Find the cause."},
		}
	})
	p := b.Get(page.Root + "/status")
	p.Has(t, "Find the cause.", "Uncheck it.", "Resume automatic failover", `href="`+atFailover+`">Go there`)
	if strings.Index(p.Body, "Automatic failover is paused.") > strings.Index(p.Body, "Observe only.") {
		t.Error("the critical one is not first")
	}
	b.Appliance.Damp()
	b.Post(page.Root+"/status/resume").Has(t, "Automatic failover was paused on alpha and is on again; automatic takeovers are counted from now on.")
}

func TestMaintenanceBeginsAndEndsOnEither(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	b.Post(page.Root+"/status/maintenance", "for", "30m").Has(t, "Maintenance has begun", "It was turned on here", "End maintenance")
	b.Appliance.Change(func(s *pair.Status) { s.Maintenance = pair.MaintenanceStatus{Peer: true} })
	b.Get(page.Root+"/status").Has(t, "It was turned on at beta", "End maintenance")
	b.Post(page.Root+"/status/maintenance/end").Has(t, "Maintenance has ended.", "Start maintenance")
	b.Post(page.Root+"/status/maintenance", "for", "soon").Has(t, "is not a duration")
}

func TestDivergedCopiesAreShownExportedAndDeleted(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	aside := b.Appliance.SetAside(t, "www")
	at := page.Root + "/status/diverged/" + aside.ID
	b.Get(page.Root+"/status").Has(t, "Diverged copies", "14 B", at)
	b.Get(at).Has(t, "notes/today.txt", "made", "known after the next data sync", "Delete this copy")
	b.Post(at+"/restore").Has(t, "Choose the files to be put back.")
	p := b.Get(at + "/export")
	if p.Header.Get("Content-Type") != "application/x-tar" || !strings.Contains(p.Header.Get("Content-Disposition"), aside.ID+".tar") || len(p.Body) == 0 {
		t.Errorf("export: %v, %d bytes", p.Header, len(p.Body))
	}
	v := b.Another().SignIn(pair.Operator)
	if p := v.Get(at + "/export"); p.Status != http.StatusForbidden {
		t.Errorf("an operator exports: %d", p.Status)
	}
	v.Get(at).Lacks(t, "Delete this copy")
	b.Post(at+"/delete").Has(t, "Check this: a deleted copy cannot be brought back.")
	b.Post(at+"/delete", "confirm", "true").Has(t, "The diverged copy is deleted.")
	if p := b.Get(at); p.Status != http.StatusNotFound {
		t.Errorf("deleted, and yet %d", p.Status)
	}
}

// A backup that would not take over is not green, on either appliance's page.
func TestABackupThatIsNotReadyIsNotGreen(t *testing.T) {
	t.Parallel()
	for _, role := range []pair.Role{pair.Backup, pair.Primary} {
		b := paired(t, role)
		b.Appliance.Change(func(s *pair.Status) { s.Readiness = &pair.Readiness{Ready: true, Text: "Ready."} })
		if role == pair.Backup {
			b.Get(page.Root+"/status").Has(t, "Steady: it follows the primary.")
		}
		b.Appliance.Change(func(s *pair.Status) {
			s.Readiness = &pair.Readiness{Text: "It would not take over: Enable Backup Operations is off.", NextStep: "Turn it on."}
		})
		p := b.Get(page.Root + "/status")
		p.Has(t, "Steady, but it would not take over now: see Readiness.")
		p.Lacks(t, "it follows the primary")
	}
}

func TestBackupHasStatusAndFailover(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	b.Get(page.Root+"/status").Has(t, "This host&#39;s status", "Steady, but it would not take over now: see Readiness.")
	b.Get(atFailover).Has(t, ">Become Primary</button>", "Pull a final data sync from the primary site", "Save Changes", `name="final" value="true" checked`)
	b.Appliance.Change(func(s *pair.Status) { s.Peer.Reachable = false }) // so that nothing can be pulled
	b.Get(atFailover).Lacks(t, `name="final" value="true" checked`)
}

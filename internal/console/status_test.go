package console

import (
	"net/http"
	"strings"
	"testing"

	"baton/internal/admin/admintest"
	"baton/internal/pair"
)

func TestStatusShowsBothAppliances(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	b.appliance.Change(func(s *pair.Status) {
		s.Sync.DataAgeMS = 800
		s.Readiness = &pair.Readiness{Ready: true, TakeoverMS: 5200, LossMS: 800, Text: "If this primary failed now: takeover in about 5.2 s, losing the last 800 ms of changes."}
		s.Peer.Report = &pair.PeerReport{Report: pair.Report{
			Since: admintest.Start(), ProtectionLevel: 1, SharedIPs: []pair.SharedIPStatus{{Address: "198.51.100.10/24", Interface: "eth1", Shared: true}},
			Conditions: []pair.Condition{{ID: "no-test-ips", Severity: pair.Warning, Text: "No test IPs.", NextStep: "Set some."}},
		}}
	})
	b.get(Root+"/status").has(t, "This host&#39;s status", "Peer host&#39;s status", "<strong>alpha</strong>", "<strong>beta</strong>", "120 ms ago", "losing the last 800 ms of changes",
		"To raise the protection level:", "On beta: No test IPs.", "198.51.100.10/24 on eth1, enabled", "Passed", "800 ms")
}

func TestStatusTellsWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Primary)
	b.appliance.Change(func(s *pair.Status) {
		s.Peer.LastContactAgeMS, s.Peer.Reachable, s.Peer.CheckFailed = -1, false, "no answer"
	})
	b.get(Root+"/status").has(t, "not yet known", "It has not been heard since this appliance started.", "never since the start", "Failed: no answer")
	open(t).signIn(pair.Viewer).get(Root+"/status").has(t, "This appliance has no backup", "Nothing needs attention.")
}

// A former backup, as an appliance that is not set up yet, is open to nobody who
// does not know its own address.
func TestNoSharedIPIsNotSaidToServe(t *testing.T) {
	t.Parallel()
	b := open(t).signIn(pair.Viewer)
	b.appliance.Change(func(s *pair.Status) { s.SharedIPs = []pair.SharedIPStatus{{Address: "198.51.100.10/24"}} })
	p := b.get(Root + "/status")
	p.has(t, "no shared IP is enabled on it")
	p.lacks(t, "it serves the site")
	b.appliance.Change(func(s *pair.Status) { s.SharedIPs[0].Shared = true })
	b.get(Root+"/status").has(t, "it serves the site, and has no backup")
}

func TestAPrimaryWithoutASharedIPIsNotSaidToServe(t *testing.T) {
	t.Parallel()
	const truth = "Steady: no shared IP is enabled on it, so only who asks at its own address gets the site."
	none := []pair.SharedIPStatus{{Address: "198.51.100.10/24"}}
	for _, role := range []pair.Role{pair.Primary, pair.Backup} {
		b := paired(t, role)
		b.appliance.Change(func(s *pair.Status) {
			s.State, s.SharedIPs = pair.Steady, none
			s.Peer.Reachable, s.Peer.State, s.Peer.Role = true, pair.Steady, pair.Primary
			s.Peer.Report = &pair.PeerReport{Report: pair.Report{SharedIPs: none}}
			if role == pair.Primary {
				s.Peer.Role = pair.Backup
			}
		})
		p := b.get(Root + "/status")
		p.has(t, truth)
		p.lacks(t, "it serves the site")
		b.appliance.Change(func(s *pair.Status) {
			s.SharedIPs = []pair.SharedIPStatus{{Address: "198.51.100.10/24", Shared: true}}
			s.Peer.Report.SharedIPs = s.SharedIPs
		})
		p = b.get(Root + "/status")
		p.has(t, "Steady: it serves the site.")
		p.lacks(t, truth)
	}
}

func TestConditionsCarryTheirNextStep(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	b.appliance.Change(func(s *pair.Status) {
		s.Conditions = []pair.Condition{
			{ID: "observing", Severity: pair.Info, Text: "Observe only.", NextStep: "Uncheck it."},
			{ID: "automatic-paused", Severity: pair.Critical, Text: "Automatic failover is paused.", NextStep: "Find the cause."},
		}
	})
	p := b.get(Root + "/status")
	p.has(t, "Find the cause.", "Uncheck it.", "Resume automatic failover", `href="`+atFailover+`">Go there`)
	if strings.Index(p.body, "Automatic failover is paused.") > strings.Index(p.body, "Observe only.") {
		t.Error("the critical one is not first")
	}
	b.appliance.Damp()
	b.post(Root+"/status/resume").has(t, "Automatic failover was paused on alpha and is on again; automatic takeovers are counted from now on.")
}

func TestMaintenanceBeginsAndEndsOnEither(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	b.post(Root+"/status/maintenance", "for", "30m").has(t, "Maintenance has begun", "It was turned on here", "End maintenance")
	b.appliance.Change(func(s *pair.Status) { s.Maintenance = pair.MaintenanceStatus{Peer: true} })
	b.get(Root+"/status").has(t, "It was turned on at beta", "End maintenance")
	b.post(Root+"/status/maintenance/end").has(t, "Maintenance has ended.", "Start maintenance")
	b.post(Root+"/status/maintenance", "for", "soon").has(t, "is not a duration")
}

func TestDivergedCopiesAreShownExportedAndDeleted(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	aside := b.appliance.SetAside(t, "www")
	at := Root + "/status/diverged/" + aside.ID
	b.get(Root+"/status").has(t, "Diverged copies", "14 B", at)
	b.get(at).has(t, "notes/today.txt", "written here", "Delete this copy")
	p := b.get(at + "/export")
	if p.header.Get("Content-Type") != "application/x-tar" || !strings.Contains(p.header.Get("Content-Disposition"), aside.ID+".tar") || len(p.body) == 0 {
		t.Errorf("export: %v, %d bytes", p.header, len(p.body))
	}
	v := b.another().signIn(pair.Operator)
	if p := v.get(at + "/export"); p.status != http.StatusForbidden {
		t.Errorf("an operator exports: %d", p.status)
	}
	v.get(at).lacks(t, "Delete this copy")
	b.post(at+"/delete").has(t, "Check this: a deleted copy cannot be brought back.")
	b.post(at+"/delete", "confirm", "true").has(t, "The diverged copy is deleted.")
	if p := b.get(at); p.status != http.StatusNotFound {
		t.Errorf("deleted, and yet %d", p.status)
	}
}

// A backup that would not take over is not green, on either appliance's page.
func TestABackupThatIsNotReadyIsNotGreen(t *testing.T) {
	t.Parallel()
	for _, role := range []pair.Role{pair.Backup, pair.Primary} {
		b := paired(t, role)
		b.appliance.Change(func(s *pair.Status) { s.Readiness = &pair.Readiness{Ready: true, Text: "Ready."} })
		if role == pair.Backup {
			b.get(Root+"/status").has(t, "Steady: it follows the primary.")
		}
		b.appliance.Change(func(s *pair.Status) {
			s.Readiness = &pair.Readiness{Text: "It would not take over: Enable Backup Operations is off.", NextStep: "Turn it on."}
		})
		p := b.get(Root + "/status")
		p.has(t, "Steady, but it would not take over now: see Readiness.")
		p.lacks(t, "it follows the primary")
	}
}

func TestBackupHasStatusAndFailover(t *testing.T) {
	t.Parallel()
	b := paired(t, pair.Backup)
	b.get(Root+"/status").has(t, "This host&#39;s status", "Steady, but it would not take over now: see Readiness.")
	b.get(atFailover).has(t, ">Become Primary</button>", "Pull a final data sync from the primary site", "Save Changes", `name="final" value="true" checked`)
	b.appliance.Change(func(s *pair.Status) { s.Peer.Reachable = false }) // so that nothing can be pulled
	b.get(atFailover).lacks(t, `name="final" value="true" checked`)
}

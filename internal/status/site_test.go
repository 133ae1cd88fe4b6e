package status

import (
	"testing"

	"baton/internal/failover"
	"baton/internal/pair"
)

func TestTheSiteInOneLine(t *testing.T) {
	sick := []pair.Condition{{ID: "site-sick", Text: "The site does not answer."}}
	for _, row := range []struct {
		seat sighting
		want pair.SiteStatus
	}{
		{sighting{served: failover.ServedHere, role: pair.Primary, shared: true, ready: true}, pair.SiteStatus{
			State: pair.SiteUp, ServedBy: "alpha", ProtectedBy: "beta", Text: "Up, served by alpha and protected by beta.",
		}},
		{sighting{served: failover.ServedHere, role: pair.Primary, shared: true, ready: true, hollow: true}, pair.SiteStatus{
			State: pair.SiteUp, ServedBy: "alpha", Text: "Up, served by alpha; beta would take over without the site's files.",
		}},
		{sighting{served: failover.ServedHere, role: pair.Primary, shared: true, ready: true, wasSick: true}, pair.SiteStatus{
			State: pair.SiteUp, ServedBy: "alpha", Text: "Up, served by alpha; beta would take over, and the site was sick there lately.",
		}},
		{sighting{served: failover.ServedHere, role: pair.Primary, shared: true}, pair.SiteStatus{
			State: pair.SiteUp, ServedBy: "alpha", Text: "Up, served by alpha; nothing protects it now.",
		}},
		{sighting{served: failover.ServedHere, role: pair.Primary}, pair.SiteStatus{
			State: pair.SiteUp, ServedBy: "alpha",
			Text: "Up, served by alpha: no shared IP is enabled on it, so it is reached at its own address at most; nothing protects it.",
		}},
		{sighting{served: failover.ServedHere, role: pair.Primary, shared: true, ready: true, conditions: sick}, pair.SiteStatus{
			State: pair.SiteDown, ServedBy: "alpha", Text: "Down: alpha holds the shared IP, and its site is sick.",
		}},
		{sighting{served: failover.ServedByPeer, role: pair.Backup, ready: true}, pair.SiteStatus{
			State: pair.SiteUp, ServedBy: "beta", ProtectedBy: "alpha", Text: "Up, served by beta and protected by alpha.",
		}},
		{sighting{served: failover.ServedByPeer, role: pair.Backup, ready: true, peerReports: sick}, pair.SiteStatus{
			State: pair.SiteDown, ServedBy: "beta", Text: "Down: beta holds the shared IP, and its site is sick.",
		}},
		{sighting{served: failover.ServedNowhere, role: pair.Primary, phase: pair.Conflict}, pair.SiteStatus{
			State: pair.SiteDown, Text: "Down: both appliances claim data that the other does not know, and neither serves until an administrator chooses.",
		}},
		{sighting{served: failover.ServedNowhere, role: pair.Primary, phase: pair.Claiming}, pair.SiteStatus{
			State: pair.SiteDown, Text: "Down: alpha is the primary and does not serve: it is claiming.",
		}},
		{sighting{served: failover.ServedNowhere, role: pair.Backup, peerRole: pair.Primary, peerPhase: pair.Isolated}, pair.SiteStatus{
			State: pair.SiteDown, Text: "Down: beta is the primary and does not serve: it is isolated.",
		}},
		{sighting{served: failover.ServedNowhere, role: pair.Backup, peerRole: pair.Primary, peerPhase: pair.Steady, peerStopped: true}, pair.SiteStatus{
			State: pair.SiteDown, Text: "Down: beta is the primary, and its daemon was stopped.",
		}},
		{sighting{served: failover.ServedNowhere, role: pair.Backup, peerRole: pair.Backup}, pair.SiteStatus{
			State: pair.SiteDown, Text: "Down: both appliances are backups.",
		}},
		{sighting{served: failover.ServedInAMoment}, pair.SiteStatus{
			State: pair.SiteSwitching, Text: "A planned switch is under way; requests wait until it is done.",
		}},
		{sighting{served: failover.ServedUnknown, role: pair.Backup, heardMS: 14_000, peerServed: true}, pair.SiteStatus{
			State: pair.SiteUnknown, Text: "Not known: beta served it when last heard 14 s ago, and does not answer now.",
		}},
		{sighting{served: failover.ServedUnknown, role: pair.Backup, heardMS: -1}, pair.SiteStatus{
			State: pair.SiteUnknown, Text: "Not known: beta has not been heard since this appliance started, and this one does not serve.",
		}},
	} {
		row.seat.self, row.seat.peer, row.seat.checked = "alpha", "beta", true
		if got := row.seat.status(); got != row.want {
			t.Errorf("%+v:\n got %+v\nwant %+v", row.seat, got, row.want)
		}
	}
	unchecked := sighting{served: failover.ServedHere, self: "alpha", peer: "beta", shared: true, ready: true}
	if got := unchecked.status(); got.State != pair.SiteUp || got.Text != "Up, served by alpha and protected by beta. Whether it answers there is not checked (site_check)." {
		t.Errorf("without a check: %+v", got)
	}
	alone := sighting{served: failover.ServedHere, self: "alpha", shared: true, checked: true}
	if got := alone.status(); got.Text != "Up, served by alpha; no backup protects it." {
		t.Errorf("standalone: %q", got.Text)
	}
}

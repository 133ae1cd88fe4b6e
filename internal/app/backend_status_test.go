package app

import (
	"context"
	"strings"
	"testing"

	"baton/internal/pair"
)

func TestThoseWhoWatchShareOneLookUntilSomethingChanges(t *testing.T) {
	a := pairedAppliance(t, pair.ApplianceID(strings.Repeat("0", 32)))
	look := func() pair.Status {
		status, _, err := a.tested().glance(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	first, second := look(), look()
	if !first.Since.Equal(second.Since) { // it is counted back from the instant of each look
		t.Error("two looks within a moment were two looks")
	}
	a.tested().newest.changed = make(chan struct{}) // as if something had changed since
	if third := look(); third.Since.Equal(first.Since) {
		t.Error("a change is not looked at")
	}
}

func TestHealthWithoutASharedIP(t *testing.T) {
	t.Parallel()
	a := runningAppliance(t)
	waitFor(t, "it says that only its own address leads to its site", func() bool {
		health := a.tested().Health(t.Context())
		return health.Serving && strings.Contains(health.Text, "no shared IP is enabled on it")
	})
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

// What was turned on at the peer a moment ago is not heard here yet, so silence is
// no proof.
func TestMaintenanceIsNotSaidToEndWhereThePeerCannotBeAsked(t *testing.T) {
	a := primaryOf(t, pair.Record{})
	nobody, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		known pair.MaintenanceStatus
		want  string
	}{
		{pair.MaintenanceStatus{}, "was not on here"},
		{pair.MaintenanceStatus{Peer: true}, "was turned on at the peer"},
		{pair.MaintenanceStatus{Here: true, Peer: true}, "was turned on at the peer"},
	} {
		if err := a.tested().endAtPeer(nobody, c.known); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.known, err)
		}
	}
	if err := a.tested().endAtPeer(nobody, pair.MaintenanceStatus{Here: true}); err != nil {
		t.Errorf("what was on here alone has ended: %v", err)
	}
}

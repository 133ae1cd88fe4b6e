package app

import (
	"context"
	"strings"
	"testing"

	"baton/internal/failover"
	"baton/internal/pair"
)

func TestThoseWhoWatchShareOneLookUntilSomethingChanges(t *testing.T) {
	a := pairedAppliance(t, pair.ApplianceID(strings.Repeat("0", 32)))
	look := func() pair.Status {
		status, _, err := a.backend.glance(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	first, second := look(), look()
	if !first.Since.Equal(second.Since) { // it is counted back from the instant of each look
		t.Error("two looks within a moment were two looks")
	}
	a.backend.newest.changed = make(chan struct{}) // as if something had changed since
	if third := look(); third.Since.Equal(first.Since) {
		t.Error("a change is not looked at")
	}
}

func TestHealthWithoutASharedIP(t *testing.T) {
	t.Parallel()
	a := runningAppliance(t)
	waitFor(t, "it says that only its own address leads to its site", func() bool {
		health := a.backend.Health(t.Context())
		return health.Serving && strings.Contains(health.Text, "no shared IP is enabled on it")
	})
}

func TestHealthOfAPrimaryWithoutASharedIP(t *testing.T) {
	t.Parallel()
	const truth = "only who asks at its own address gets the site"
	s := failover.State{Phase: pair.Steady}
	s.Record.Role, s.Door = pair.Primary, failover.Open
	if got := healthOf(s, false); !got.Serving || !strings.Contains(got.Text, truth) {
		t.Errorf("without one: %+v", got)
	}
	if got := healthOf(s, true); !got.Serving || strings.Contains(got.Text, truth) {
		t.Errorf("with one: %+v", got)
	}
	s.Record.Role = pair.Backup
	if got := healthOf(s, false); got.Serving || strings.Contains(got.Text, truth) {
		t.Errorf("of a backup: %+v", got)
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
		if err := a.backend.endAtPeer(nobody, c.known); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.known, err)
		}
	}
	if err := a.backend.endAtPeer(nobody, pair.MaintenanceStatus{Here: true}); err != nil {
		t.Errorf("what was on here alone has ended: %v", err)
	}
}

package watch

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"baton/internal/act/acttest"
	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
)

func TestTheWayBackIsTried(t *testing.T) {
	t.Parallel()
	loop := acttest.NewAgent()
	heard := func(is bool) {
		loop.Show(func(s *agent.Decision) {
			s.Config.Timeout, s.State.Record.Role = time.Hour, pair.Primary
			s.State.PeerHeard = failover.Moment{At: agent.BootClock(), Set: is}
		})
	}
	heard(true)
	var failed error
	w := &WayBack{
		Link:  &acttest.Link{Peer: &peer.Pinned{Name: "beta", Addresses: []string{"192.0.2.2:443"}}},
		Agent: loop,
		ask:   func(context.Context) error { return failed },
	}
	if w.Passes() != nil {
		t.Error("it is known before it was tried")
	}
	if next := w.try(t.Context()); next != backEvery || !*w.Passes() || len(w.Conditions()) > 0 {
		t.Error(next)
	}
	failed = errors.New("it does not answer")
	for n := range backLost {
		if len(w.Conditions()) > 0 {
			t.Errorf("it is told after %d tries", n)
		}
		if next := w.try(t.Context()); next != backInDoubt {
			t.Error(next)
		}
	}
	found := w.Conditions()
	if len(found) != 1 || *w.Passes() || !strings.HasPrefix(found[0].Text, "This primary does not get through to beta at 192.0.2.2:443, while beta") {
		t.Errorf("%+v", found)
	}
	heard(false) // a peer that is silent both ways is told as that
	if w.try(t.Context()); w.Passes() != nil || len(w.Conditions()) > 0 {
		t.Error("it is told of a silent peer")
	}
}

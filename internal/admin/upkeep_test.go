package admin

import (
	"context"
	"strings"
	"testing"

	"baton/internal/act/acttest"
	"baton/internal/pair"
	"baton/internal/peer"
)

// What was turned on at the peer a moment ago is not heard here yet, so silence is
// no proof.
func TestMaintenanceIsNotSaidToEndWhereThePeerCannotBeAsked(t *testing.T) {
	u := &Upkeep{Agent: acttest.NewAgent(), Link: &acttest.Link{Peer: &peer.Pinned{ID: "beta"}}}
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
		if err := u.endAtPeer(nobody, c.known); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.known, err)
		}
	}
	if err := u.endAtPeer(nobody, pair.MaintenanceStatus{Here: true}); err != nil {
		t.Errorf("what was on here alone has ended: %v", err)
	}
}

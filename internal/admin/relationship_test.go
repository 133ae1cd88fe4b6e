package admin

import (
	"fmt"
	"strings"
	"testing"

	"baton/internal/act/acttest"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/peer"
)

func TestAWrongKeyIsToldWithItsFingerprint(t *testing.T) {
	link := &acttest.Link{Keys: peer.KeyState{Set: true, Fingerprint: "0123-4567"}}
	err := (&Relationship{Link: link}).notPaired(fmt.Errorf("connect: %w", peer.ErrKeyMismatch))
	if pair.CodeOf(err) != pair.Refused || !strings.Contains(err.Error(), link.Keys.Fingerprint) || !strings.Contains(err.Error(), "Management > Security") {
		t.Error(err)
	}
}

// Breaking the relationship needs force where the peer would not learn of it, and says which of the two it is.
func TestARelationshipThatThePeerWouldNotLearnOfIsKept(t *testing.T) {
	for err, want := range map[error]string{
		fmt.Errorf("%w: %w", peer.ErrNotTold, peer.ErrUnreachable):     "the peer does not answer",
		fmt.Errorf("%w: %w", peer.ErrNotTold, peer.ErrIdentityChanged): "the peer answers and refuses this appliance",
	} {
		link := &acttest.Link{Peer: &peer.Pinned{ID: "beta", Name: "beta"}, Err: err}
		told := (&Relationship{Link: link, Pairing: link}).Unpair(t.Context(), api.UnpairRequest{})
		if _, paired := link.Paired(); !paired || pair.CodeOf(told) != pair.Unreachable || !strings.Contains(told.Error(), want) || !strings.Contains(told.Error(), "--force") {
			t.Errorf("paired %t, %v", paired, told)
		}
	}
}

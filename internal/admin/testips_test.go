package admin

import (
	"fmt"
	"testing"

	"baton/internal/peer"
)

// A peer that answers and is of another version is not one that is to be brought back.
func TestWhyThePeersReachIsNotKnown(t *testing.T) {
	for want, failed := range map[string]error{
		"not known: the version of Baton on beta does not test for its peer": peer.ErrNotKnownThere,
		"not known: beta has not told":                                       peer.ErrUnreachable,
	} {
		why := whyUnknown("beta", fmt.Errorf("call: %w", failed))
		if why != want {
			t.Errorf("got %q, want %q", why, want)
		}
	}
}

package admin

import (
	"fmt"
	"strings"
	"testing"

	"baton/internal/act/acttest"
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

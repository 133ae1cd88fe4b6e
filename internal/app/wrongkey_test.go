package app

import (
	"fmt"
	"strings"
	"testing"

	"baton/internal/pair"
	"baton/internal/peer"
)

func TestAWrongKeyIsToldWithItsFingerprint(t *testing.T) {
	b := withUsers(t)
	if _, err := b.SetKey(fromLocal(t.Context()), "a key for both machines"); err != nil {
		t.Fatal(err)
	}
	err := b.notPaired(fmt.Errorf("connect: %w", peer.ErrKeyMismatch))
	if pair.CodeOf(err) != pair.Refused || !strings.Contains(err.Error(), b.link.KeyState().Fingerprint) || !strings.Contains(err.Error(), "Management > Security") {
		t.Error(err)
	}
}

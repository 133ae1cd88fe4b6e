package app

import (
	"strings"
	"testing"

	"baton/internal/act"
	"baton/internal/failover"
	"baton/internal/peer"
)

// A refusal that one command ends names it.
func TestARefusalNamesTheCommandThatEndsIt(t *testing.T) {
	for command, err := range map[string]error{
		"baton pair HOST":  act.Failure(peer.ErrNotPaired),
		"baton key set":    act.Failure(peer.ErrNoKey),
		"run baton pair H": act.RefusedFor(failover.NotPaired),
	} {
		if !strings.Contains(err.Error(), command) {
			t.Errorf("%v names no %s", err, command)
		}
	}
}

package status

import (
	"strings"
	"testing"

	"baton/internal/pair"
)

func TestWhoeverChangesSomethingBesideASilentPeerHearsWhoLeads(t *testing.T) {
	if got := whoLeads(pair.Primary); !strings.Contains(got, "is the primary now") {
		t.Error(got)
	}
	if got := whoLeads(pair.Backup); !strings.Contains(got, "look at the peer") {
		t.Error(got)
	}
}

// A setting that only one of two versions knows is never confirmed: the sentence says so.
func TestWhatAPeerOfAnotherVersionDoesNotConfirm(t *testing.T) {
	for theirs, want := range map[string]string{
		"1.1": "look at the peer before you rely on it",
		"":    "look at the peer before you rely on it",
		"1.0": "it runs version 1.0 of Baton, this appliance 1.1, and may not know what was changed: install the same version on both",
	} {
		if got := unconfirmed("the settings are saved", "1.1", theirs); !strings.HasSuffix(got, want) {
			t.Errorf("a peer of version %q: %s", theirs, got)
		}
	}
}

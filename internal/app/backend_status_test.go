package app

import (
	"strings"
	"testing"

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

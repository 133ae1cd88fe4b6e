package app

import (
	"strings"
	"testing"
	"time"

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
	health := a.backend.Health(t.Context())
	for end := time.Now().Add(10 * time.Second); !health.Serving && time.Now().Before(end); health = a.backend.Health(t.Context()) {
		time.Sleep(5 * time.Millisecond)
	}
	if !health.Serving || !strings.Contains(health.Text, "no shared IP is enabled on it") {
		t.Errorf("%+v", health)
	}
}

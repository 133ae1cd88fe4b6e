package admin

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"baton/internal/act"
	"baton/internal/act/acttest"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/store"
)

// TestTheTimeoutOfANewPair tries who tells that the traffic lease is in force.
func TestTheTimeoutOfANewPair(t *testing.T) {
	t.Parallel()
	for text, row := range map[string]struct {
		here, there bool
		want        time.Duration
	}{
		"Primary Site Instance Timeout 3 s: the traffic lease is in force on both.":                   {true, true, 3 * time.Second},
		"Primary Site Instance Timeout 5 s: the traffic lease is not known to be in force on beta.":   {true, false, 5 * time.Second},
		"Primary Site Instance Timeout 5 s: the traffic lease is not in force on alpha.":              {false, true, 5 * time.Second},
		"Primary Site Instance Timeout 5 s: the traffic lease is not known to be in force on either.": {false, false, 5 * time.Second},
	} {
		dir := t.TempDir()
		site, err := store.OpenSite(t.Context(), filepath.Join(dir, "site.db"), pair.ApplianceID(strings.Repeat("a", 32)), slog.New(slog.DiscardHandler), dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = site.Close() })
		agent := acttest.NewAgent()
		settings := &Settings{
			Agent: agent, Store: site, InForce: inforce.NewSettings(pair.DefaultSettings(), 1),
			Lead: &act.Lead{Agent: agent, Link: &acttest.Link{}}, Enforce: func(*failover.Config) {},
		}
		if err := settings.Paired(t.Context(), Leased{"alpha", row.here}, Leased{"beta", row.there}); err != nil {
			t.Fatal(err)
		}
		if got := settings.InForce.Get().PrimaryTimeout; got != row.want {
			t.Errorf("%v in force, wanted %v", got, row.want)
		}
		events, err := site.History.Events(t.Context(), store.Filter{})
		if err != nil || len(events) != 1 || events[0].Text != text {
			t.Errorf("the history has %v, wanted %q", events, text)
		}
	}
}

package admin

import (
	"net"
	"strings"
	"testing"

	"baton/internal/act/acttest"
	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/pair"
)

// TestACheckThatWouldMoveTheSiteIsNotSaved tries checks of a site on an appliance that
// serves it, and would hand it over.
func TestACheckThatWouldMoveTheSiteIsNotSaved(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	well, dead := pair.HealthCheck{TCP: listener.Addr().String()}, pair.HealthCheck{TCP: "127.0.0.1:1"}
	for name, row := range map[string]struct {
		check   pair.HealthCheck
		change  func(*failover.State, *pair.Settings)
		refused bool
	}{
		"it fails":                      {dead, func(*failover.State, *pair.Settings) {}, true},
		"it passes":                     {well, func(*failover.State, *pair.Settings) {}, false},
		"no check":                      {pair.HealthCheck{}, func(*failover.State, *pair.Settings) {}, false},
		"no automatic failover":         {dead, func(_ *failover.State, s *pair.Settings) { s.AutomaticFailover = false }, false},
		"in a maintenance":              {dead, func(s *failover.State, _ *pair.Settings) { s.Record.Maintenance = true }, false},
		"in a maintenance of the peer":  {dead, func(s *failover.State, _ *pair.Settings) { s.Peer.Maintenance = true }, false},
		"it does not serve":             {dead, func(s *failover.State, _ *pair.Settings) { s.Door = failover.Closed }, false},
		"it is standalone, and no pair": {dead, func(s *failover.State, _ *pair.Settings) { s.Record.Role = pair.Standalone }, false},
	} {
		wanted := pair.DefaultSettings()
		wanted.SiteCheck, wanted.AutomaticFailover = row.check, true
		loop := acttest.NewAgent()
		loop.Show(func(decision *agent.Decision) {
			decision.State.Record.Role, decision.State.Door = pair.Primary, failover.Open
			row.change(&decision.State, &wanted)
		})
		settings := &Settings{Agent: loop, InForce: inforce.NewSettings(pair.DefaultSettings(), 1)}
		err := settings.trySite(t.Context(), wanted)
		if (err != nil) != row.refused {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "nothing listens there") || !strings.Contains(err.Error(), "baton maintenance on")) {
			t.Errorf("%s: %v", name, err)
		}
		settings.InForce = inforce.NewSettings(wanted, 2)
		if err := settings.trySite(t.Context(), wanted); err != nil {
			t.Errorf("%s: refused with every other setting: %v", name, err)
		}
	}
}

package exchange

import (
	"strings"
	"testing"

	"baton/internal/act/acttest"
	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer/wire"
)

// Settings that this backup refuses, as those of a later version, are told of until they
// are in force, or it is no backup any more.
func TestSettingsThatABackupRefusesAreACondition(t *testing.T) {
	x := newExchange(t)
	loop := acttest.NewAgent()
	x.Agent, x.Enforce = loop, func(*failover.Config) {}
	become := func(role pair.Role) { loop.Show(func(s *agent.Decision) { s.State.Record.Role = role }) }
	become(pair.Backup)
	tell := func(version int64, zone string) {
		settings := pair.Texts(pair.DefaultSettings())
		settings["time_zone"] = zone
		x.adopt(t.Context(), wire.Exchange{Settings: settings, SettingsVersion: version})
	}
	refused := func() string {
		for _, c := range x.Conditions() {
			return c.ID + ": " + c.Text
		}
		return ""
	}
	tell(2, "Mars/Olympus")
	if got := refused(); !strings.HasPrefix(got, "settings-refused: This backup refuses") || !strings.Contains(got, "time_zone") || !strings.Contains(got, "Mars/Olympus") {
		t.Errorf("refused settings: %q", got)
	}
	if zone := x.Settings.Get().TimeZone; zone != "UTC" {
		t.Errorf("the time zone in force is %s", zone)
	}
	become(pair.Primary)
	if got := refused(); got != "" {
		t.Errorf("a primary says %q", got)
	}
	become(pair.Backup)
	tell(3, "Europe/Berlin")
	if got := refused(); got != "" || x.Settings.Get().TimeZone != "Europe/Berlin" {
		t.Errorf("settings that are in force: %q", got)
	}
	tell(4, "Mars/Olympus")
	x.Settings.Hear(x.Settings.Get(), 5)
	tell(5, "Europe/Berlin")
	if got := refused(); got != "" {
		t.Errorf("settings that came with a data sync: %q", got)
	}
}

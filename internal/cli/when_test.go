package cli

import (
	"testing"

	"baton/internal/pair"
)

// A primary whose backup is away, or that is in maintenance, serves all the same: what its crontab has runs on.
func TestWhereACommandRuns(t *testing.T) {
	t.Parallel()
	served := func(by string) pair.SiteStatus { return pair.SiteStatus{State: pair.SiteUp, ServedBy: by} }
	for name, row := range map[string]struct {
		status pair.Status
		runs   bool
	}{
		"primary":                    {pair.Status{Role: pair.Primary, Site: served("alpha")}, true},
		"primary without its backup": {pair.Status{Role: pair.Primary, State: pair.Alone, Site: served("alpha")}, true},
		"primary in maintenance":     {pair.Status{Role: pair.Primary, State: pair.Maintenance, Site: served("alpha")}, true},
		"standalone":                 {pair.Status{Role: pair.Standalone, Site: served("alpha")}, true},
		"on the way to primary":      {pair.Status{Role: pair.Primary, State: pair.Claiming, Site: pair.SiteStatus{State: pair.SiteUnknown}}, false},
		"primary that was cut off":   {pair.Status{Role: pair.Primary, State: pair.Isolated, Site: pair.SiteStatus{State: pair.SiteDown}}, false},
		"in a switch":                {pair.Status{Role: pair.Primary, State: pair.Handover, Site: pair.SiteStatus{State: pair.SiteSwitching}}, false},
		"backup":                     {pair.Status{Role: pair.Backup, Site: served("beta")}, false},
	} {
		row.status.Appliance.Name = "alpha"
		if runs := serves(row.status); runs != row.runs {
			t.Errorf("%s: %t", name, runs)
		}
	}
}

package watch

import (
	"context"
	"time"

	"baton/internal/agent"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/probe"
)

// Pace of the check of the site. A site is sick after sickAfter failures in a row, and
// well again after wellAfter answers in a row: one lost packet decides nothing.
const (
	siteEvery = 2 * time.Second
	siteWait  = 2 * time.Second
	sickAfter = 3
	wellAfter = 2
)

// TrySite asks the site once, as the check of it does, and returns why it does not pass.
func TrySite(ctx context.Context, check pair.SiteCheck) error {
	return probe.Site(ctx, check, siteWait)
}

// siteChecks judges the site by what the checks in a row have found.
type siteChecks struct {
	check pair.SiteCheck // that the counts are of
	bad   int            // failures in a row
	good  int            // answers in a row
	sick  bool           // as last told
}

// take counts one result, and says whether to tell it: nil, or why the site is sick.
func (c *siteChecks) take(failed error) (why error, tell bool) {
	if failed != nil {
		c.bad, c.good = c.bad+1, 0
		c.sick = c.sick || c.bad >= sickAfter
		return failed, c.sick
	}
	c.bad, c.good = 0, c.good+1
	if !c.sick || c.good < wellAfter {
		return nil, false
	}
	c.sick = false
	return nil, true
}

// renew begins anew if the check is another, or none any more. It reports whether a
// site that was told to be sick is so no longer, as far as is known.
func (c *siteChecks) renew(check pair.SiteCheck) (well bool) {
	if check == c.check {
		return false
	}
	well = c.sick
	*c = siteChecks{check: check}
	return well
}

// Site checks the site on the primary.
type Site struct {
	Agent interface {
		Decision() agent.Decision
		SiteChecked(check pair.SiteCheck, why error)
	}
	Settings *inforce.Settings
}

// Run checks the site as long as this appliance serves it. Nobody else tells what
// is found: it would cross with a check that is under way.
func (w *Site) Run(ctx context.Context) error {
	ticker := time.NewTicker(siteEvery)
	defer ticker.Stop()
	var so siteChecks
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		state, wanted := w.Agent.Decision().State, w.Settings.Get().SiteCheck
		check := wanted
		if !state.Serving() || state.Record.Role == pair.Backup {
			check = pair.SiteCheck{}
		}
		if so.renew(check) {
			w.Agent.SiteChecked(wanted, nil)
		}
		if check.IsZero() {
			continue
		}
		if why, tell := so.take(probe.Site(ctx, check, siteWait)); tell && ctx.Err() == nil {
			w.Agent.SiteChecked(check, why)
		}
	}
}

package watch

import (
	"context"
	"time"

	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/probe"
)

// Pace of the check of the site.
const (
	siteEvery = 2 * time.Second
	siteWait  = 2 * time.Second
)

// TrySite asks the site once, as the check of it does, and returns why it does not pass.
func TrySite(ctx context.Context, check pair.HealthCheck) error {
	return probe.Site(ctx, check, siteWait)
}

// siteChecks judges the site by what the checks in a row have found.
type siteChecks struct {
	check  pair.HealthCheck // that the judgement is of
	judged probe.Judged
	why    error // it is sick; nil: it is not, as far as is known
}

// renew begins anew if the check is another, or none any more.
func (c *siteChecks) renew(check pair.HealthCheck) {
	if check != c.check {
		*c = siteChecks{check: check}
	}
}

func (c *siteChecks) take(failed error) {
	if why, told := c.judged.Take(failed); told {
		c.why = why
	}
}

// Site finds out on the primary whether the site is sick: by its own check, and by its services.
type Site struct {
	Agent interface {
		Decision() agent.Decision
		SiteChecked(check pair.HealthCheck, why error)
		Tell(event failover.Event)
	}
	Settings *inforce.Settings
	Services interface {
		Trouble() error // why the site is sick by what its services tell
		Fit() bool      // nothing is known that would keep one from being started here
	}

	unfit bool // as last told
}

// Run looks at the site as long as this appliance serves it. Nobody else tells what
// is found: it would cross with a check that is under way.
func (w *Site) Run(ctx context.Context) error {
	ticker := time.NewTicker(siteEvery)
	defer ticker.Stop()
	var so siteChecks
	told := false // that it is sick
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		w.tellFit()
		state, wanted := w.Agent.Decision().State, w.Settings.Get().SiteCheck
		serves := state.Serving() && state.Record.Role != pair.Backup
		check := wanted
		if !serves {
			check = pair.HealthCheck{}
		}
		if so.renew(check); !check.IsZero() {
			so.take(probe.Site(ctx, check, siteWait))
		}
		why := so.why
		if trouble := w.Services.Trouble(); serves && trouble != nil {
			why = trouble
		}
		if (why != nil || told) && ctx.Err() == nil {
			told = why != nil
			w.Agent.SiteChecked(wanted, why)
		}
	}
}

// tellFit tells whether the services could be started here, if that is another than was told before.
func (w *Site) tellFit() {
	if fit := w.Services.Fit(); fit == w.unfit {
		w.unfit = !fit
		w.Agent.Tell(failover.DryStartEnded{Fit: fit})
	}
}

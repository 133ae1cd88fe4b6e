package watch

import (
	"context"

	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/health"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/probe"
	"baton/internal/tick"
)

// TrySite asks the site once, as the check of it does, and returns why it does not pass.
func TrySite(ctx context.Context, check pair.HealthCheck) error {
	return probe.Site(ctx, check, health.Answer{}, health.Pace{}.OrUsual().Wait)
}

// siteChecks judges the site by what the checks in a row have found.
type siteChecks struct {
	check  pair.HealthCheck // that the judgement is of
	judged health.Judged
}

// renew begins anew if the check is another, or none any more.
func (c *siteChecks) renew(check pair.HealthCheck) {
	if check != c.check {
		*c = siteChecks{check: check}
	}
}

// verdict is what is known of the site.
type verdict int

const (
	notServed verdict = iota // here
	unknown
	well
	sick
)

// Part is something that the site needs, and that judges itself.
type Part interface {
	// Verdict says why the site on this primary is sick; nil: it is not, as far as is known. It is judged once
	// that is known.
	Verdict() (sick error, judged bool)
}

// Site finds out on the primary whether the site is sick: by its own check, and by its parts.
type Site struct {
	Agent interface {
		Decision() agent.Decision
		SiteChecked(check pair.HealthCheck, why error)
		Tell(event failover.Event)
	}
	Settings *inforce.Settings
	Parts    []Part
	Fit      func() bool // nothing is known that would keep this appliance from serving the site as it should

	told  verdict
	unfit bool // as last told
}

// Run looks at the site as long as this appliance serves it. Nobody else tells what
// is found: it would cross with a check that is under way.
func (w *Site) Run(ctx context.Context) error {
	ticker := tick.Every(health.Pace{}.OrUsual().Every)
	defer ticker.Stop()
	var so siteChecks
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
			so.judged.Take(health.Pace{}, TrySite(ctx, check))
		}
		found, why := notServed, error(nil)
		if serves {
			found, why = w.judge(&so)
		}
		if ctx.Err() == nil {
			w.tell(wanted, found, why)
		}
	}
}

// tell passes on what is known of the site: that it is sick each time, as the reason may be
// another, and else what is news.
func (w *Site) tell(check pair.HealthCheck, found verdict, why error) {
	switch {
	case found == unknown && w.told == sick: // until it is known to be well
		return
	case found == sick, found == well && w.told != well, found == notServed && w.told == sick:
		w.Agent.SiteChecked(check, why)
	}
	w.told = found
}

// judge says what is known of the site, and why it is sick. It is well once everything that
// judges it finds it so: a site that was sick here before is well again then.
func (w *Site) judge(so *siteChecks) (found verdict, why error) {
	judged := true
	for _, part := range w.Parts {
		trouble, known := part.Verdict()
		if trouble != nil {
			return sick, trouble
		}
		judged = judged && known
	}
	switch {
	case so.judged.Why() != nil:
		return sick, so.judged.Why()
	case judged && (so.check.IsZero() || so.judged.Judged()):
		return well, nil
	}
	return unknown, nil
}

// tellFit tells whether the site could be served here, if that is another than was told before.
func (w *Site) tellFit() {
	if fit := w.Fit(); fit == w.unfit {
		w.unfit = !fit
		w.Agent.Tell(failover.DryStartEnded{Fit: fit})
	}
}

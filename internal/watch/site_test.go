package watch

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/health"
	"baton/internal/inforce"
	"baton/internal/pair"
)

// TestASickSiteIsForgottenWithItsCheck replaces a check, and takes it away, as also when
// the site is not served here.
func TestASickSiteIsForgottenWithItsCheck(t *testing.T) {
	check := pair.HealthCheck{URL: "http://127.0.0.1/"}
	for name, next := range map[string]pair.HealthCheck{
		"another check": {TCP: "127.0.0.1:80"},
		"no check":      {},
	} {
		var c siteChecks
		c.renew(check)
		for range 3 {
			c.judged.Take(health.Pace{}, errors.New("gone"))
		}
		if c.renew(check); c.judged.Why() == nil {
			t.Errorf("%s: forgotten although nothing has changed", name)
		}
		if c.renew(next); c.judged.Why() != nil {
			t.Errorf("%s: a site that was told to be sick stays so", name)
		}
	}
}

// appliance is one whose services say how they are, and which is told how its site is.
type appliance struct {
	state  failover.State
	sick   error
	judged bool
	told   []string
}

func (a *appliance) Decision() agent.Decision { return agent.Decision{State: a.state} }
func (a *appliance) Tell(failover.Event)      {}
func (a *appliance) Verdict() (error, bool)   { return a.sick, a.judged }
func (a *appliance) Fit() bool                { return true }

func (a *appliance) SiteChecked(_ pair.HealthCheck, why error) {
	text := "well"
	if why != nil {
		text = why.Error()
	}
	a.told = append(a.told, text)
}

// TestTheFirstVerdictIsTold: a site that was sick here before is well again as soon as everything that
// judges it finds it so, and not before.
func TestTheFirstVerdictIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &appliance{}
		w := &Site{Agent: a, Parts: []Part{a}, Fit: a.Fit, Settings: inforce.NewSettings(pair.Settings{}, 1)}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() { _ = w.Run(ctx) }()
		expect := func(what string, want ...string) {
			t.Helper()
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if !slices.Equal(slices.Compact(a.told), want) {
				t.Errorf("%s: told %q, want %q", what, a.told, want)
			}
			a.told = nil
		}
		a.judged = true
		expect("a backup")
		a.state.Door = failover.Open
		a.judged = false
		expect("not judged yet")
		a.judged = true
		expect("well", "well")
		expect("no news")
		a.sick = errors.New("ill")
		expect("sick", "ill")
		expect("sick still", "ill")
		a.sick, a.judged = nil, false
		expect("another check, which has not judged")
		a.judged = true
		expect("well again", "well")
		a.sick = errors.New("ill")
		expect("sick again", "ill")
		a.state.Door = failover.Closed
		expect("the site goes, sick", "well") // it is nobody's here: the decision keeps that it was sick
		a.sick, a.state.Door = nil, failover.Open
		expect("it is back", "well")
		a.state.Door = failover.Closed
		expect("the site is closed")
		a.state.Door = failover.Open
		expect("it is open again", "well")
	})
}

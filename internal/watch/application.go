package watch

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"baton/internal/config"
	"baton/internal/pair"
	"baton/internal/tick"
)

// Application watches the application that Baton itself serves as the public site: whether
// somebody listens there. Whether it answers well, the check of the site finds out.
type Application struct {
	Upstream config.Upstream // the zero value: there is none
	Name     string          // of this appliance
	Serving  func() bool

	silent atomic.Bool
}

// How an application is tried.
const (
	applicationEvery = 3 * time.Second
	applicationWait  = 2 * time.Second
)

// Run looks until ctx ends.
func (a *Application) Run(ctx context.Context) error {
	ticker := tick.Every(applicationEvery)
	defer ticker.Stop()
	for a.Upstream.Address != "" {
		a.silent.Store(!a.Answers(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
	return nil
}

// Answers reports whether a connection can be made.
func (a *Application) Answers(ctx context.Context) bool {
	dialer := net.Dialer{Timeout: applicationWait}
	conn, err := dialer.DialContext(ctx, a.Upstream.Network, a.Upstream.Address)
	if err != nil {
		return false
	}
	_ = conn.Close() // it was only tried
	return true
}

// Conditions tells of an application that cannot be reached while this appliance serves the
// site. On a backup it may be meant to rest.
func (a *Application) Conditions() []pair.Condition {
	if !a.silent.Load() || !a.Serving() {
		return nil
	}
	return []pair.Condition{{
		ID: "site-application-unreachable", Severity: pair.Critical,
		Text:     "Nothing listens on " + a.Name + " at " + a.Upstream.Text + ", where the application behind the public site should be: visitors are asked to try again.",
		NextStep: "Start the application, or correct upstream in [site] of the configuration file.",
	}}
}

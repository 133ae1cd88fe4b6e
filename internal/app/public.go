package app

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"baton/internal/certificate"
	"baton/internal/pair"
	"baton/internal/store"
)

// showSite brings into force what the site database says now. What cannot be read
// leaves in force what was.
func (a *Appliance) showSite(ctx context.Context) error {
	return a.public.Read(func() (site pair.Site, kept certificate.Stored, err error) {
		_, siteErr := a.site.Documents.Read(ctx, store.SiteDocument, &site)
		_, certificateErr := a.site.Documents.Read(ctx, store.CertificateDocument, &kept)
		return site, kept, errors.Join(siteErr, certificateErr)
	})
}

func (a *Appliance) mayReadMetrics(from netip.Addr) bool {
	return slices.ContainsFunc(a.config.MetricsAllow, func(network netip.Prefix) bool { return network.Contains(from) })
}

// expiring are the conditions of the site's certificate, which the primary renews.
func (a *Appliance) expiring() []pair.Condition {
	if a.local.State().Record.Role == pair.Backup {
		return nil
	}
	return a.public.Conditions(time.Now())
}

// showDocuments brings into force what the site database says of the site's page and
// certificate, of who may come in, and of who is notified.
func (a *Appliance) showDocuments(ctx context.Context) {
	a.people.Security.Load(ctx)
	if err := a.showSite(ctx); err != nil {
		a.log.Error("the site's page or certificate cannot be shown", slog.String("error", err.Error()))
	}
	a.notifier.Wake()
}

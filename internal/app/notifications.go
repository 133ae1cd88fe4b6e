package app

import (
	"context"
	"slices"
	"time"

	"baton/internal/notify"
	"baton/internal/pair"
	"baton/internal/store"
)

// newNotifier makes what tells people and programs what happens here.
func (a *Appliance) newNotifier() *notify.Notifier {
	return notify.New(notify.Options{
		History: a.site.History, Store: a.site.Outbox, Courier: notify.NewSender(a.version, nil), Record: a.history.Record, Log: a.log,
		Settings: func(ctx context.Context) (pair.Notifications, error) {
			settings, _, err := a.notifications.Read(ctx)
			return settings, err
		},
		Situation: a.situation, Report: a.daily, Next: a.settings.NextDaily,
	})
}

// situation is what the notifier needs to know of this appliance now.
func (a *Appliance) situation(ctx context.Context) notify.Situation {
	var site pair.Site
	_, _ = a.site.Documents.Read(ctx, store.SiteDocument, &site) // a site without a name is one, too
	role := a.agent.Decision().State.Record.Role
	s := notify.Situation{
		Self: a.identity.ID(), Name: a.config.Name, Site: site.Name, Role: role,
		Zone: a.settings.Get().Location(), Console: place(a.config).console(site.HostName),
	}
	if pinned, paired := a.link.Paired(); paired {
		s.PairID = pinned.PairID
		status := a.overview.PeerStatus(time.Now())
		s.Led = role == pair.Backup && status.Reachable && status.Role == pair.Primary
	}
	return s
}

// daily is the health of the pair and the history of the last 24 hours.
func (a *Appliance) daily(ctx context.Context) (notify.Daily, error) {
	const most = 10_000
	const shown = 20
	status, err := a.overview.Status(ctx)
	if err != nil {
		return notify.Daily{}, err
	}
	report := notify.Daily{Status: status, Since: time.Now().Add(-24 * time.Hour)}
	kinds := slices.DeleteFunc(append(pair.ToldKinds(), pair.KindConditionRaised), func(kind string) bool { return kind == pair.KindSyncDone })
	events, err := a.site.History.Events(ctx, store.Filter{Since: report.Since, Kinds: kinds, Limit: most})
	if err != nil {
		return notify.Daily{}, err
	}
	times := map[string]int{}
	for _, event := range events {
		times[event.Kind]++
	}
	for _, kind := range kinds {
		if times[kind] > 0 {
			report.Counts = append(report.Counts, notify.Count{Kind: kind, Times: times[kind]})
		}
	}
	matters := pair.DefaultTell()
	report.Events = slices.DeleteFunc(events, func(e pair.Event) bool {
		return !slices.Contains(matters.Kinds, e.Kind) && !matters.Covers(pair.Severity(e.Detail["severity"]))
	})
	report.Events = report.Events[max(0, len(report.Events)-shown):]
	return report, nil
}

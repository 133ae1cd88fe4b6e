package app

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/datasync/schedule"
	"baton/internal/notify"
	"baton/internal/pair"
	"baton/internal/store"
)

// newNotifier makes what tells people and programs what happens here.
func (a *Appliance) newNotifier() *notify.Notifier {
	return notify.New(notify.Options{
		Keeper: a.site, Courier: notify.NewSender(a.version, nil), Record: a.history.Record, Log: a.log,
		Settings: func(ctx context.Context) (pair.Notifications, error) {
			settings, _, err := a.notifications.Read(ctx)
			return settings, err
		},
		Situation: a.situation, Report: a.daily, Next: a.nextDaily,
	})
}

// situation is what the notifier needs to know of this appliance now.
func (a *Appliance) situation(ctx context.Context) notify.Situation {
	var site pair.Site
	_, _ = a.site.ReadDocument(ctx, store.SiteDocument, &site) // a site without a name is one, too
	role := a.agent.Look().State.Record.Role
	s := notify.Situation{
		Self: a.identity.ID(), Name: a.config.Name, Site: site.Name, Role: role,
		Zone: a.settings.Get().Location(), Console: a.consoleURL(site.HostName),
	}
	if pinned, paired := a.link.Paired(); paired {
		s.PairID = pinned.PairID
		status := a.overview.PeerStatus(time.Now())
		s.Led = role == pair.Backup && status.Reachable && status.Role == pair.Primary
	}
	return s
}

// consoleURL is where somebody who was told looks next: the site's name leads to the
// primary, whichever that is then.
func (a *Appliance) consoleURL(hostName string) string {
	const path = "/login"
	port := ""
	if number := a.port(); number != 0 && number != 443 {
		port = ":" + strconv.Itoa(number)
	}
	if hostName != "" {
		return "https://" + hostName + port + path
	}
	if own := a.ownAddress(); own.IsValid() {
		return "https://" + strings.TrimSuffix(net.JoinHostPort(own.String(), ""), ":") + port + path
	}
	return ""
}

// nextDaily is when it is this time in the site's zone: once every local day, as for
// a daily data sync.
func (a *Appliance) nextDaily(at pair.TimeOfDay, after time.Time) time.Time {
	daily := pair.Settings{SyncSchedule: pair.ScheduleDaily, SyncTime: at, TimeZone: a.settings.Get().TimeZone}
	return schedule.Next(daily, after)
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
	events, err := a.site.Events(ctx, store.Filter{Since: report.Since, Kinds: kinds, Limit: most})
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

package app

import (
	"context"
	"encoding/json"
	"fmt"
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

// documentNotifications is the document of the site database that says who is told
// of what.
const documentNotifications = "notifications"

// newNotifier makes what tells people and programs what happens here.
func (a *Appliance) newNotifier() *notify.Notifier {
	return notify.New(notify.Options{
		Keeper: a.site, Courier: notify.NewSender(a.version, nil), Record: a.history.Record, Log: a.log,
		Settings: func(ctx context.Context) (pair.Notifications, error) {
			settings, _, err := a.notifications(ctx)
			return settings, err
		},
		Situation: a.situation, Report: a.daily, Next: a.nextDaily,
	})
}

// notifications reads who is told of what, and the version to save it again.
func (a *Appliance) notifications(ctx context.Context) (pair.Notifications, int64, error) {
	settings := pair.DefaultNotifications()
	text, version, err := a.site.Document(ctx, documentNotifications)
	if err == nil && version > 0 {
		err = json.Unmarshal(text, &settings)
	}
	if err != nil {
		return settings, version, fmt.Errorf("read the notifications: %w", err)
	}
	return settings, version, nil
}

// situation is what the notifier needs to know of this appliance now.
func (a *Appliance) situation(ctx context.Context) notify.Situation {
	var site pair.Site
	if text, version, err := a.site.Document(ctx, "site"); err == nil && version > 0 {
		_ = json.Unmarshal(text, &site) // a site without a name is one, too
	}
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

// untold are the conditions of notifications that do not get through.
func untold(channels []pair.ChannelState, now time.Time) []pair.Condition {
	const patience = 10 * time.Minute
	on, failing := 0, []string{}
	for _, channel := range channels {
		if !channel.Enabled {
			continue
		}
		on++
		if !channel.FailingSince.IsZero() && now.Sub(channel.FailingSince) >= patience {
			failing = append(failing, channel.LastError)
		}
	}
	const nextStep = "Remove the cause and use the test button under Management > Notifications; what waits is sent then."
	switch {
	case len(failing) == 0:
		return nil
	case len(failing) == on:
		silent := pair.Condition{
			ID: "notifications-silent", Severity: pair.Warning,
			Text: "No notification of this appliance gets through: " + failing[0], NextStep: nextStep,
		}
		return []pair.Condition{silent}
	}
	some := pair.Condition{
		ID: "notification-failing", Severity: pair.Warning,
		Text: "Notifications do not get through: " + failing[0], NextStep: nextStep,
	}
	return []pair.Condition{some}
}

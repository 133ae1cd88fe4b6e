package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/notify"
	"baton/internal/pair"
	"baton/internal/store"
)

// Notifications implements api.Notifications.
type Notifications struct {
	Lead     *act.Lead
	Store    *store.Site
	Notifier *notify.Notifier
}

// testWait bounds how long somebody waits for the result of a test.
const testWait = 30 * time.Second

// Notifications implements api.Notifications. The address of a webhook can be a secret
// as well: a person who may not change it sees only where it leads.
func (n *Notifications) Notifications(ctx context.Context) (api.SavedNotifications, error) {
	settings, version, err := n.Read(ctx)
	if err != nil {
		return api.SavedNotifications{}, act.Failure(err)
	}
	caller, known := api.CallerFrom(ctx)
	changes := known && (caller.Local || caller.Access.Covers(pair.Administrator))
	saved := api.SavedNotifications{Notifications: settings, Channels: n.channels(settings), Version: version}
	saved.Mail.Password = ""
	saved.Webhooks = slices.Clone(saved.Webhooks)
	for i := range saved.Webhooks {
		saved.Webhooks[i].Secret = ""
		if !changes {
			saved.Webhooks[i].URL = whereTo(saved.Webhooks[i].URL)
		}
	}
	return saved, nil
}

// whereTo returns the scheme and host of an address.
func whereTo(address string) string {
	target, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return target.Scheme + "://" + target.Host + "/…"
}

// channels tells how each channel of the settings does here, also one that was saved a
// moment ago.
func (n *Notifications) channels(settings pair.Notifications) []pair.ChannelState {
	known := n.Notifier.States()
	state := func(id, secret string, on bool) pair.ChannelState {
		state := pair.ChannelState{ID: id}
		if i := slices.IndexFunc(known, func(s pair.ChannelState) bool { return s.ID == id }); i >= 0 {
			state = known[i]
		}
		state.Enabled, state.SecretSet = on, secret != ""
		return state
	}
	channels := []pair.ChannelState{state(pair.MailChannel, settings.Mail.Password, settings.Mail.Enabled)}
	for _, w := range settings.Webhooks {
		channels = append(channels, state(w.ID, w.Secret, w.Enabled))
	}
	return channels
}

// SaveNotifications implements api.Notifications.
func (n *Notifications) SaveNotifications(ctx context.Context, wanted api.SavedNotifications) (api.SavedNotifications, error) {
	if err := n.Lead.Check(); err != nil {
		return api.SavedNotifications{}, err
	}
	before, version, err := n.Read(ctx)
	if err != nil {
		return api.SavedNotifications{}, act.Failure(err)
	}
	if wanted.Version != version { // only now it is certain whose password is meant
		return api.SavedNotifications{}, pair.Refuse(pair.Stale, "somebody else has changed this meanwhile: look at it again, then save")
	}
	after, err := notify.Prepare(wanted.Notifications, before)
	if err != nil {
		return api.SavedNotifications{}, act.Failure(err)
	}
	text, err := json.Marshal(after)
	if err != nil {
		return api.SavedNotifications{}, fmt.Errorf("write the notifications: %w", err)
	}
	changes := before.ChangesTo(after)
	what := "changed " + pair.ChangesText(changes)
	if len(changes) == 0 {
		what = "saved the notifications: " + summary(after)
	}
	event := pair.Event{Kind: pair.KindSettingChanged, Text: act.By(ctx).String() + " " + what + ".", Detail: act.By(ctx).Note()}
	pair.NoteChanges(event.Detail, changes)
	err = n.Lead.Change(func() error {
		_, err := n.Store.Documents.Save(ctx, store.NotificationsDocument, text, version, event)
		return err
	})
	if err != nil {
		return api.SavedNotifications{}, act.Failure(err)
	}
	n.Notifier.Wake()
	return n.Notifications(ctx)
}

// summary says who is told, for the audit, without any secret.
func summary(of pair.Notifications) string {
	var parts []string
	if of.Mail.Enabled {
		parts = append(parts, "mail through "+of.Mail.Host+" to "+strings.Join(of.Mail.To, ", "))
	}
	for _, w := range of.Webhooks {
		if w.Enabled {
			parts = append(parts, "webhook "+w.Name)
		}
	}
	if len(parts) == 0 {
		return "nobody is told"
	}
	return strings.Join(parts, "; ")
}

// TestNotification implements api.Notifications.
func (n *Notifications) TestNotification(ctx context.Context, channel string) (string, error) {
	settings, _, err := n.Read(ctx)
	if err != nil {
		return "", act.Failure(err)
	}
	name, reached := "the mail", settings.Mail.Host+" took the mail for "+strings.Join(settings.Mail.To, ", ")+"."
	if channel == pair.MailChannel {
		if settings.Mail.Host == "" || settings.Mail.From == "" || len(settings.Mail.To) == 0 {
			return "", pair.Refuse(pair.Refused, "no mail server, sender and recipient are saved: save them first, then test")
		}
	} else {
		i := slices.IndexFunc(settings.Webhooks, func(w pair.Webhook) bool { return w.ID == channel })
		if i < 0 {
			return "", pair.Refuse(pair.NotFound, "there is no webhook %.40q now: look at the page again", channel)
		}
		name, reached = "the webhook "+settings.Webhooks[i].Name, settings.Webhooks[i].Name+" took the test."
	}
	n.Lead.Audit.Note(ctx, "tested %s", name)
	ctx, cancel := context.WithTimeout(ctx, testWait)
	defer cancel()
	if err := n.Notifier.Test(ctx, settings, channel); err != nil {
		return "", err
	}
	return reached, nil
}

// Read reads who is told of what, and the version to save it again.
func (n *Notifications) Read(ctx context.Context) (pair.Notifications, int64, error) {
	settings := pair.DefaultNotifications()
	version, err := n.Store.Documents.Read(ctx, store.NotificationsDocument, &settings)
	return settings, version, err
}

// Conditions tell of notifications that do not get through.
func (n *Notifications) Conditions() []pair.Condition { return untold(n.Notifier.States(), time.Now()) }

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

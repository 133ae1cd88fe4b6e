package app

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
)

// testWait is how long somebody waits for what came of a test.
const testWait = 30 * time.Second

// Notifications implements api.Notifying. The address of a webhook can be a secret
// as well: who may not change it sees only where it leads.
func (b *backend) Notifications(ctx context.Context) (api.SavedNotifications, error) {
	settings, version, err := b.notifications(ctx)
	if err != nil {
		return api.SavedNotifications{}, act.Failure(err)
	}
	caller, known := api.CallerFrom(ctx)
	changes := known && (caller.Local || caller.Access.Covers(pair.Administrator))
	saved := api.SavedNotifications{Notifications: settings, Channels: b.channels(settings), Version: version}
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

// whereTo is an address without its path.
func whereTo(address string) string {
	target, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return target.Scheme + "://" + target.Host + "/…"
}

// channels tell how each channel of the settings fares here, also one that was saved
// a moment ago.
func (b *backend) channels(settings pair.Notifications) []pair.ChannelState {
	known := b.notifier.States()
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

// SaveNotifications implements api.Notifying.
func (b *backend) SaveNotifications(ctx context.Context, wanted api.SavedNotifications) (api.SavedNotifications, error) {
	if err := b.lead.Check(); err != nil {
		return api.SavedNotifications{}, err
	}
	before, version, err := b.notifications(ctx)
	if err != nil {
		return api.SavedNotifications{}, act.Failure(err)
	}
	if wanted.Version != version { // whose password is meant is certain only now
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
	err = b.lead.Change(func() error {
		_, err := b.site.SaveDocument(ctx, documentNotifications, text, version, event)
		return err
	})
	if err != nil {
		return api.SavedNotifications{}, act.Failure(err)
	}
	b.notifier.Wake()
	return b.Notifications(ctx)
}

// summary says who is told, for the audit, without any secret.
func summary(n pair.Notifications) string {
	var parts []string
	if n.Mail.Enabled {
		parts = append(parts, "mail through "+n.Mail.Host+" to "+strings.Join(n.Mail.To, ", "))
	}
	for _, w := range n.Webhooks {
		if w.Enabled {
			parts = append(parts, "webhook "+w.Name)
		}
	}
	if len(parts) == 0 {
		return "nobody is told"
	}
	return strings.Join(parts, "; ")
}

// TestNotification implements api.Notifying.
func (b *backend) TestNotification(ctx context.Context, channel string) (string, error) {
	settings, _, err := b.notifications(ctx)
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
	b.lead.Audit.Note(ctx, "tested %s", name)
	ctx, cancel := context.WithTimeout(ctx, testWait)
	defer cancel()
	if err := b.notifier.Test(ctx, settings, channel); err != nil {
		return "", err
	}
	return reached, nil
}

package apitest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"baton/internal/api"
	"baton/internal/pair"
)

// SilentReceiver is in the addresses of mail servers and webhooks that do not answer.
const SilentReceiver = "silent."

// Notifications implements api.Notifying.
func (a *Appliance) Notifications(ctx context.Context) (api.SavedNotifications, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	caller, _ := api.CallerFrom(ctx)
	return a.notificationsFor(caller), nil
}

// notificationsFor expects the lock to be held.
func (a *Appliance) notificationsFor(caller api.Caller) api.SavedNotifications {
	shown := a.notifications
	shown.Channels = []pair.ChannelState{a.channelState(pair.MailChannel, shown.Mail.Password, shown.Mail.Enabled)}
	shown.Mail.Password = ""
	shown.Webhooks = slices.Clone(shown.Webhooks)
	for i, w := range shown.Webhooks {
		shown.Channels = append(shown.Channels, a.channelState(w.ID, w.Secret, w.Enabled))
		shown.Webhooks[i].Secret = ""
		if !caller.Access.Covers(pair.Administrator) && !caller.Local {
			scheme, rest, _ := strings.Cut(w.URL, "://")
			host, _, _ := strings.Cut(rest, "/")
			shown.Webhooks[i].URL = scheme + "://" + host + "/…"
		}
	}
	return shown
}

func (a *Appliance) channelState(id, secret string, on bool) pair.ChannelState {
	state := a.channels[id]
	state.ID, state.Enabled, state.SecretSet = id, on, secret != ""
	return state
}

// SetChannel edits how a channel fares.
func (a *Appliance) SetChannel(id string, state pair.ChannelState) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.channels[id] = state
}

// SaveNotifications implements api.Notifying.
func (a *Appliance) SaveNotifications(ctx context.Context, wanted api.SavedNotifications) (api.SavedNotifications, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	caller, _ := api.CallerFrom(ctx)
	switch {
	case a.status.Role == pair.Backup:
		return api.SavedNotifications{}, pair.Refuse(pair.Refused, "this appliance is the backup and gets this from its primary: do it there")
	case wanted.Version != a.notifications.Version:
		return api.SavedNotifications{}, pair.Refuse(pair.Stale, "somebody else has changed this meanwhile: look at it again, then save")
	}
	if refused := a.completeNotifications(&wanted.Notifications); len(refused) > 0 {
		return api.SavedNotifications{}, &pair.Refusal{Code: pair.Usage, Text: errors.Join(errorsOf(refused)...).Error(), Fields: refused}
	}
	for i := range wanted.Webhooks {
		if w := &wanted.Webhooks[i]; w.ID == "" {
			a.made++
			w.ID = "hook" + strconv.Itoa(a.made)
		}
	}
	a.notifications.Notifications = wanted.Notifications
	a.notifications.Version++
	a.record(ctx, pair.KindSettingChanged, "The notifications were changed.", nil)
	return a.notificationsFor(caller), nil
}

// completeNotifications fills in what was left as it was, and refuses the plainest
// nonsense.
func (a *Appliance) completeNotifications(n *pair.Notifications) (refused []pair.Field) {
	refuse := func(bad bool, field, text string) {
		if bad {
			refused = append(refused, pair.Field{Name: field, Text: text})
		}
	}
	if n.Mail.Password == "" && n.Mail.User != "" {
		n.Mail.Password = a.notifications.Mail.Password
	}
	refuse(n.Mail.Enabled && n.Mail.Host == "", "mail.host", "name the mail server")
	refuse(n.Mail.Port < 1 || n.Mail.Port > 65535, "mail.port", "use 1 to 65535: 587 for STARTTLS, 465 for TLS, 25 without")
	refuse(n.Mail.Enabled && !strings.Contains(n.Mail.From, "@"), "mail.from", "name the sender's address")
	refuse(n.Mail.Enabled && len(n.Mail.To) == 0, "mail.to", "name at least one recipient")
	n.Webhooks = slices.Clone(n.Webhooks)
	for i := range n.Webhooks {
		w, field := &n.Webhooks[i], "webhooks."+strconv.Itoa(i)
		if at := slices.IndexFunc(a.notifications.Webhooks, func(s pair.Webhook) bool { return s.ID == w.ID && w.ID != "" }); at >= 0 && w.Secret == "" {
			w.Secret = a.notifications.Webhooks[at].Secret
		}
		refuse(w.Name == "", field+".name", "use 1 to 64 characters and no control characters")
		refuse(!strings.HasPrefix(w.URL, "http"), field+".url", "write an address like https://hooks.example.org/baton")
		refuse(len(w.Secret) < 16, field+".secret", "use 16 to 256 characters, as openssl rand -hex 32 makes")
	}
	return refused
}

func errorsOf(fields []pair.Field) (all []error) {
	for _, field := range fields {
		all = append(all, pair.RefuseField(field.Name, "%s", field.Text))
	}
	return all
}

// TestNotification implements api.Notifying.
func (a *Appliance) TestNotification(_ context.Context, channel string) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	target := a.notifications.Mail.Host
	if channel != pair.MailChannel {
		i := slices.IndexFunc(a.notifications.Webhooks, func(w pair.Webhook) bool { return w.ID == channel })
		if i < 0 {
			return "", pair.Refuse(pair.NotFound, "there is no webhook %.40q now: look at the page again", channel)
		}
		target = a.notifications.Webhooks[i].URL
	}
	if target == "" {
		return "", pair.Refuse(pair.Refused, "no mail server, sender and recipient are saved: save them first, then test")
	}
	if strings.Contains(target, SilentReceiver) {
		return "", pair.Refuse(pair.Unreachable, "%s did not answer in time: check address and port, and the firewalls between.", target)
	}
	return target + " took the test.", nil
}

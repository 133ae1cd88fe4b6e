package api

import (
	"context"
	"time"

	"baton/internal/pair"
)

// Notifications keeps who is told of what happens.
type Notifications interface {
	// Notifications has neither password nor secrets; the addresses of webhooks
	// are whole for administrators only.
	Notifications(ctx context.Context) (SavedNotifications, error)
	// SaveNotifications saves what was derived from notifications.Version;
	// pair.Stale if that is no longer the newest, Usage with its Fields if values
	// are refused.
	SaveNotifications(ctx context.Context, notifications SavedNotifications) (SavedNotifications, error)
	// TestNotification sends a test through a saved channel, mail or the id of a
	// webhook, and says in a sentence who took it.
	TestNotification(ctx context.Context, channel string) (string, error)
}

// GetNotifications tells who is told of what, and how that fares.
func GetNotifications() Op[Notifications, None, NotificationsAnswer] {
	return tagged(get("/notifications", "notifications", pair.Viewer, "Who is told of what, and how it fares; without password and secrets"),
		func(n Notifications, ctx context.Context, _ None) (NotificationsAnswer, error) {
			return notificationsOf(n.Notifications(ctx))
		})
}

// SaveNotifications saves all of it.
func SaveNotifications() Op[Notifications, NotificationsToSave, NotificationsAnswer] {
	return tagged(put("/notifications", "save-notifications", pair.Administrator, "Save all of it; an empty password or secret stays as it is"),
		func(n Notifications, ctx context.Context, wanted NotificationsToSave) (NotificationsAnswer, error) {
			now, err := n.Notifications(ctx)
			if err != nil {
				return NotificationsAnswer{}, err
			}
			if !agreed(wanted.IfMatch, now.Version) {
				return NotificationsAnswer{}, pair.Refuse(pair.Stale, "somebody else changed the notifications meanwhile: read them again and repeat the change")
			}
			return notificationsOf(n.SaveNotifications(ctx, SavedNotifications{Notifications: wanted.Body, Version: now.Version}))
		})
}

// TestNotification sends a test through a saved channel.
func TestNotification() Op[Notifications, ChannelRequest, Tested] {
	return askWith(post("/notifications/test", "test-notification", pair.Administrator, "Send a test through a saved channel").within(testTimeout),
		func(n Notifications, ctx context.Context, request ChannelRequest) (Tested, error) {
			text, err := n.TestNotification(ctx, request.Channel)
			return Tested{Text: text}, err
		})
}

func (s *Server) serveNotifications() {
	serve(s, s.backend.Notifications, GetNotifications())
	serve(s, s.backend.Notifications, SaveNotifications())
	serve(s, s.backend.Notifications, TestNotification())
}

// testTimeout is for a mail server that takes its time, and then says no.
const testTimeout = 40 * time.Second

// SavedNotifications say who is told of what, and how that fares on the appliance
// that answers. Password and secrets are never in an answer; an empty one in a
// question leaves it as it is.
type SavedNotifications struct {
	pair.Notifications

	Channels []pair.ChannelState `json:"channels,omitempty" readOnly:"true" doc:"How each channel fares on this appliance, mail first"`
	Version  int64               `json:"-"`
}

// NotificationsAnswer are the notifications, and the version that they have.
type NotificationsAnswer struct {
	ETag string `header:"ETag" doc:"Version of the notifications, for If-Match"`
	Body SavedNotifications
}

// NotificationsToSave are notifications as they shall be.
type NotificationsToSave struct {
	IfMatch string `header:"If-Match" maxLength:"64" doc:"Save only if this is still the version"`
	Body    pair.Notifications
}

func notificationsOf(saved SavedNotifications, err error) (NotificationsAnswer, error) {
	return NotificationsAnswer{ETag: etag(saved.Version), Body: saved}, err
}

// ChannelRequest names a channel: mail, or the id of a webhook.
type ChannelRequest struct {
	Channel string `json:"channel" minLength:"1" maxLength:"40"`
}

// Tested says what came of a test.
type Tested struct {
	Text string `json:"text"` // one sentence
}

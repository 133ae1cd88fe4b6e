package api

import (
	"context"
	"net/http"
	"time"

	"baton/internal/pair"
)

// testTimeout is for a mail server that takes its time, and then says no.
const testTimeout = 40 * time.Second

type notificationsAnswer struct {
	ETag string `header:"ETag" doc:"Version of the notifications, for If-Match"`
	Body SavedNotifications
}

type notificationsChange struct {
	IfMatch string `header:"If-Match" maxLength:"64" doc:"Save only if this is still the version"`
	Body    pair.Notifications
}

func (s *Server) addNotifications() {
	add(s, endpoint{method: http.MethodGet, path: "/notifications", name: "notifications", least: pair.Viewer, summary: "Who is told of what, and how it fares; without password and secrets"},
		func(ctx context.Context, _ *none) (*notificationsAnswer, error) {
			return notificationsOut(s.backend.Notifications.Notifications(ctx))
		})
	add(s, endpoint{method: http.MethodPut, path: "/notifications", name: "save-notifications", least: pair.Administrator, summary: "Save all of it; an empty password or secret stays as it is"},
		func(ctx context.Context, in *notificationsChange) (*notificationsAnswer, error) {
			return notificationsOut(s.saveNotifications(ctx, in.Body, in.IfMatch))
		})
	add(s, endpoint{method: http.MethodPost, path: "/notifications/test", name: "test-notification", least: pair.Administrator, timeout: testTimeout, summary: "Send a test through a saved channel"},
		func(ctx context.Context, in *question[ChannelRequest]) (*answer[Tested], error) {
			text, err := s.backend.Notifications.TestNotification(ctx, in.Body.Channel)
			return one(Tested{Text: text}, err)
		})
}

func notificationsOut(saved SavedNotifications, err error) (*notificationsAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &notificationsAnswer{ETag: etag(saved.Version), Body: saved}, nil
}

// saveNotifications saves over the newest version, which must be the wanted one if
// one is named.
func (s *Server) saveNotifications(ctx context.Context, wanted pair.Notifications, match string) (SavedNotifications, error) {
	current, err := s.backend.Notifications.Notifications(ctx)
	if err != nil {
		return SavedNotifications{}, err
	}
	if match != "" && match != "*" && match != etag(current.Version) {
		return SavedNotifications{}, pair.Refuse(pair.Stale, "somebody else changed the notifications meanwhile: read them again and repeat the change")
	}
	return s.backend.Notifications.SaveNotifications(ctx, SavedNotifications{Notifications: wanted, Version: current.Version})
}

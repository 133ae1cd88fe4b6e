package api

import "baton/internal/pair"

// SavedNotifications say who is told of what, and how that fares on the appliance
// that answers. Password and secrets are never in an answer; an empty one in a
// question leaves it as it is.
type SavedNotifications struct {
	pair.Notifications

	Channels []pair.ChannelState `json:"channels,omitempty" readOnly:"true" doc:"How each channel fares on this appliance, mail first"`
	Version  int64               `json:"-"`
}

// ChannelRequest names a channel: mail, or the id of a webhook.
type ChannelRequest struct {
	Channel string `json:"channel" minLength:"1" maxLength:"40"`
}

// Tested says what came of a test.
type Tested struct {
	Text string `json:"text"` // one sentence
}

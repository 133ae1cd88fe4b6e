package admin

import (
	"strings"
	"testing"
	"time"

	"baton/internal/notify"
	"baton/internal/pair"
)

func TestNotificationsThatFailAreACondition(t *testing.T) {
	if notify.SilentCondition != "notifications-silent" {
		t.Error("the peer looks for another condition")
	}
	long, short := time.Now().Add(-time.Hour), time.Now().Add(-time.Minute)
	fine := pair.ChannelState{Enabled: true}
	failing := pair.ChannelState{Enabled: true, FailingSince: long, LastError: "mail.example.org:587 did not answer in time."}
	for want, states := range map[string][]pair.ChannelState{
		"":                     {fine, {Enabled: true, FailingSince: short}, {FailingSince: long}},
		"notification-failing": {fine, failing},
		"notifications-silent": {failing, {}},
	} {
		got := ""
		for _, c := range untold(states, time.Now()) {
			got = c.ID
			if !strings.HasSuffix(c.Text, "did not answer in time.") || c.Severity != pair.Warning {
				t.Errorf("condition %+v", c)
			}
		}
		if got != want {
			t.Errorf("condition %q, want %q", got, want)
		}
	}
}

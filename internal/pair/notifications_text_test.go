package pair

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
)

func someNotifications() Notifications {
	n := DefaultNotifications()
	n.Mail.Password = "a secret of the mail server"
	n.Webhooks = []Webhook{{ID: "1f", Name: "chat", URL: "https://chat.example.org/", Secret: "a secret of the webhook", Tell: DefaultTell()}}
	return n
}

func TestEveryValueOfTheNotificationsIsSetByItsKey(t *testing.T) {
	n := someNotifications()
	for key, value := range map[string]string{
		"mail.enabled": "true", "mail.host": "mail.example.org", "mail.port": "465", "mail.encryption": "tls", "mail.user": "baton",
		"mail.from": "baton@example.org", "mail.to": "ann@example.org,bob@example.org", "mail.conditions": "critical", "mail.cleared": "false",
		"mail.kinds": "takeover", "mail.daily": "false", "webhook.chat.url": "https://other.example.org/x?a=b", "webhook.chat.enabled": "true",
		"webhook.chat.conditions": "none", "webhook.chat.cleared": "false", "webhook.chat.kinds": "", "webhook.chat.daily": "false", "daily_at": "07:30",
	} {
		before := Texts(n)
		if before[key] == value {
			t.Errorf("%s is %s before", key, value)
		}
		changed, err := With(n, map[string]string{key: value})
		if err != nil {
			t.Fatal(err)
		}
		if now := Texts(n); !maps.Equal(now, before) {
			t.Errorf("setting %s changed what it was derived from", key)
		}
		after := Texts(changed)
		if after[key] != value {
			t.Errorf("%s is %q, want %q", key, after[key], value)
		}
		before[key] = value
		if !maps.Equal(after, before) {
			t.Errorf("%s changed more than itself", key)
		}
		n = changed
	}
	if keys := slices.Sorted(maps.Keys(Texts(n))); !slices.Equal(keys, slices.Sorted(slices.Values(Names(n)))) {
		t.Errorf("keys %v and %v", keys, Names(n))
	}
}

func TestSecretsOfTheNotificationsHaveNoKey(t *testing.T) {
	n := someNotifications()
	for key, value := range Texts(n) {
		if strings.Contains(value, "secret") {
			t.Errorf("%s shows %q", key, value)
		}
	}
	for _, key := range []string{"mail.password", "webhook.chat.secret", "webhook.nobody.url", "mail", ""} {
		if _, err := With(n, map[string]string{key: "x"}); !isField(err, key) || !strings.Contains(err.Error(), "daily_at") {
			t.Errorf("%q: %v", key, err)
		}
	}
	for key, value := range map[string]string{"mail.port": "many", "mail.enabled": "perhaps", "daily_at": "25:00"} {
		if _, err := With(n, map[string]string{key: value}); !isField(err, key) {
			t.Errorf("%s=%s: %v", key, value, err)
		}
	}
}

func isField(err error, name string) bool {
	field, ok := errors.AsType[*Refusal](err)
	return ok && field.Fields[0].Name == name
}

func TestAWebhookIsFoundByNameThenById(t *testing.T) {
	n := someNotifications()
	n.Webhooks = append(n.Webhooks, Webhook{ID: "chat", Name: "1f"})
	for name, want := range map[string]int{"chat": 0, "1f": 1, "2f": -1} {
		if got := n.FindWebhook(name); got != want {
			t.Errorf("%s is number %d, want %d", name, got, want)
		}
	}
}

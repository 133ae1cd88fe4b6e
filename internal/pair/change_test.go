package pair_test

import (
	"fmt"
	"strings"
	"testing"

	"baton/internal/pair"
)

func TestEveryKeyHasALabel(t *testing.T) {
	n := pair.DefaultNotifications()
	n.Webhooks = []pair.Webhook{{ID: "w1", Name: "chat.ops"}}
	labels := map[string]string{}
	addLabels(labels, pair.Settings{}.Keys())
	addLabels(labels, pair.Security{}.Keys())
	addLabels(labels, pair.Site{}.Keys())
	addLabels(labels, pair.UserChange{}.Keys())
	addLabels(labels, n.Keys())
	for key, label := range labels {
		if label == key || label == "" {
			t.Errorf("%s has no label", key)
		}
	}
	if got := labels["webhook.chat.ops.url"]; got != "webhook chat.ops, Address" {
		t.Error(got)
	}
}

func addLabels[V any](labels map[string]string, keys []pair.Key[V]) {
	for _, key := range keys {
		labels[key.Name] = key.Label
	}
}

func TestChangesOfNotificationsTellNoSecret(t *testing.T) {
	before := pair.DefaultNotifications()
	before.Webhooks = []pair.Webhook{{ID: "w1", Name: "chat", URL: "https://chat.example.org/hook/OLDTOKEN", Secret: "OLDSECRET"}}
	after := pair.DefaultNotifications()
	after.Mail.Host, after.Mail.Password = "mail.example.org", "NEWPASSWORD"
	after.Webhooks = []pair.Webhook{
		{ID: "w1", Name: "chat", URL: "https://chat.example.org/hook/NEWTOKEN", Secret: "NEWSECRET"},
		{ID: "w2", Name: "pager", URL: "https://pager.example.org/TOKEN", Secret: "SECRET2", Enabled: true},
	}
	changes := before.ChangesTo(after)
	text, detail := pair.ChangesText(changes), map[string]string{}
	pair.NoteChanges(detail, changes)
	for _, want := range []string{
		"Mail server from nothing to mail.example.org", "Password at the mail server (the value is not told)",
		"webhook chat, Address (the value is not told)", "webhook chat, Secret (the value is not told)",
		"webhook pager, Secret (the value is not told)", "webhook pager, Send to this webhook from nothing to true",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	text += fmt.Sprint(detail)
	for _, secret := range []string{"OLD", "NEW", "TOKEN", "SECRET2"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is told: %s", secret, text)
		}
	}
}

package app

import (
	"testing"

	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/peer/wire"
	"baton/internal/store"
)

func TestTheAuditTellsApartWhoActedAndFromWhere(t *testing.T) {
	ctx := asAnn(t)
	for name, c := range map[string]struct {
		act      func(b *tested) error
		text     string
		by, from string
	}{
		"the first administrator": {func(b *tested) error {
			return b.SetUp(stranger(t, "198.51.100.254"), pair.NewUser{Name: "bob", Password: secretWords})
		}, "setup from 198.51.100.254 added user bob.", "setup", "198.51.100.254"},
		"settings saved here": {func(b *tested) error {
			saved, err := b.Settings(ctx)
			saved.Values.ObserveOnly = true
			if err == nil {
				_, err = b.SaveSettings(ctx, saved)
			}
			return err
		}, "ann from 198.51.100.7 changed Observe only from false to true.", "ann", "198.51.100.7"},
		"settings saved on the backup": {func(b *tested) error {
			_, err := b.acts.settings.Asked(t.Context(), wire.Settings{
				Changes: map[string]string{"observe_only": "true"}, By: "ann", From: "198.51.100.7",
			})
			return err
		}, "ann from 198.51.100.7 changed Observe only from false to true.", "ann", "198.51.100.7"},
		"security options": {func(b *tested) error {
			wanted := pair.DefaultSecurity()
			wanted.PasswordLength = 20
			_, err := b.SaveSecurity(ctx, api.Saved[pair.Security]{Values: wanted})
			return err
		}, "ann from 198.51.100.7 changed Least length of passwords from 10 to 20.", "ann", "198.51.100.7"},
		"what the site is called": {func(b *tested) error {
			_, err := b.SaveSite(ctx, api.SavedSite{Site: pair.Site{Name: "Wiki"}})
			return err
		}, "ann from 198.51.100.7 changed Site name from nothing to Wiki.", "ann", "198.51.100.7"},
		"notifications": {func(b *tested) error {
			wanted := pair.DefaultNotifications()
			wanted.Mail.Host, wanted.Mail.User, wanted.Mail.Password = "mail.example.org", "baton", "of the mail"
			_, err := b.SaveNotifications(ctx, api.SavedNotifications{Notifications: wanted})
			return err
		}, "ann from 198.51.100.7 changed Mail server from nothing to mail.example.org, User at the mail server from nothing to baton, Password at the mail server (the value is not told).", "ann", "198.51.100.7"},
		"maintenance": {func(b *tested) error {
			b.lead.Audit.Note(ctx, "started maintenance")
			return nil
		}, "ann from 198.51.100.7 started maintenance.", "ann", "198.51.100.7"},
		"the program": {func(b *tested) error {
			b.lead.Audit.Note(t.Context(), "ended maintenance")
			return nil
		}, "baton ended maintenance.", "baton", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := pairedAs(t, other, pair.Record{Role: pair.Primary}).tested()
			if err := c.act(b); err != nil && pair.CodeOf(err) != pair.Unconfirmed { // there is no peer
				t.Fatal(err)
			}
			b.history.flush(t.Context())
			events, err := b.site.History.Events(t.Context(), store.Filter{Kinds: []string{pair.KindSettingChanged}})
			if err != nil || len(events) != 1 {
				t.Fatalf("got %v, %v", events, err)
			}
			got := events[0].Detail
			if events[0].Text != c.text || got["by"] != c.by || got["from"] != c.from {
				t.Errorf("got %q, %v", events[0].Text, got)
			}
		})
	}
}

// TestAChangeOfAnAccountIsToldWithOldAndNew: who made a viewer an administrator.
func TestAChangeOfAnAccountIsToldWithOldAndNew(t *testing.T) {
	b := withUsers(t)
	if err := b.UpdateUser(fromLocal(t.Context()), pair.UserChange{Name: "olga", DisplayName: "Olga", Role: pair.Administrator}); err != nil {
		t.Fatal(err)
	}
	texts := told(t, b, pair.KindSettingChanged)
	if want := "root from local changed user olga: Display name from nothing to Olga, Role from operator to administrator."; texts[len(texts)-1] != want {
		t.Errorf("got %s", texts[len(texts)-1])
	}
}

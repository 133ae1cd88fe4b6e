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
		act      func(b *backend) error
		text     string
		by, from string
	}{
		"the first administrator": {func(b *backend) error {
			return b.SetUp(stranger(t, "198.51.100.254"), api.NewUser{Name: "bob", Password: secretWords})
		}, "setup from 198.51.100.254 added user bob.", "setup", "198.51.100.254"},
		"settings saved here": {func(b *backend) error {
			saved, err := b.Settings(ctx)
			saved.Values.ObserveOnly = true
			if err == nil {
				_, err = b.SaveSettings(ctx, saved)
			}
			return err
		}, "ann from 198.51.100.7 set observe_only=true.", "ann", "198.51.100.7"},
		"settings saved on the backup": {func(b *backend) error {
			_, err := b.settingsAsked(t.Context(), wire.Settings{
				Version: wire.Version, Changes: map[string]string{"observe_only": "true"}, By: "ann", From: "198.51.100.7",
			})
			return err
		}, "ann from 198.51.100.7 set observe_only=true.", "ann", "198.51.100.7"},
		"security options": {func(b *backend) error {
			_, err := b.SaveSecurity(ctx, api.SavedSecurity{Values: pair.DefaultSecurity()})
			return err
		}, "ann from 198.51.100.7 saved the security options.", "ann", "198.51.100.7"},
		"maintenance": {func(b *backend) error {
			b.audit(ctx, "started maintenance")
			return nil
		}, "ann from 198.51.100.7 started maintenance.", "ann", "198.51.100.7"},
		"the program": {func(b *backend) error {
			b.audit(t.Context(), "ended maintenance")
			return nil
		}, "baton ended maintenance.", "baton", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b := pairedAs(t, other, pair.Record{Role: pair.Primary}).backend
			if err := c.act(b); err != nil && api.CodeOf(err) != api.Unconfirmed { // there is no peer
				t.Fatal(err)
			}
			b.history.flush(t.Context())
			events, err := b.site.Events(t.Context(), store.Filter{Kinds: []string{pair.KindSettingChanged}})
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

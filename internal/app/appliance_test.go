package app

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"baton/internal/api"
	"baton/internal/certificate"
	"baton/internal/config"
	"baton/internal/pair"
	"baton/internal/store"
)

const secretWords = "correct horse battery"

// Contracts whose names are those of their methods as well.
type (
	siteActs          = api.Site
	signInActs        = api.SignIn
	securityActs      = api.Security
	settingsActs      = api.Settings
	notificationsActs = api.Notifications
)

// tested is an appliance with every act of its backend.
type tested struct {
	*Appliance
	api.CertificateStore
	siteActs
	signInActs
	api.Sessions
	api.Account
	api.Users
	securityActs
	api.Tokens
	api.Setup
	api.Backups
	api.Maintaining
	api.Overview
	api.Syncs
	api.Roles
	api.Upkeep
	api.Keys
	api.Relationship
	settingsActs
	api.Addresses
	notificationsActs
	api.ProtectedData
	api.Reports
	api.DivergedCopies
}

// withUsers is an appliance that is not running, with anna, an administrator, and
// olga, an operator.
func withUsers(t *testing.T) *tested {
	t.Helper()
	c := config.Default()
	c.DataDir, c.Listen = t.TempDir(), []string{"127.0.0.1:0"}
	a, err := New(t.Context(), c, "test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	for name, role := range map[string]pair.Access{"anna": pair.Administrator, "olga": pair.Operator} {
		if err := a.people.Users.AddUser(fromLocal(t.Context()), pair.NewUser{Name: name, Role: role, Password: secretWords}); err != nil {
			t.Fatal(err)
		}
	}
	return a.tested()
}

func (a *Appliance) tested() *tested {
	all := a.acts.contract()
	return &tested{
		a, all.Certificates, all.Site, all.SignIn, all.Sessions, all.Account, all.Users, all.Security, all.Tokens, all.Setup, all.Backups, all.Software,
		all.Overview, all.Syncs, all.Roles, all.Upkeep, all.Keys, all.Relationship, all.Settings, all.Addresses, all.Notifications, all.Data,
		all.Reports, all.Diverged,
	}
}

func fromLocal(ctx context.Context) context.Context {
	return api.WithCaller(ctx, api.Caller{Name: "root", From: "local", Local: true, Access: pair.Administrator})
}

func stranger(t *testing.T, address string) context.Context {
	t.Helper()
	return api.WithCaller(t.Context(), api.Caller{From: address})
}

// told returns the texts of the events of some kinds.
func told(t *testing.T, b *tested, kinds ...string) []string {
	t.Helper()
	b.history.flush(t.Context())
	events, err := b.site.History.Events(t.Context(), store.Filter{Kinds: kinds})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, event := range events {
		texts = append(texts, event.Text)
	}
	return texts
}

func stored(t *testing.T, lasting time.Duration, names ...string) certificate.Stored {
	t.Helper()
	made, err := certificate.SelfSigned(certificate.Hosts{Names: names}, time.Now(), lasting)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := certificate.Site{Certificate: made}.Stored()
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

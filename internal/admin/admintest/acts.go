package admintest

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"time"

	"baton/internal/act"
	"baton/internal/act/acttest"
	"baton/internal/admin"
	"baton/internal/admin/copies"
	"baton/internal/api"
	"baton/internal/certificate"
	"baton/internal/config"
	"baton/internal/datasync"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/notify"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/signin"
	"baton/internal/status"
	"baton/internal/store"
	"baton/internal/support"
	"baton/internal/watch"
)

// acts are what users run, on the site database of the test.
type acts struct {
	lead          *act.Lead
	engine        *datasync.Engine
	people        signin.Subjects
	keys          *admin.Keys
	settings      *admin.Settings
	site          *admin.Site
	certificates  *admin.Certificates
	notifications *admin.Notifications
	reports       *admin.Reports
	upkeep        *admin.Upkeep
	syncs         *admin.Syncs
	roles         *admin.Roles
	addresses     *admin.Addresses
	data          *admin.Data
	diverged      *copies.Diverged
	backups       *support.Backups
	software      *support.Software
}

// compose makes the acts.
func (a *Appliance) compose(t TB) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	a.lead = &act.Lead{Agent: a.agent, Link: a.link, Audit: act.Audit{Record: a.recordEvent}}
	lead := a.lead
	a.composeData(t)
	rules := inforce.NewSecurity()
	saved, newest, err := a.store.Settings.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.inForce = inforce.NewSettings(saved, newest)
	overview := &status.Overview{Files: &watch.Files{}, Agent: a.agent, Link: a.link, Engine: a.engine, Settings: a.inForce, Version: version}
	shared := []pair.SharedIP{{Address: netip.MustParsePrefix("198.51.100.10/24"), Interface: "eth0"}}
	own, err := certificate.SelfSigned(certificate.Hosts{Names: []string{"alpha"}}, time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	public := &shown{own: own}
	a.people = signin.New(signin.Options{Name: "alpha", Store: a.store, Rules: rules, Token: "setup-token-1", Log: log, Lead: lead})
	a.keys = &admin.Keys{Link: a.link, Audit: lead.Audit}
	a.settings = &admin.Settings{
		Agent: a.agent, Link: a.link, Lead: lead, Store: a.store, InForce: a.inForce, Overview: overview,
		Outside: &watch.Outside{SharedIPs: shared, Link: a.link, Log: log}, Exchange: func(context.Context) {},
		Enforce: func(c *failover.Config) { c.SettingsSum = a.inForce.Get().Sum() },
	}
	a.link.saveSettings = func(ctx context.Context, q wire.Settings) error {
		before, known := a.inForce.Versioned()
		wanted, err := pair.With(before, q.Changes)
		if err != nil {
			return err
		}
		newest, err := a.store.Settings.Save(ctx, wanted, cmp.Or(q.WantVersion, known), pair.Actor{Name: q.By, From: q.From})
		if err == nil {
			a.inForce.Hear(wanted, newest)
		}
		return err
	}
	a.site = &admin.Site{
		Config: config.Config{Name: "alpha", Listen: []string{":443"}, Site: &config.Site{Root: "/srv/www", Listen: []string{":80"}}, SharedIPs: shared}, Lead: lead, Store: a.store,
		Present: func(ctx context.Context) error {
			var site pair.Site
			var kept certificate.Stored
			_, siteErr := a.store.Documents.Read(ctx, store.SiteDocument, &site)
			_, certificateErr := a.store.Documents.Read(ctx, store.CertificateDocument, &kept)
			return errors.Join(siteErr, certificateErr, public.show(site.HostName, kept))
		},
	}
	a.certificates = &admin.Certificates{Site: a.site, Agent: a.agent, Public: public}
	a.notifications = &admin.Notifications{Lead: lead, Store: a.store}
	a.notifications.Notifier = notify.New(notify.Options{
		History: a.store.History, Store: a.store.Outbox, Courier: courier{}, Record: lead.Audit.Record, Log: log,
		Settings: func(ctx context.Context) (pair.Notifications, error) {
			settings, _, err := a.notifications.Read(ctx)
			return settings, err
		},
		Situation: func(context.Context) notify.Situation {
			return notify.Situation{Self: ID, Name: "alpha", Zone: time.UTC}
		},
	})
	a.reports = &admin.Reports{
		ID: ID, Name: "alpha", Agent: a.agent, Link: a.link, Store: a.store, Settings: a.inForce, Overview: overview, Names: func(context.Context) {}, Now: a.now,
	}
	a.composeLoop(log, overview)
	a.composeAddresses(shared)
	a.backups = &support.Backups{Name: "alpha", Version: version, Store: a.store, Lead: lead, Reload: func(context.Context) error { return nil }}
	a.software = &support.Software{
		Version: version, Started: Start(), Agent: a.agent, Link: a.link,
		Bundle: &support.Bundle{Name: "alpha", ID: ID, Version: version, Secrets: a.store.Secrets, Audit: lead.Audit},
	}
}

// composeLoop makes the acts that command the loop, and follow it.
func (a *Appliance) composeLoop(log *slog.Logger, overview *status.Overview) {
	checks, tasks := &status.Checks{Overview: overview}, admin.NewTasks(log)
	a.syncs = &admin.Syncs{Agent: a.agent, Link: a.link, Audit: a.lead.Audit, Overview: overview, Tasks: tasks}
	a.roles = &admin.Roles{SwitchChecks: &status.SwitchChecks{Checks: checks}, Agent: a.agent, Audit: a.lead.Audit, Tasks: tasks}
	a.link.agent = a.agent
	a.upkeep = &admin.Upkeep{Checks: checks, Agent: a.agent, Link: a.link, Audit: a.lead.Audit, Log: log}
	a.link.endMaintenance = func() { a.Change(func(s *pair.Status) { s.Maintenance.Peer = false }) }
}

// shown are the certificates that browsers would meet.
type shown struct {
	own      certificate.Certificate
	site     certificate.Site
	hostName string
	is       bool
}

// Console implements admin.Shown.
func (s *shown) Console() certificate.Certificate { return s.own }

// Site implements admin.Shown.
func (s *shown) Site() (certificate.Site, string, bool) { return s.site, s.hostName, s.is }

func (s *shown) show(hostName string, kept certificate.Stored) (err error) {
	s.hostName, s.is = hostName, kept.Chain != ""
	if s.is {
		s.site.Made = kept.Made
		s.site.Certificate, err = certificate.Parse([]byte(kept.Chain), []byte(kept.Key), time.Now())
	}
	return err
}

// NewCertificate returns a certificate for a host name, and its key, as PEM.
func NewCertificate(t TB, hostName string) (chain, key string) {
	t.Helper()
	made, err := certificate.SelfSigned(certificate.Hosts{Names: []string{hostName}}, time.Now(), 100*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	text, private, err := made.PEM()
	if err != nil {
		t.Fatal(err)
	}
	return string(text), string(private)
}

// contract is what channels keep to.
type contract = api.Notifications

// channels are the notifications, with what a test says of how channels fare.
type channels struct {
	contract

	states map[string]pair.ChannelState
}

// Notifications implements api.Notifications.
func (c channels) Notifications(ctx context.Context) (api.SavedNotifications, error) {
	saved, err := c.contract.Notifications(ctx)
	for i, state := range saved.Channels {
		if set, is := c.states[state.ID]; is {
			set.ID, set.Enabled, set.SecretSet = state.ID, state.Enabled, state.SecretSet
			saved.Channels[i] = set
		}
	}
	return saved, err
}

// SetChannel says how a channel fares.
func (a *Appliance) SetChannel(id string, state pair.ChannelState) { a.channels[id] = state }

// link is one to a peer that saves settings as primary and ends maintenance, and else to
// nobody. It keeps the key that it is given.
type link struct {
	acttest.Link

	saveSettings   func(context.Context, wire.Settings) error
	endMaintenance func()
	agent          *loop // of the peer as well: it syncs
	place          func(context.Context, wire.Room) (wire.RoomAnswer, error)
}

// PeerAllows has the peer answer whether data may be placed there: as this appliance would,
// if nothing but trees may be protected there.
func (a *Appliance) PeerAllows(trees ...string) {
	a.link.place = (&admin.Allowing{Name: "beta", Protect: trees, Local: a.data.Local}).PlaceAsked
}

// Bulk implements act.Link.
func (l *link) Bulk() *http.Client { return &http.Client{Transport: l} }

// RoundTrip implements http.RoundTripper.
func (l *link) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	switch r.URL.Path {
	case wire.PathSettings:
		peer.Serve(func(ctx context.Context, q wire.Settings) (wire.Plain, error) {
			return wire.Plain{}, l.saveSettings(ctx, q)
		}).ServeHTTP(answer, r)
	case wire.PathRoom:
		if l.place == nil {
			return nil, peer.ErrUnreachable
		}
		peer.Serve(l.place).ServeHTTP(answer, r)
	case wire.PathEndMaintenance:
		l.endMaintenance()
		peer.Serve(func(context.Context, wire.By) (wire.Plain, error) { return wire.Plain{}, nil }).ServeHTTP(answer, r)
	case wire.PathSync:
		if !l.agent.Decision().State.PeerHeard.Set {
			return nil, peer.ErrUnreachable
		}
		peer.Serve(func(ctx context.Context, q wire.Sync) (wire.Plain, error) {
			return wire.Plain{}, l.agent.SyncNow(ctx, q.AcceptShrink)
		}).ServeHTTP(answer, r)
	case wire.PathPing:
		peer.Serve((&admin.Addresses{Outside: network{}}).PingAsked).ServeHTTP(answer, r)
	case wire.PathCancel:
		peer.Serve(func(context.Context, wire.Plain) (wire.Plain, error) {
			return wire.Plain{}, (&admin.Syncs{Agent: l.agent}).CancelAsked()
		}).ServeHTTP(answer, r)
	default:
		return nil, peer.ErrUnreachable
	}
	return answer.Result(), nil
}

// SetKey implements act.Link.
func (l *link) SetKey(_ context.Context, text string) (peer.Key, error) {
	key, err := peer.Stretch(text)
	if err != nil {
		return key, err
	}
	l.Keys = peer.KeyState{Set: true, SetAt: time.Now(), Fingerprint: key.Fingerprint(), Previous: l.Keys.Fingerprint}
	return key, nil
}

// SilentReceiver is in the addresses of mail servers and webhooks that do not answer.
const SilentReceiver = "silent."

// courier takes all notices but those to a SilentReceiver.
type courier struct{}

// Send implements notify.Courier.
func (courier) Send(_ context.Context, settings pair.Notifications, channel string, _ notify.Notice) error {
	target := settings.Mail.Host
	for _, w := range settings.Webhooks {
		if w.ID == channel {
			target = w.URL
		}
	}
	if strings.Contains(target, SilentReceiver) {
		return pair.Refuse(pair.Unreachable, "%s did not answer in time: check address and port, and the firewalls between.", target)
	}
	return nil
}

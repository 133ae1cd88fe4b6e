package admintest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"baton/internal/act/acttest"
	"baton/internal/admin"
	"baton/internal/admin/copies"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/service"
	"baton/internal/store"
)

// ID is the appliance's own id, PeerID that of whatever it pairs with.
const (
	ID     pair.ApplianceID = "0a11ce00000000000000000000000001"
	PeerID pair.ApplianceID = "0b0b0000000000000000000000000002"
)

// version is the appliance's.
const version = "1.2.3"

// Start is the instant at which every Appliance lives: its clock stands still.
func Start() time.Time { return time.Date(2030, time.January, 2, 3, 4, 5, 0, time.UTC) }

// Appliance is what the faces act on. It implements itself what is made up. Its zero value
// is not ready: see New.
type Appliance struct {
	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change
	status  pair.Status
	store   *store.Site
	dir     string // temporary: the data directory and Tree
	acts

	inForce  *inforce.Settings
	agent    *loop
	link     *link
	events   int       // recorded so far
	newest   time.Time // that has come to pass
	fail     func(...any)
	channels map[string]pair.ChannelState
	damaged  map[string]func(io.Writer) error // exports of diverged copies
	inStep   bool                             // nothing of the peer would be lost
	figures  api.Figures
	services Services
}

// Backend is the appliance by subject.
func (a *Appliance) Backend() api.Backend {
	return api.Backend{
		Overview:      overview{a},
		Reports:       a.reports,
		Setup:         a.people.Setup,
		Keys:          a.keys,
		Relationship:  relationship{a},
		Syncs:         a.syncs,
		Roles:         roles{a.roles, a},
		Upkeep:        upkeep{a.upkeep, a.Doctor},
		Settings:      a.settings,
		Addresses:     a.addresses,
		Notifications: channels{a.notifications, a.channels},
		Site:          a.site,
		Certificates:  a.certificates,
		Data:          a.data,
		Services: &admin.Services{
			Name: "alpha", Local: a.data.Local, Store: a.store, Lead: a.lead, Audit: a.lead.Audit,
			Stop: func(context.Context, service.Definition) error { return nil }, // nothing runs
			Startable: func(_ context.Context, one service.Definition) error {
				if one.Unit == "missing.service" {
					return errors.New("missing.service is not on this machine: install it, or correct the name")
				}
				return nil
			},
			OfSite: func(_ context.Context, one service.Definition) error {
				if one.Unit == "alias.service" {
					return errors.New("alias.service is another name of ssh.service on this machine")
				}
				return nil
			},
			Log: a.services.log, ByHand: func(of service.Definition) string { return "systemctl stop " + of.RunsAs() }, Keeper: &a.services, Peer: a.services.there,
		},
		Users:    a.people.Users,
		SignIn:   a.people.SignIn,
		Sessions: a.people.Sessions,
		Account:  a.people.Account,
		Security: a.people.Security,
		Tokens:   a.people.Tokens,
		Diverged: exports{a.diverged, a.damaged},
		Points:   &copies.Points{Points: a.engine.Points, Audit: a.lead.Audit},
		Backups:  a.backups,
		Software: a.software,
	}
}

// TB is what New needs of a test.
type TB interface {
	Helper()
	TempDir() string
	Cleanup(f func())
	Fatal(args ...any)
	Context() context.Context
}

// New returns a standalone appliance named alpha that knows one shared IP. Its site
// database is a temporary one.
func New(t TB) *Appliance {
	t.Helper()
	a := &Appliance{
		dir: t.TempDir(), agent: &loop{Agent: acttest.NewAgent()}, link: &link{},
		changed: make(chan struct{}),
		status: pair.Status{
			Appliance: pair.ApplianceStatus{ID: ID, Name: "alpha", Version: version, Address: "198.51.100.1:443"},
			Since:     Start(),
			Site:      pair.SiteStatus{State: pair.SiteUp, ServedBy: "alpha", Text: "Up, served by alpha; no backup protects it."},
			SharedIPs: []pair.SharedIPStatus{{Address: "198.51.100.10/24", Interface: "eth0"}},
			Sync:      pair.SyncStatus{State: pair.SyncIdle, DataAgeMS: -1},
		},
		newest:   Start(),
		fail:     t.Fatal,
		channels: map[string]pair.ChannelState{},
		damaged:  map[string]func(io.Writer) error{},
	}
	a.services.appliance = a
	a.openStore(t)
	a.agent.command, a.agent.given, a.agent.synced = a.command, a.given, a.synced
	a.compose(t)
	return a
}

// newSite is the file of a new site database: to make its tables for every test would take
// longer than most tests do.
var newSite = sync.OnceValues(func() (file []byte, err error) { //nolint:gochecknoglobals // a test program has one
	dir, err := os.MkdirTemp("", "baton-test-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, siteFile)
	site, err := store.OpenSite(context.Background(), path, ID, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	if err := site.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path) //nolint:gosec // made above
})

// openStore opens a new site database.
func (a *Appliance) openStore(t TB) {
	t.Helper()
	file, err := newSite()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(a.dataDir(), siteFile)
	if err := errors.Join(os.Mkdir(a.dataDir(), 0o700), os.WriteFile(path, file, 0o600)); err != nil {
		t.Fatal(err)
	}
	site, err := store.OpenSite(t.Context(), path, ID, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = site.Close() })
	a.store = site
}

// siteFile is the name of the site database.
const siteFile = "site.db"

func (a *Appliance) recordEvent(event pair.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.record(context.Background(), event.Kind, event.Text, event.Detail)
}

// Change edits the status, as the outside world would, and wakes the watchers.
func (a *Appliance) Change(edit func(*pair.Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	edit(&a.status)
	a.wake()
}

// show has the agent and the link agree with the status.
func (a *Appliance) show() {
	a.link.Peer = nil
	if p := a.status.Peer; p != nil {
		a.link.Peer = &peer.Pinned{ID: p.ID, Name: p.Name, Addresses: []string{p.Address}}
	}
	a.agent.Show(func(decision *agent.Decision) {
		decision.State.Record.Role, decision.State.Phase = a.status.Role, a.status.State
		if decision.State.Door = failover.Closed; a.status.Role == pair.Primary {
			decision.State.Door = failover.Open
		}
		decision.State.PeerHeard = failover.Moment{}
		if p := a.status.Peer; p != nil {
			decision.State.Peer.Version = p.Version
			decision.State.PeerHeard = failover.Moment{Set: p.Reachable, At: agent.BootClock() + failover.Instant(time.Hour)}
		}
	}, a.status.Conditions...)
}

// Damp pauses automatic failover, as too many takeovers do.
func (a *Appliance) Damp() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status.Conditions = append(slices.Clone(a.status.Conditions), pair.Condition{
		ID: "automatic-paused", Severity: pair.Critical, Text: "Automatic failover is paused: there were three automatic takeovers within an hour.",
		NextStep: "Find the cause in the history, then run: baton resume.", Since: Start(),
	})
}

// Record appends an event.
func (a *Appliance) Record(kind, text string, detail map[string]string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.record(context.Background(), kind, text, detail)
}

func (a *Appliance) wake() {
	a.show()
	close(a.changed)
	a.changed = make(chan struct{})
}

// record expects the lock to be held.
func (a *Appliance) record(ctx context.Context, kind, text string, detail map[string]string) {
	if caller, known := api.CallerFrom(ctx); known {
		detail = maps.Clone(detail)
		if detail == nil {
			detail = map[string]string{}
		}
		detail["by"] = caller.Name
		detail["from"] = caller.From
	}
	a.events++
	a.Happened(pair.Event{Time: Start().Add(time.Duration(a.events) * time.Minute), Appliance: ID, Kind: kind, Text: text, Detail: detail})
}

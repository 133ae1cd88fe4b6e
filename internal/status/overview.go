package status

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/datasync"
	"baton/internal/failover"
	"baton/internal/inforce"
	"baton/internal/lease"
	"baton/internal/pair"
	"baton/internal/service/drystart"
	"baton/internal/service/keeper"
	"baton/internal/sharedip"
	"baton/internal/store"
	"baton/internal/store/local"
	"baton/internal/watch"
)

// Overview implements api.Overview: what this appliance is, sees and tells of itself.
// Its methods are safe for use by several goroutines.
type Overview struct {
	ID        pair.ApplianceID
	Name      string
	Version   string
	Address   func() string   // that this appliance tells the peer
	SharedIPs []pair.SharedIP // of the configuration file
	Watched   bool            // a watchdog ends this daemon when it hangs

	Agent     act.Agent
	Link      act.Link
	Engine    *datasync.Engine
	Host      *sharedip.Host
	Traffic   *lease.Lease
	Local     *local.Store
	Store     *store.Site
	Settings  *inforce.Settings
	Reach     *watch.Reach
	Files     *watch.Files
	Services  *keeper.Keeper
	DryStart  *drystart.DryStart
	WayBack   *watch.WayBack
	Ticked    func() []pair.SharedIP
	Protected func() int64              // how many directories are
	Others    []func() []pair.Condition // of the parts that are watched
	Log       *slog.Logger

	Opening Opening
	Names   Names

	reported lastReport
	newest   recentStatus
}

// Status implements api.Overview.
func (o *Overview) Status(ctx context.Context) (pair.Status, error) {
	now := time.Now()
	own := o.Report(ctx, now)
	decision := o.Agent.Decision()
	ready := o.Readiness(own.Sync)
	return pair.Status{
		Appliance:          pair.ApplianceStatus{ID: o.ID, Name: o.Name, Version: o.Version, Address: o.Address()},
		Role:               own.Role,
		State:              own.State,
		Epoch:              own.Epoch,
		Since:              own.Since,
		Site:               o.siteStatus(ready),
		Peer:               o.PeerStatus(now),
		SharedIPs:          own.SharedIPs,
		Sync:               own.Sync,
		Services:           o.Services.Status(),
		ProtectionLevel:    own.ProtectionLevel,
		ProtectionNextStep: decision.Config.ProtectionStep(decision.State, o.guarded()),
		Conditions:         own.Conditions,
		Readiness:          ready,
		Maintenance:        MaintenanceStatus(decision.State),
		Former:             o.Former(),
	}, nil
}

// MaintenanceStatus tells whether maintenance is on, here and at the peer.
func MaintenanceStatus(s failover.State) pair.MaintenanceStatus {
	status := pair.MaintenanceStatus{Here: s.Record.Maintenance, Peer: s.Peer.Maintenance && s.PeerHeard.Set}
	if status.Here && s.Record.MaintenanceUntil > 0 {
		status.Until = new(time.Unix(s.Record.MaintenanceUntil, 0))
	}
	return status
}

// guarded reports whether this machine adds to what the decision knows: a second
// path to the peer, or a watchdog that ends a hung daemon.
func (o *Overview) guarded() bool {
	pinned, paired := o.Link.Paired()
	return o.Watched || paired && len(pinned.Addresses) > 1
}

// recentStatus is a status that several who watch share, so that fifty of them cost
// little more than one.
type recentStatus struct {
	mu      sync.Mutex
	taken   time.Time
	changed <-chan struct{} // closed by the next change after it
	status  pair.Status
}

// recent returns the status, which may be a little old but knows of every change,
// and what is closed by the next one.
func (o *Overview) recent(ctx context.Context) (pair.Status, <-chan struct{}, error) {
	const shared = 500 * time.Millisecond
	g := &o.newest
	g.mu.Lock()
	defer g.mu.Unlock()
	changed := o.Agent.Changed()
	if g.changed == changed && time.Since(g.taken) < shared {
		return g.status, changed, nil
	}
	status, err := o.Status(ctx)
	if err == nil {
		g.taken, g.changed, g.status = time.Now(), changed, status
	}
	return status, changed, err
}

// WatchStatus implements api.Overview.
func (o *Overview) WatchStatus(ctx context.Context, send func(pair.Status) error) error {
	const often = time.Second
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	for {
		status, changed, err := o.recent(ctx)
		if err != nil {
			return err
		}
		if err := send(status); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// History implements api.Overview.
func (o *Overview) History(ctx context.Context, filter api.HistoryFilter) ([]pair.Event, error) {
	const page = 10_000
	events, err := o.Store.History.Events(ctx, store.Filter{Since: filter.Since, Until: filter.Until, Kinds: filter.Kinds, Limit: min(max(filter.Limit, 1), page)})
	return events, act.Failure(err)
}

// Health implements api.Overview. It says what a status says of the site.
func (o *Overview) Health(ctx context.Context) api.Health {
	status, _, err := o.recent(ctx)
	if err != nil {
		return api.Health{Text: "The status of this appliance cannot be read."}
	}
	return healthOf(status, o.Agent.Decision().State.Serving())
}

func healthOf(status pair.Status, here bool) api.Health {
	serving := here && status.Role != pair.Backup && status.Site.State == pair.SiteUp
	text := "Site: " + status.Site.Text
	if status.Role == pair.Backup {
		text += " This appliance is the backup."
	}
	return api.Health{Serving: serving, Text: text}
}

// Figures implements api.Overview.
func (o *Overview) Figures(ctx context.Context) (api.Figures, error) {
	takeovers, err := o.Store.History.Events(ctx, store.Filter{Kinds: []string{pair.KindTakeover}, Limit: 10_000})
	if err != nil {
		return api.Figures{}, act.Failure(err)
	}
	p := o.Engine.Progress()
	lapses, _ := o.Traffic.Lapses()
	figures := api.Figures{TrafficLapses: uint64(max(lapses, 0)), Takeovers: uint64(len(takeovers)), SyncBytes: uint64(max(p.Received, 0))}
	if !p.Ended.IsZero() {
		figures.SyncDuration = p.Ended.Sub(p.Started)
	}
	return figures, nil
}

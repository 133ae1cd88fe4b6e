package app

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"baton/internal/act"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/store"
)

// Status implements api.Observing.
func (b *backend) Status(ctx context.Context) (pair.Status, error) {
	now := time.Now()
	own := b.report(ctx, now)
	seen := b.agent.Look()
	ready := b.readiness(own.Sync)
	return pair.Status{
		Appliance:          pair.ApplianceStatus{ID: b.identity.ID(), Name: b.config.Name, Version: b.version, Address: b.reverseAddress()},
		Role:               own.Role,
		State:              own.State,
		Epoch:              own.Epoch,
		Since:              own.Since,
		Site:               b.siteStatus(ready),
		Peer:               b.peerStatus(now),
		SharedIPs:          own.SharedIPs,
		Sync:               own.Sync,
		Services:           []pair.ServiceStatus{},
		ProtectionLevel:    own.ProtectionLevel,
		ProtectionNextStep: seen.Config.ProtectionStep(seen.State, b.guarded()),
		Conditions:         own.Conditions,
		Readiness:          ready,
		Maintenance:        maintenanceStatus(seen.State),
		Former:             b.former(),
	}, nil
}

func maintenanceStatus(s failover.State) pair.MaintenanceStatus {
	status := pair.MaintenanceStatus{Here: s.Record.Maintenance, Peer: s.Peer.Maintenance && s.PeerHeard.Set}
	if status.Here && s.Record.MaintenanceUntil > 0 {
		status.Until = new(time.Unix(s.Record.MaintenanceUntil, 0))
	}
	return status
}

// guarded reports whether this machine adds to what the decision knows: a second
// path to the peer, or a watchdog that ends a hung daemon.
func (a *Appliance) guarded() bool {
	pinned, paired := a.link.Paired()
	return a.watched || paired && len(pinned.Addresses) > 1
}

func (a *Appliance) peerStatus(now time.Time) *pair.PeerStatus {
	pinned, paired := a.link.Paired()
	if !paired {
		return nil
	}
	seen := a.agent.Look()
	s := seen.State
	status := &pair.PeerStatus{
		ID: pinned.ID, Name: pinned.Name, Role: s.Peer.Role, LastContactAgeMS: -1,
		State: s.Peer.Phase, Epoch: s.Peer.Epoch, Version: s.Peer.Version, Serving: s.Peer.Serving, Sick: s.Peer.Sick,
		Report: a.told.by(pinned.ID),
	}
	if len(pinned.Addresses) > 0 {
		status.Address = pinned.Addresses[0]
	}
	if s.PeerHeard.Set {
		age := agent.BootClock().Sub(s.PeerHeard.At)
		status.LastContact, status.LastContactAgeMS = now.Add(-age), age.Milliseconds()
		status.Reachable = age < seen.Config.Timeout
		status.LastCheck = status.LastContact
	}
	if s.Failed.Set {
		status.LastCheck, status.CheckFailed = now.Add(-agent.BootClock().Sub(s.Failed.At)), s.Failure.String()
	}
	return status
}

func (a *Appliance) sharedStatus(ctx context.Context) []pair.SharedIPStatus {
	held, err := a.host.Held(ctx)
	if err != nil {
		a.log.Error("interfaces not readable", slog.String("error", err.Error()))
	}
	ticked := a.ips.ticked()
	statuses := []pair.SharedIPStatus{}
	for _, ip := range a.config.SharedIPs {
		statuses = append(statuses, pair.SharedIPStatus{
			Address: ip.Address.String(), Interface: ip.Interface,
			Shared: slices.Contains(ticked, ip), Held: slices.Contains(held, ip),
		})
	}
	return statuses
}

// syncStatus tells of the snapshot that a takeover would go on with: on the
// backup its own, on the primary the one that the backup has confirmed.
func (a *Appliance) syncStatus(now time.Time) pair.SyncStatus {
	switch s := a.agent.Look().State; s.Record.Role {
	case pair.Backup:
		return a.backupSync(s, now)
	case pair.Primary:
		return a.primarySync(s, now)
	case pair.Standalone:
	}
	return pair.SyncStatus{State: pair.SyncIdle, DataAgeMS: -1}
}

func (a *Appliance) backupSync(s failover.State, now time.Time) pair.SyncStatus {
	p := a.engine.Progress()
	status := pair.SyncStatus{
		Number: p.Number, State: pair.SyncIdle, DataAgeMS: -1, Error: p.Error,
		BytesDone: p.BytesDone, BytesTotal: p.BytesTotal, FilesDone: p.FilesDone, FilesTotal: p.FilesTotal,
	}
	switch {
	case p.Running:
		status.State, status.Error = pair.SyncRunning, ""
		status.Speed, status.LeftMS = p.Speed, p.Left.Milliseconds()
	case p.Error != "":
		status.State = pair.SyncFailed
	}
	tellNewest(&status, s.Record.Snapshot, now)
	status.DataAgeMS = -1
	if s.SnapshotAt.Set && !s.Record.Snapshot.IsZero() {
		status.DataAgeMS = agent.BootClock().Sub(s.SnapshotAt.At).Milliseconds()
	}
	if next := a.agent.NextSync(); !next.IsZero() {
		status.NextRun = &next
	}
	return status
}

// primarySync shows the backup's data sync as the backup tells of it. What was
// confirmed in an earlier epoch says nothing about the present backup: it has to
// tell first.
func (a *Appliance) primarySync(s failover.State, now time.Time) pair.SyncStatus {
	status := pair.SyncStatus{State: pair.SyncIdle, DataAgeMS: -1}
	report := a.fresh()
	if report != nil && report.Role == pair.Backup {
		status = report.Sync
		if status.NextRun != nil && !report.SyncBegan.IsZero() && report.Settings != a.settings.Get().Sum() {
			status.NextRun = new(a.settings.Next(report.SyncBegan)) // saved a moment ago, and not told back yet
		}
		status.Snapshot, status.DataAgeMS = pair.SnapshotStatus{}, -1
	}
	if newest := a.engine.Confirmed(); newest.Epoch == s.Record.Epoch && s.Phase != pair.Conflict {
		tellNewest(&status, newest, now)
	}
	return status
}

func tellNewest(status *pair.SyncStatus, newest pair.Snapshot, now time.Time) {
	if newest.IsZero() {
		return
	}
	status.Number = max(status.Number, newest.Number)
	status.Snapshot = pair.SnapshotStatus{Number: newest.Number, TakenAt: time.UnixMilli(newest.TakenAt), Verified: true}
	if age := now.Sub(status.Snapshot.TakenAt); age >= 0 { // a stamp from the future tells nothing
		status.DataAgeMS = age.Milliseconds()
	}
}

// glance is a status that several who watch may share, so that fifty of them cost
// little more than one.
type glance struct {
	mu      sync.Mutex
	taken   time.Time
	changed <-chan struct{} // closed by the next change after it
	status  pair.Status
}

// glance returns the status, which may be a little old but knows of every change,
// and what is closed by the next one.
func (b *backend) glance(ctx context.Context) (pair.Status, <-chan struct{}, error) {
	const shared = 500 * time.Millisecond
	g := &b.newest
	g.mu.Lock()
	defer g.mu.Unlock()
	changed := b.agent.Changed()
	if g.changed == changed && time.Since(g.taken) < shared {
		return g.status, changed, nil
	}
	status, err := b.Status(ctx)
	if err == nil {
		g.taken, g.changed, g.status = time.Now(), changed, status
	}
	return status, changed, err
}

// WatchStatus implements api.Observing.
func (b *backend) WatchStatus(ctx context.Context, send func(pair.Status) error) error {
	const often = time.Second
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	for {
		status, changed, err := b.glance(ctx)
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

// History implements api.Observing.
func (b *backend) History(ctx context.Context, filter api.HistoryFilter) ([]pair.Event, error) {
	const page = 10_000
	events, err := b.site.Events(ctx, store.Filter{Since: filter.Since, Until: filter.Until, Kinds: filter.Kinds, Limit: min(max(filter.Limit, 1), page)})
	return events, act.Failure(err)
}

// Health implements api.Observing. It says what a status says of the site.
func (b *backend) Health(ctx context.Context) api.Health {
	status, _, err := b.glance(ctx)
	if err != nil {
		return api.Health{Text: "The status of this appliance cannot be read."}
	}
	return healthOf(status, b.agent.Look().State.Serving())
}

func healthOf(status pair.Status, here bool) api.Health {
	serving := here && status.Role != pair.Backup && status.Site.State == pair.SiteUp
	text := "Site: " + status.Site.Text
	if status.Role == pair.Backup {
		text += " This appliance is the backup."
	}
	return api.Health{Serving: serving, Text: text}
}

// Figures implements api.Observing.
func (b *backend) Figures(ctx context.Context) (api.Figures, error) {
	takeovers, err := b.site.Events(ctx, store.Filter{Kinds: []string{pair.KindTakeover}, Limit: 10_000})
	if err != nil {
		return api.Figures{}, act.Failure(err)
	}
	p := b.engine.Progress()
	lapses, _ := b.traffic.Lapses()
	figures := api.Figures{TrafficLapses: uint64(max(lapses, 0)), Takeovers: uint64(len(takeovers)), SyncBytes: uint64(max(p.Received, 0))}
	if !p.Ended.IsZero() {
		figures.SyncDuration = p.Ended.Sub(p.Started)
	}
	return figures, nil
}

package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"baton/internal/agent"
	"baton/internal/datasync"
	"baton/internal/datasync/schedule"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/sharedip"
	"baton/internal/store"
)

type (
	sharedEvents = sharedip.Events
	sharedOwner  = sharedip.Owner
)

// peerURL is where the link's clients find the peer.
const peerURL = "https://peer"

// settings are those in force. On a backup they may be newer than its site
// database: a change at the primary counts here before a data sync brings it.
type settings struct {
	mu      sync.Mutex
	now     pair.Settings
	version int64
}

func newSettings(saved pair.Settings, version int64) *settings {
	return &settings{now: saved, version: version}
}

func (s *settings) get() pair.Settings {
	now, _ := s.versioned()
	return now
}

func (s *settings) versioned() (now pair.Settings, version int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.version
}

func (s *settings) set(saved pair.Settings, version int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.version = saved, version
}

// next is the agent's schedule.
func (s *settings) next(after time.Time) time.Time { return schedule.Next(s.get(), after) }

// configure fills in what the decision needs of the settings and of this machine.
func (a *Appliance) configure(c *failover.Config) {
	s := a.settings.get()
	c.Timeout, c.Poll = s.PrimaryTimeout, s.Poll()
	c.TestIPs, c.Majority = len(s.TestIPs), s.TestIPsRequired == pair.RequireMajority
	c.SharedIP = len(a.ips.ticked()) > 0
	c.BackupOperations, c.AutomaticFailover, c.ObserveOnly = s.BackupOperations, s.AutomaticFailover, s.ObserveOnly
	c.MaxDataAge = s.MaxDataAge
	c.PairID = ""
	if pinned, paired := a.link.Paired(); paired {
		c.PairID = pinned.PairID
	}
	a.reach.set(s.TestIPs)
	a.ips.teach(s.TestIPs)
	a.engine.SetLimit(s.BandwidthLimit)
}

// reload brings into force what the site database says now.
func (a *Appliance) reload(ctx context.Context) error {
	saved, version, err := a.site.Settings(ctx)
	if err != nil {
		return err
	}
	a.settings.set(saved, version)
	a.agent.Configure(ctx, a.configure)
	return nil
}

// data is the protected data, as the agent needs it.
type data struct{ appliance *Appliance }

func (d *data) Open(ctx context.Context) error {
	if err := d.appliance.engine.Settle(ctx); err != nil {
		return err
	}
	d.appliance.keepLearned(ctx)
	return nil
}
func (d *data) Offer(epoch pair.Epoch)  { d.appliance.engine.Offer(epoch) }
func (d *data) Withdraw()               { d.appliance.engine.Withdraw() }
func (d *data) Snapshot() pair.Snapshot { return d.appliance.engine.Snapshot() }
func (d *data) SetAside(ctx context.Context, epoch pair.Epoch) error {
	made, err := d.appliance.engine.SetAside(ctx, epoch)
	if err != nil {
		return err
	}
	if len(made.Files) > 0 {
		d.appliance.setAside(made)
	}
	return nil
}

// setAside writes a new diverged copy into the history.
func (a *Appliance) setAside(made pair.DivergedCopy) {
	a.history.Record(pair.Event{
		Kind:   pair.KindDiverged,
		Text:   fmt.Sprintf("Set %d files (%d bytes) aside that only this appliance had: baton diverged list.", len(made.Files), made.Bytes),
		Detail: map[string]string{"id": made.ID, "epoch": made.Epoch.String()},
	})
}

// Pull implements agent.Data. What the site database says afterwards is in force
// at once.
func (d *data) Pull(ctx context.Context, pull agent.Pull) (agent.Pulled, error) {
	a := d.appliance
	snapshot, err := a.engine.Pull(ctx, a.link.Bulk(), peerURL, datasync.Request{
		Epoch: pull.Epoch, Final: pull.Final, AcceptShrink: pull.AcceptShrink,
	})
	if err != nil {
		return agent.Pulled{}, err
	}
	progress := a.engine.Progress()
	pulled := agent.Pulled{Snapshot: snapshot, Files: progress.FilesDone, Bytes: progress.BytesDone}
	// The snapshot is complete, even if a takeover has just ended the sync.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadLimit)
	defer cancel()
	if err := a.reload(after); err != nil {
		a.log.Error("settings not read after a data sync", slog.String("error", err.Error()))
	}
	return pulled, nil
}

// reloadLimit bounds how long the end of a data sync waits for the settings.
const reloadLimit = 2 * time.Second

// startSnapshot is the snapshot that this appliance holds as a backup: what the
// engine has, if it was pulled under the present epoch; else what was recorded
// when that began. What a former primary has is no snapshot.
func (a *Appliance) startSnapshot() pair.Snapshot {
	record := a.local.State().Record
	if record.Role != pair.Backup {
		return pair.Snapshot{}
	}
	if newest := a.engine.Snapshot(); newest.Epoch == record.Epoch {
		return newest
	}
	return record.Snapshot
}

// upkeep does what is to be done now and then: it merges the histories of both
// appliances while they reach each other, ends a maintenance in time, and gives
// unused memory back.
func (a *Appliance) upkeep(ctx context.Context) error {
	const often = 3 * time.Second
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	unused := &memory{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		if a.agent.Look().State.Record.Role == pair.Backup {
			a.exchangeAll(ctx)
		}
		a.endMaintenance(ctx)
		unused.tidy()
	}
}

// exchangeAll asks until neither side lacks anything, or something fails; then
// the next tick tries again.
func (a *Appliance) exchangeAll(ctx context.Context) {
	const rounds = 100
	const limit = 20 * time.Second
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	theirs := map[pair.ApplianceID]int64(nil)
	for range rounds {
		question, err := a.offer(ctx, theirs)
		if err != nil {
			return
		}
		answer, err := peer.Call[wire.Exchange, wire.Exchange](ctx, a.link.Bulk(), pathExchange, question)
		if err != nil {
			return // the peer is away; polls tell of that
		}
		if _, err := a.site.Merge(ctx, answer.Events); err != nil {
			a.log.Error("events of the peer not merged", slog.String("error", err.Error()))
			return
		}
		a.learn(ctx, answer)
		theirs = answer.Heads
		mine, err := a.site.Heads(ctx)
		if err != nil || covers(theirs, mine) && len(answer.Events) == 0 {
			return
		}
	}
}

// offer says what we have, and brings what a peer with the heads lacks; nil
// heads: not known yet.
func (a *Appliance) offer(ctx context.Context, heads map[pair.ApplianceID]int64) (wire.Exchange, error) {
	mine, err := a.site.Heads(ctx)
	if err != nil {
		return wire.Exchange{}, err
	}
	var events []pair.Event
	if heads != nil {
		if events, err = a.site.EventsAfter(ctx, heads, wire.ExchangeEvents); err != nil {
			return wire.Exchange{}, err
		}
		events = fitting(events, wire.MaxSize/2)
	}
	return wire.Exchange{Version: wire.Version, Heads: mine, Events: events}, nil
}

// fitting returns the first events, as many as fit into so many bytes of a
// message; the next exchange brings more.
func fitting(events []pair.Event, bytes int) []pair.Event {
	for i, event := range events {
		text, err := json.Marshal(event)
		bytes -= len(text) + 1
		if err != nil || bytes < 0 {
			return events[:max(i, 1)]
		}
	}
	return events
}

// exchanged answers the peer's exchange.
func (a *Appliance) exchanged(ctx context.Context, question wire.Exchange) (wire.Exchange, error) {
	if _, err := a.site.Merge(ctx, question.Events); err != nil {
		return wire.Exchange{}, err
	}
	heads := question.Heads
	if heads == nil {
		heads = map[pair.ApplianceID]int64{}
	}
	answer, err := a.offer(ctx, heads)
	if err == nil && a.agent.Look().State.Record.Role == pair.Primary {
		now, version := a.settings.versioned()
		answer.Settings, answer.SettingsVersion = now.Map(), version
	}
	return answer, err
}

func covers(has, wanted map[pair.ApplianceID]int64) bool {
	for id, head := range wanted {
		if has[id] < head {
			return false
		}
	}
	return true
}

// settingsAsked saves, on the primary, what an administrator changed on the backup.
func (a *Appliance) settingsAsked(ctx context.Context, q wire.Settings) (wire.Plain, error) {
	if a.agent.Look().State.Record.Role != pair.Primary {
		return wire.Plain{}, &peer.RemoteError{Code: "refused", Text: "That appliance is not the primary now; try again in a moment."}
	}
	if err := a.saveSettings(ctx, q.Changes, q.WantVersion, q.By); err != nil {
		return wire.Plain{}, err
	}
	return wire.Plain{Version: wire.Version}, nil
}

func (a *Appliance) saveSettings(ctx context.Context, changes map[string]string, want int64, by string) error {
	if _, err := a.site.SetSettings(ctx, changes, want, by); err != nil {
		return err
	}
	return a.reload(ctx)
}

// ownAddress is the address that connections to the peer start from: never the
// shared IP.
func (a *Appliance) ownAddress() netip.Addr {
	for _, listen := range a.config.Listen {
		if at, err := netip.ParseAddrPort(listen); err == nil && !at.Addr().IsUnspecified() && !a.managed(at.Addr()) {
			return at.Addr()
		}
	}
	return netip.Addr{}
}

func (a *Appliance) managed(addr netip.Addr) bool {
	return slices.ContainsFunc(a.config.SharedIPs, func(ip pair.SharedIP) bool { return ip.Address.Addr() == addr })
}

// hello describes this appliance to one that it is being paired with.
func (a *Appliance) hello() peer.Hello {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	record := a.local.State().Record
	hello := peer.Hello{Name: a.config.Name, Version: a.version, Role: record.Role, Epoch: record.Epoch}
	protected, err := a.site.Data(ctx)
	if err != nil {
		a.log.Error("protected data not readable", slog.String("error", err.Error()))
		hello.HoldsData = true // rather ask than replace
		return hello
	}
	if hello.HoldsData = len(protected) > 0 || !record.Epoch.IsZero(); hello.HoldsData {
		hello.Data = fmt.Sprintf("%d pieces of protected data, epoch %s", len(protected), record.Epoch)
	}
	return hello
}

// paired makes the role of a new relationship durable.
//
//nolint:revive // the flag is the link's word, not ours
func (a *Appliance) paired(pinned peer.Pinned, asBackup bool) error {
	role := pair.Primary
	if asBackup {
		role = pair.Backup
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	a.agent.Configure(ctx, func(c *failover.Config) { a.configure(c); c.PairID = pinned.PairID })
	if a.agent.Look().State.Record.Role == role {
		return nil // repeated, after a cut
	}
	return a.agent.Do(ctx, failover.BecomePaired{Role: role})
}

// unpaired makes the end of a relationship durable. A backup keeps its copy of
// the data, but its shared IP is no longer ticked: the other side has it.
func (a *Appliance) unpaired(peer.Pinned) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if a.agent.Look().State.Record.Role == pair.Backup {
		if err := a.local.Save(ctx, func(s *store.State) { s.SharedIPs = []string{} }); err != nil {
			a.log.Error("shared ips not disabled", slog.String("error", err.Error()))
		}
	}
	a.agent.Configure(ctx, a.configure)
	if err := a.agent.Do(ctx, failover.BecomeStandalone{}); err != nil {
		a.log.Error("relationship not ended", slog.String("error", err.Error()))
	}
}

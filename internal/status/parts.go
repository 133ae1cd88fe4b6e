package status

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/pair"
)

// PeerStatus is what is known of the peer; nil: there is none.
func (o *Overview) PeerStatus(now time.Time) *pair.PeerStatus {
	pinned, paired := o.Link.Paired()
	if !paired {
		return nil
	}
	decision := o.Agent.Decision()
	s := decision.State
	status := &pair.PeerStatus{
		ID: pinned.ID, Name: pinned.Name, Role: s.Peer.Role, LastContactAgeMS: -1,
		State: s.Peer.Phase, Epoch: s.Peer.Epoch, Version: s.Peer.Version, Serving: s.Peer.Serving, Sick: s.Peer.Sick,
		Report: o.reported.by(pinned.ID),
	}
	if len(pinned.Addresses) > 0 {
		status.Address = pinned.Addresses[0]
	}
	if s.PeerHeard.Set {
		age := agent.BootClock().Sub(s.PeerHeard.At)
		status.LastContact, status.LastContactAgeMS = now.Add(-age), age.Milliseconds()
		status.Reachable = age < decision.Config.Timeout && !s.Peer.Stopping
		status.LastCheck = status.LastContact
	}
	if s.Failed.Set {
		status.LastCheck, status.CheckFailed = now.Add(-agent.BootClock().Sub(s.Failed.At)), s.Failure.String()
	}
	return status
}

func (o *Overview) sharedStatus(ctx context.Context) []pair.SharedIPStatus {
	held, err := o.Host.Held(ctx)
	if err != nil {
		o.Log.Error("interfaces not readable", slog.String("error", err.Error()))
	}
	ticked := o.Ticked()
	statuses := []pair.SharedIPStatus{}
	for _, ip := range o.SharedIPs {
		statuses = append(statuses, pair.SharedIPStatus{
			Address: ip.Address.String(), Interface: ip.Interface,
			Shared: slices.Contains(ticked, ip), Held: slices.Contains(held, ip),
		})
	}
	return statuses
}

// SyncStatus tells of the snapshot that a takeover would go on with: on the
// backup its own, on the primary the one that the backup has confirmed.
func (o *Overview) SyncStatus(now time.Time) pair.SyncStatus {
	switch s := o.Agent.Decision().State; s.Record.Role {
	case pair.Backup:
		return o.backupSync(s, now)
	case pair.Primary:
		return o.primarySync(s, now)
	case pair.Standalone:
	}
	return pair.SyncStatus{State: pair.SyncIdle, DataAgeMS: -1}
}

func (o *Overview) backupSync(s failover.State, now time.Time) pair.SyncStatus {
	p := o.Engine.Progress()
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
	if s.Record.Snapshot == o.Engine.Snapshot() {
		status.Snapshot.SkewMS = o.Engine.Skew().Milliseconds()
	}
	status.DataAgeMS = -1
	if s.SnapshotAt.Set && !s.Record.Snapshot.IsZero() {
		status.DataAgeMS = agent.BootClock().Sub(s.SnapshotAt.At).Milliseconds()
	}
	if next := o.Agent.NextSync(); !next.IsZero() {
		status.NextRun = &next
	}
	return status
}

// primarySync shows the backup's data sync as the backup tells of it. What was
// confirmed in an earlier epoch says nothing about the present backup: it has to
// tell first.
func (o *Overview) primarySync(s failover.State, now time.Time) pair.SyncStatus {
	status := pair.SyncStatus{State: pair.SyncIdle, DataAgeMS: -1}
	report := o.Fresh()
	if report != nil && report.Role == pair.Backup {
		status = report.Sync
		if status.NextRun != nil && !report.SyncBegan.IsZero() && report.Settings != o.Settings.Get().Sum() {
			status.NextRun = new(o.Settings.Next(report.SyncBegan)) // saved a moment ago, and not told back yet
		}
		status.Snapshot, status.DataAgeMS = pair.SnapshotStatus{}, -1
	}
	if newest := o.Engine.Confirmed(); newest.Epoch == s.Record.Epoch && s.Phase != pair.Conflict {
		tellNewest(&status, newest, now)
		if report != nil && report.Sync.Snapshot.Number == newest.Number {
			status.Snapshot.SkewMS = report.Sync.Snapshot.SkewMS
		}
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

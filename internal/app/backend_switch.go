package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"baton/internal/act"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/cause"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
)

// StartSync implements api.Syncing. On the primary, the backup is asked.
func (b *backend) StartSync(ctx context.Context, request api.SyncRequest) (api.Task, error) {
	switch b.agent.Look().State.Record.Role {
	case pair.Standalone:
		return api.Task{}, act.Failure(peer.ErrNotPaired)
	case pair.Primary:
		return b.tasks.begin(ctx, "sync", "Data sync at the backup", func(ctx context.Context) error {
			return peer.Ask(ctx, b.link.Bulk(), wire.PathSync, wire.Sync{AcceptShrink: request.AcceptShrink})
		})
	case pair.Backup:
	}
	return b.tasks.begin(ctx, "sync", "Data sync from the primary", func(ctx context.Context) error {
		return b.agent.SyncNow(ctx, request.AcceptShrink)
	})
}

// CancelSync implements api.Syncing.
func (b *backend) CancelSync(ctx context.Context) error {
	if err := b.cancelSync(ctx); err != nil {
		return err
	}
	b.lead.Audit.Note(ctx, "cancelled the data sync")
	return nil
}

// cancelSync ends the running data sync, which is the backup's, also at the word
// of its primary.
func (b *backend) cancelSync(ctx context.Context) error {
	if b.agent.Look().State.Record.Role == pair.Primary {
		return act.Failure(peer.Ask(ctx, b.link.Bulk(), wire.PathCancel, wire.Plain{}))
	}
	return act.Failure(b.cancelAsked())
}

// cancelAsked ends the data sync that runs here.
func (a *Appliance) cancelAsked() error {
	if !a.agent.CancelSync() {
		return &peer.RemoteError{Code: "refused", Text: "no data sync is running: there is nothing to cancel"}
	}
	return nil
}

// Task implements api.Syncing.
func (b *backend) Task(_ context.Context, id string) (api.Task, error) {
	task, err := b.tasks.get(id)
	if err != nil || task.State != api.TaskRunning {
		return task, err
	}
	if task.Kind == "role" {
		seen := b.agent.Look()
		task.Awaits = seen.Config.SwitchProgress(seen.State)
	}
	if now := b.syncStatus(time.Now()); now.State == pair.SyncRunning {
		task.Progress = &api.Progress{
			BytesDone: now.BytesDone, BytesTotal: now.BytesTotal, FilesDone: now.FilesDone, FilesTotal: now.FilesTotal,
			Speed: now.Speed, LeftMS: now.LeftMS,
		}
	}
	return task, nil
}

// ChangeRole implements api.Roles.
func (b *backend) ChangeRole(ctx context.Context, change api.RoleChange) (api.Task, error) {
	s := b.agent.Look().State
	switch {
	case s.Record.Role == pair.Standalone:
		return api.Task{}, act.RefusedFor(failover.NotPaired)
	case change.Role == pair.Primary:
		b.lead.Audit.Note(ctx, "asked this appliance to become primary")
		return b.tasks.begin(ctx, "role", "Become Primary", func(ctx context.Context) error {
			return b.unagreed(b.agent.Do(ctx, failover.BecomePrimary{FinalSync: change.DataSyncFirst, Force: change.Force}))
		})
	case s.Record.Role == pair.Backup:
		return api.Task{}, pair.Refuse(pair.Refused, "this appliance is the backup already")
	}
	b.lead.Audit.Note(ctx, "asked this appliance to become backup")
	return b.tasks.begin(ctx, "role", "Become Backup", func(ctx context.Context) error {
		return b.agent.HandOver(ctx, change.DataSyncFirst)
	})
}

// unagreed says of a switch for which the peer is not to be had that it refuses, if it
// answers: it is not its cable that is to be looked at, and nothing to force.
func (b *backend) unagreed(err error) error {
	if errors.Is(err, failover.PeerSilent) && b.refuses() != pair.NoAnswer {
		return pair.Refuse(pair.Unreachable, "the peer answers, and the two appliances refuse each other: do what baton doctor says of the peer, then switch")
	}
	return err
}

// StartMaintenance implements api.Caring.
func (b *backend) StartMaintenance(ctx context.Context, lasting time.Duration) error {
	var until int64
	if lasting > 0 {
		until = time.Now().Add(lasting).Unix()
	}
	if err := b.agent.Do(ctx, failover.SetMaintenance{On: true, Until: until}); err != nil {
		return act.Failure(err)
	}
	b.lead.Audit.Note(ctx, "started maintenance")
	return b.acknowledged(ctx, "maintenance is on", func(seen agent.Seen) bool { return seen.State.Record.Maintenance })
}

// EndMaintenance implements api.Caring, wherever maintenance was turned on.
func (b *backend) EndMaintenance(ctx context.Context) error {
	known := maintenanceStatus(b.agent.Look().State)
	if err := b.agent.Do(ctx, failover.SetMaintenance{}); err != nil {
		return act.Failure(err)
	}
	if err := b.endAtPeer(ctx, known); err != nil {
		return err
	}
	b.lead.Audit.Note(ctx, "ended maintenance")
	return b.acknowledged(ctx, "maintenance is off", func(seen agent.Seen) bool { return !seen.State.Record.Maintenance })
}

// endAtPeer asks also a peer that is not known to have turned maintenance on: what
// it did a moment ago is not heard here yet.
func (b *backend) endAtPeer(ctx context.Context, known pair.MaintenanceStatus) error {
	if _, paired := b.link.Paired(); !paired {
		return nil
	}
	const promptly = 10 * time.Second
	ctx, cancel := context.WithTimeout(ctx, promptly)
	defer cancel()
	err := act.Failure(peer.Ask(ctx, b.link.Bulk(), wire.PathEndMaintenance, wire.By{By: act.By(ctx).String()}))
	switch {
	case err == nil:
		return nil
	case known.Peer:
		return pair.Refuse(pair.CodeOf(err), "maintenance was turned on at the peer and could not be ended there, so it goes on: %w", cause.Plain(err))
	case known.Here:
		return nil // it has ended, and the peer has told of none
	}
	return pair.Refuse(pair.CodeOf(err), "maintenance was not on here, and the peer could not be asked; if it is on there, it continues: %w", cause.Plain(err))
}

// endMaintenanceAsked ends, at the word of the peer, what was turned on here.
func (a *Appliance) endMaintenanceAsked(ctx context.Context, q wire.By) (wire.Plain, error) {
	was := a.agent.Look().State.Record.Maintenance
	if err := a.agent.Do(ctx, failover.SetMaintenance{}); err != nil {
		return wire.Plain{}, refusedBy(err)
	}
	if was {
		a.log.Info("maintenance ended from the peer", slog.String("by", q.By))
	}
	return wire.Plain{}, nil
}

// Resume implements api.Caring.
func (b *backend) Resume(ctx context.Context) error {
	if err := b.agent.Do(ctx, failover.Resume{}); err != nil {
		return act.Failure(err)
	}
	b.lead.Audit.Note(ctx, "resumed automatic failover")
	return nil
}

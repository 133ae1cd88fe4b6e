package app

import (
	"context"
	"fmt"
	"time"

	"baton/internal/api"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
)

// pathSync asks the backup for a data sync.
const pathSync = "/peer/v1/sync"

// StartSync implements api.Syncing. On the primary, the backup is asked.
func (b *backend) StartSync(ctx context.Context, request api.SyncRequest) (api.Task, error) {
	switch b.agent.Look().State.Record.Role {
	case pair.Standalone:
		return api.Task{}, failure(peer.ErrNotPaired)
	case pair.Primary:
		return b.tasks.begin(ctx, "sync", "Data sync at the backup", func(ctx context.Context) error {
			return ask(ctx, b.link.Bulk(), pathSync, wire.Sync{Version: wire.Version, AcceptShrink: request.AcceptShrink})
		})
	case pair.Backup:
	}
	return b.tasks.begin(ctx, "sync", "Data sync from the primary", func(ctx context.Context) error {
		return b.agent.SyncNow(ctx, request.AcceptShrink)
	})
}

// CancelSync implements api.Syncing.
func (b *backend) CancelSync(ctx context.Context) error {
	if !b.agent.CancelSync() {
		return api.Errorf(api.Refused, "no data sync is running on this appliance")
	}
	b.audit(ctx, "cancelled the data sync")
	return nil
}

// Task implements api.Syncing.
func (b *backend) Task(_ context.Context, id string) (api.Task, error) {
	task, err := b.tasks.get(id)
	if err != nil || task.State != api.TaskRunning {
		return task, err
	}
	if p := b.engine.Progress(); p.Running {
		task.Progress = &api.Progress{BytesDone: p.BytesDone, BytesTotal: p.BytesTotal, FilesDone: p.FilesDone, FilesTotal: p.FilesTotal}
	}
	return task, nil
}

// ChangeRole implements api.Roles.
func (b *backend) ChangeRole(ctx context.Context, change api.RoleChange) (api.Task, error) {
	s := b.agent.Look().State
	switch {
	case s.Record.Role == pair.Standalone:
		return api.Task{}, refusedReason(failover.NotPaired)
	case change.Role == pair.Primary:
		b.audit(ctx, "asked this appliance to become primary")
		return b.tasks.begin(ctx, "role", "Become Primary", func(ctx context.Context) error {
			return b.agent.Do(ctx, failover.BecomePrimary{FinalSync: change.DataSyncFirst, Force: change.Force})
		})
	case s.Record.Role == pair.Backup:
		return api.Task{}, api.Errorf(api.Refused, "this appliance is the backup already")
	}
	b.audit(ctx, "asked this appliance to become backup")
	return b.tasks.begin(ctx, "role", "Become Backup", func(ctx context.Context) error {
		return b.agent.HandOver(ctx, change.DataSyncFirst)
	})
}

// Preflight implements api.Roles.
func (b *backend) Preflight(_ context.Context, change api.RoleChange) ([]api.Check, error) {
	seen := b.agent.Look()
	s := seen.State
	if change.Role == pair.Primary && s.Record.Role == pair.Primary {
		return nil, refusedReason(failover.AlreadyPrimary)
	}
	checks := []api.Check{b.checkPaired(), b.checkPeer()}
	checks = append(checks, judged(amiss("versions",
		fmt.Sprintf("This appliance runs version %s, the peer %s.", b.version, s.Peer.Version), "Install the same version on both."),
		func() bool { return s.Peer.Version == "" || s.Peer.Version == b.version }))
	if s.Record.Role == pair.Backup {
		checks = append(checks, b.checkSnapshot())
	}
	return checks, nil
}

// StartMaintenance implements api.Caring.
func (b *backend) StartMaintenance(ctx context.Context, lasting time.Duration) error {
	var until int64
	if lasting > 0 {
		until = time.Now().Add(lasting).Unix()
	}
	if err := b.agent.Do(ctx, failover.SetMaintenance{On: true, Until: until}); err != nil {
		return failure(err)
	}
	b.audit(ctx, "started maintenance")
	return nil
}

// EndMaintenance implements api.Caring.
func (b *backend) EndMaintenance(ctx context.Context) error {
	if err := b.agent.Do(ctx, failover.SetMaintenance{}); err != nil {
		return failure(err)
	}
	b.audit(ctx, "ended maintenance")
	return nil
}

// Resume implements api.Caring.
func (b *backend) Resume(ctx context.Context) error {
	if err := b.agent.Do(ctx, failover.Resume{}); err != nil {
		return failure(err)
	}
	b.audit(ctx, "resumed automatic failover")
	return nil
}

package admin

import (
	"context"
	"time"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/status"
)

// Syncs implements api.Syncs.
type Syncs struct {
	Agent    act.Agent
	Link     act.Link
	Audit    act.Audit
	Overview *status.Overview
	Tasks    *Tasks
}

// StartSync implements api.Syncs. On the primary, the backup is asked.
func (s *Syncs) StartSync(ctx context.Context, request api.SyncRequest) (api.Task, error) {
	switch s.Agent.Decision().State.Record.Role {
	case pair.Standalone:
		return api.Task{}, act.Failure(peer.ErrNotPaired)
	case pair.Primary:
		return s.Tasks.begin(ctx, "sync", "Data sync at the backup", func(ctx context.Context) error {
			return peer.Ask(ctx, s.Link.Bulk(), wire.PathSync, wire.Sync{AcceptShrink: request.AcceptShrink})
		})
	case pair.Backup:
	}
	return s.Tasks.begin(ctx, "sync", "Data sync from the primary", func(ctx context.Context) error {
		return s.Agent.SyncNow(ctx, request.AcceptShrink)
	})
}

// CancelSync implements api.Syncs.
func (s *Syncs) CancelSync(ctx context.Context) error {
	if err := s.cancel(ctx); err != nil {
		return err
	}
	s.Audit.Note(ctx, "cancelled the data sync")
	return nil
}

// cancel ends the running data sync, which is the backup's, also at the word
// of its primary.
func (s *Syncs) cancel(ctx context.Context) error {
	if s.Agent.Decision().State.Record.Role == pair.Primary {
		return act.Failure(peer.Ask(ctx, s.Link.Bulk(), wire.PathCancel, wire.Plain{}))
	}
	return act.Failure(s.CancelAsked())
}

// CancelAsked ends the data sync that runs here.
func (s *Syncs) CancelAsked() error {
	if !s.Agent.CancelSync() {
		return &peer.RemoteError{Code: "refused", Text: "no data sync is running: there is nothing to cancel"}
	}
	return nil
}

// Task implements api.Syncs.
func (s *Syncs) Task(_ context.Context, id string) (api.Task, error) {
	task, err := s.Tasks.get(id)
	if err != nil || task.State != api.TaskRunning {
		return task, err
	}
	if task.Kind == "role" {
		decision := s.Agent.Decision()
		task.Awaits = decision.Config.SwitchProgress(decision.State)
	}
	if now := s.Overview.SyncStatus(time.Now()); now.State == pair.SyncRunning {
		task.Progress = &api.Progress{
			BytesDone: now.BytesDone, BytesTotal: now.BytesTotal, FilesDone: now.FilesDone, FilesTotal: now.FilesTotal,
			Speed: now.Speed, LeftMS: now.LeftMS,
		}
	}
	return task, nil
}

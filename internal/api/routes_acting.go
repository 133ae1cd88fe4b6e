package api

import (
	"context"
	"net/http"
	"time"

	"baton/internal/cause"
	"baton/internal/pair"
)

type preflightQuery struct {
	Role          string `query:"role" enum:"primary,backup" required:"true"`
	DataSyncFirst bool   `query:"data_sync_first"`
	Force         bool   `query:"force"`
}

func (q *preflightQuery) change() (RoleChange, error) {
	role, err := pair.ParseRole(q.Role)
	if err != nil {
		return RoleChange{}, pair.Refuse(pair.Usage, "%w", cause.Plain(err))
	}
	return RoleChange{Role: role, DataSyncFirst: q.DataSyncFirst, Force: q.Force}, nil
}

// MaintenanceRequest turns automatic actions off.
type MaintenanceRequest struct {
	For string `json:"for,omitempty" maxLength:"32" doc:"Duration like 30m, 2h or 1d; until ended, if absent"`
}

func (s *Server) addActing() {
	s.addSync()
	s.addRole()
	add(s, endpoint{method: http.MethodPut, path: "/maintenance", name: "start-maintenance", least: pair.Operator, summary: "Turn automatic actions off"},
		func(ctx context.Context, in *question[MaintenanceRequest]) (*none, error) {
			lasting, err := maintenanceTime(in.Body.For)
			if err != nil {
				return nil, err
			}
			return done(s.backend.Upkeep.StartMaintenance(ctx, lasting))
		})
	add(s, endpoint{method: http.MethodDelete, path: "/maintenance", name: "end-maintenance", least: pair.Operator, summary: "Turn automatic actions on again"},
		func(ctx context.Context, _ *none) (*none, error) { return done(s.backend.Upkeep.EndMaintenance(ctx)) })
	add(s, endpoint{method: http.MethodPost, path: "/resume", name: "resume", least: pair.Operator, summary: "Allow automatic failover again after too many takeovers"},
		func(ctx context.Context, _ *none) (*none, error) { return done(s.backend.Upkeep.Resume(ctx)) })
}

func (s *Server) addSync() {
	add(s, endpoint{method: http.MethodPost, path: "/sync", name: "start-sync", least: pair.Operator, status: http.StatusAccepted, summary: "Sync Now; answers a task to follow"},
		func(ctx context.Context, in *question[SyncRequest]) (*answer[Task], error) {
			task, err := s.backend.Syncs.StartSync(ctx, in.Body)
			return one(task.whole(), err)
		})
	add(s, endpoint{method: http.MethodDelete, path: "/sync", name: "cancel-sync", least: pair.Operator, summary: "Cancel the running data sync"},
		func(ctx context.Context, _ *none) (*none, error) { return done(s.backend.Syncs.CancelSync(ctx)) })
	add(s, endpoint{method: http.MethodGet, path: "/tasks/{id}", name: "task", least: pair.Viewer, summary: "How far a task is"},
		func(ctx context.Context, in *identified) (*answer[Task], error) {
			task, err := s.backend.Syncs.Task(ctx, in.ID)
			return one(task.whole(), err)
		})
}

func (s *Server) addRole() {
	add(s, endpoint{method: http.MethodPost, path: "/role", name: "change-role", least: pair.Operator, status: http.StatusAccepted, summary: "Become Primary or Become Backup; answers a task to follow"},
		func(ctx context.Context, in *question[RoleChange]) (*answer[Task], error) {
			if caller, _ := CallerFrom(ctx); in.Body.Force && !caller.Access.Covers(pair.Administrator) {
				return nil, pair.Refuse(pair.Forbidden, "forcing a role needs the role administrator: ask one, or try it without force")
			}
			task, err := s.backend.Roles.ChangeRole(ctx, in.Body)
			return one(task.whole(), err)
		})
	add(s, endpoint{method: http.MethodGet, path: "/role/preflight", name: "preflight", least: pair.Viewer, timeout: time.Minute, summary: "What would be in the way of a role change"},
		func(ctx context.Context, in *preflightQuery) (*answer[[]Check], error) {
			change, err := in.change()
			if err != nil {
				return nil, err
			}
			return list(s.backend.Roles.Preflight(ctx, change))
		})
	add(s, endpoint{method: http.MethodGet, path: "/role/loss", name: "loss", least: pair.Viewer, timeout: time.Minute, summary: "What a role change would lose of the newest changes"},
		func(ctx context.Context, in *preflightQuery) (*answer[Loss], error) {
			change, err := in.change()
			if err != nil {
				return nil, err
			}
			return one(s.backend.Roles.Loss(ctx, change))
		})
}

// whole replaces an absent list of steps by an empty one.
func (t Task) whole() Task {
	if t.Steps == nil {
		t.Steps = []Step{}
	}
	return t
}

// maintenanceTime reads how long; 0 is until ended.
func maintenanceTime(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	lasting, err := pair.ParseDuration(text)
	switch {
	case err != nil:
		return 0, pair.Refuse(pair.Usage, "%w", cause.Plain(err))
	case lasting != 0 && lasting < time.Minute || lasting > 30*24*time.Hour:
		return 0, pair.Refuse(pair.Usage, "maintenance for %s is out of range: use 1m to 30d, or leave the time out", text)
	}
	return lasting, nil
}

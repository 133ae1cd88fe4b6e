package admin

import (
	"context"
	"errors"

	"baton/internal/act"
	"baton/internal/api"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/status"
)

// Roles implements api.Roles.
type Roles struct {
	*status.SwitchChecks

	Agent act.Agent
	Audit act.Audit
	Tasks *Tasks
}

// ChangeRole implements api.Roles.
func (r *Roles) ChangeRole(ctx context.Context, change api.RoleChange) (api.Task, error) {
	s := r.Agent.Decision().State
	switch {
	case s.Record.Role == pair.Standalone:
		return api.Task{}, act.RefusedFor(failover.NotPaired)
	case change.Role == pair.Primary:
		r.Audit.Note(ctx, "asked this appliance to become primary")
		return r.Tasks.begin(ctx, "role", "Become Primary", func(ctx context.Context) error {
			return r.unagreed(r.Agent.Do(ctx, failover.BecomePrimary{FinalSync: change.DataSyncFirst, Force: change.Force}))
		})
	case s.Record.Role == pair.Backup:
		return api.Task{}, pair.Refuse(pair.Refused, "this appliance is the backup already")
	}
	r.Audit.Note(ctx, "asked this appliance to become backup")
	return r.Tasks.begin(ctx, "role", "Become Backup", func(ctx context.Context) error {
		return r.Agent.HandOver(ctx, change.DataSyncFirst)
	})
}

// unagreed corrects the refusal of a switch if the peer answers and the two appliances
// refuse each other: then its cable is in order, and force does not help.
func (r *Roles) unagreed(err error) error {
	if errors.Is(err, failover.PeerSilent) && r.Checks.Refuses() != pair.NoAnswer {
		return pair.Refuse(pair.Unreachable, "the peer answers, and the two appliances refuse each other: do what baton doctor says of the peer, then switch")
	}
	return err
}

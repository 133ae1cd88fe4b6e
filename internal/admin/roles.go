package admin

import (
	"context"
	"errors"
	"slices"
	"time"

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
			if err := r.Agent.Do(ctx, failover.BecomePrimary{FinalSync: change.DataSyncFirst, Force: change.Force}); err != nil {
				return r.unagreed(err)
			}
			return r.opened(ctx)
		})
	case s.Record.Role == pair.Backup:
		return api.Task{}, pair.Refuse(pair.Refused, "this appliance is the backup already")
	}
	r.Audit.Note(ctx, "asked this appliance to become backup")
	return r.Tasks.begin(ctx, "role", "Become Backup", func(ctx context.Context) error {
		return r.Agent.HandOver(ctx, change.DataSyncFirst)
	})
}

// opensWithin is how long the site may take to open, before nobody waits for it any more.
const opensWithin = 2 * time.Minute

// opened waits, once this appliance is the primary, until the site is served here, or says what keeps it
// closed: it is tried again by itself.
func (r *Roles) opened(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, opensWithin)
	defer cancel()
	for was := false; ; {
		changed := r.Agent.Changed()
		s := r.Agent.Decision().State
		was = was || s.Record.Role == pair.Primary // what is published may be older than the answer
		switch {
		case !was:
		case s.Serving():
			return nil
		case s.Record.Role != pair.Primary:
			return pair.Refuse(pair.Refused, "this appliance was the primary for a moment, and is not any more: baton history says why")
		case slices.Contains([]failover.Effect{failover.OpeningOfData, failover.StartOfServices, failover.ClaimOfAddress}, s.Broken):
			return r.closed()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return r.closed()
		}
	}
}

// closed says why the site is not open here.
func (r *Roles) closed() error {
	for _, condition := range r.Agent.Conditions() {
		if slices.Contains([]string{"services-failed", "data-not-opened", "claim-failed", "state-not-saved"}, condition.ID) {
			return pair.Refuse(pair.Refused, "this appliance is the primary, and the site does not open here, which is tried again: %s %s", condition.Text, condition.NextStep)
		}
	}
	return pair.Refuse(pair.Refused, "this appliance is the primary, and the site is not open here yet: baton status says what it waits for")
}

// unagreed corrects the refusal of a switch if the peer answers and the two appliances
// refuse each other: then its cable is in order, and force does not help.
func (r *Roles) unagreed(err error) error {
	if errors.Is(err, failover.PeerSilent) && r.Checks.Refuses() != pair.NoAnswer {
		return pair.Refuse(pair.Unreachable, "the peer answers, and the two appliances refuse each other: do what baton doctor says of the peer, then switch")
	}
	return err
}

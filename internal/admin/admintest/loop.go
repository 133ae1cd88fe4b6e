package admintest

import (
	"context"
	"slices"

	"baton/internal/act"
	"baton/internal/act/acttest"
	"baton/internal/admin"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
)

// loop is an agent whose commands change what the appliance tells of itself.
type loop struct {
	*acttest.Agent

	command func(failover.Event)
	given   func()
	synced  func()
}

// Do implements act.Agent.
func (l *loop) Do(ctx context.Context, command failover.Event) error {
	if wanted, is := command.(failover.BecomePrimary); is {
		switch decision := l.Decision(); {
		case decision.State.Record.Role == pair.Primary:
			return act.RefusedFor(failover.AlreadyPrimary)
		case !decision.State.PeerHeard.Set && !wanted.Force:
			return act.RefusedFor(failover.PeerSilent)
		}
	}
	if err := l.Agent.Do(ctx, command); err != nil {
		return err
	}
	l.command(command)
	return nil
}

// HandOver implements act.Agent.
func (l *loop) HandOver(ctx context.Context, final bool) error {
	if !l.Decision().State.PeerHeard.Set {
		return peer.ErrUnreachable
	}
	if err := l.Agent.HandOver(ctx, final); err != nil {
		return err
	}
	l.given()
	return nil
}

// SyncNow implements act.Agent.
func (l *loop) SyncNow(ctx context.Context, acceptShrink bool) error {
	if !l.Decision().State.PeerHeard.Set {
		return peer.ErrUnreachable
	}
	if err := l.Agent.SyncNow(ctx, acceptShrink); err != nil {
		return err
	}
	l.synced()
	return nil
}

// command does what an administrator has asked of the loop.
func (a *Appliance) command(command failover.Event) {
	switch command := command.(type) {
	case failover.SetMaintenance:
		a.agent.Show(func(decision *agent.Decision) { decision.State.Record.Maintenance = command.On })
		a.Change(func(s *pair.Status) {
			s.State, s.Maintenance.Here = pair.Steady, command.On
			if command.On {
				s.State = pair.Maintenance
			}
		})
	case failover.BecomePrimary:
		a.Change(func(s *pair.Status) { s.Role, s.Epoch.Counter = pair.Primary, s.Epoch.Counter+1 })
	case failover.Resume:
		a.Change(func(s *pair.Status) {
			s.Conditions = slices.DeleteFunc(slices.Clone(s.Conditions), func(c pair.Condition) bool { return c.ID == "automatic-paused" })
		})
	}
}

// given is a handover to the peer that has succeeded.
func (a *Appliance) given() {
	a.Change(func(s *pair.Status) { s.Role, s.Epoch.Counter = pair.Backup, s.Epoch.Counter+1 })
}

// synced is a data sync that has succeeded.
func (a *Appliance) synced() {
	a.Change(func(s *pair.Status) {
		s.Sync.Number++
		s.Sync.Snapshot = pair.SnapshotStatus{Number: s.Sync.Number, TakenAt: Start(), Verified: true}
		s.Sync.DataAgeMS = 800
	})
}

// HoldSwitches has switches and data syncs take until release is called.
func (a *Appliance) HoldSwitches() (release func()) { return a.agent.Hold() }

// roles is the real one, but for pre-flight and loss.
type roles struct {
	*admin.Roles

	made *Appliance
}

// Preflight implements api.Roles.
func (r roles) Preflight(ctx context.Context, change api.RoleChange) ([]api.Check, error) {
	return r.made.Preflight(ctx, change)
}

// Loss implements api.Roles.
func (r roles) Loss(ctx context.Context, change api.RoleChange) (api.Loss, error) {
	return r.made.Loss(ctx, change)
}

// upkeep is the real one, but for the doctor's checks.
type upkeep struct {
	*admin.Upkeep

	doctor func(context.Context) ([]api.Check, error)
}

// Doctor implements api.Upkeep.
func (u upkeep) Doctor(ctx context.Context) ([]api.Check, error) { return u.doctor(ctx) }

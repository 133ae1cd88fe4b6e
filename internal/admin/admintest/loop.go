package admintest

import (
	"context"
	"slices"

	"baton/internal/act/acttest"
	"baton/internal/admin"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/failover"
	"baton/internal/pair"
)

// loop is an agent whose commands change what the appliance tells of itself.
type loop struct {
	*acttest.Agent

	command func(failover.Event) error
}

// Do implements act.Agent.
func (l *loop) Do(ctx context.Context, command failover.Event) error {
	if err := l.command(command); err != nil {
		return err
	}
	return l.Agent.Do(ctx, command)
}

// command does what an administrator has asked of the loop.
func (a *Appliance) command(command failover.Event) error {
	switch command := command.(type) {
	case failover.SetMaintenance:
		a.agent.Show(func(seen *agent.Seen) { seen.State.Record.Maintenance = command.On })
		a.Change(func(s *pair.Status) {
			s.State, s.Maintenance.Here = pair.Steady, command.On
			if command.On {
				s.State = pair.Maintenance
			}
		})
	case failover.Resume:
		a.Change(func(s *pair.Status) {
			a.damped = false
			s.Conditions = slices.DeleteFunc(slices.Clone(s.Conditions), func(c pair.Condition) bool { return c.ID == "automatic-paused" })
		})
	}
	return nil
}

// upkeep is the real one, but for the doctor's checks.
type upkeep struct {
	*admin.Upkeep

	doctor func(context.Context) ([]api.Check, error)
}

// Doctor implements api.Upkeep.
func (u upkeep) Doctor(ctx context.Context) ([]api.Check, error) { return u.doctor(ctx) }

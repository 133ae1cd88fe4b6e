package app

import (
	"context"
	"time"

	"baton/internal/pair"
	"baton/internal/probe"
	"baton/internal/service"
	"baton/internal/service/keeper"
	"baton/internal/service/unit"
)

// newServices makes what has the site's services run; its connection to systemd ends with ctx.
func newServices(ctx context.Context, a *Appliance) *keeper.Keeper {
	machine := unit.On(ctx)
	return keeper.New(keeper.Options{
		List:    func(ctx context.Context) (service.List, error) { return a.acts.services.List(ctx) },
		Refused: func(one service.Definition) string { return a.acts.services.Refused(one) },
		Runner:  machine.Runner,
		Order:   machine.Order,
		Probe:   probe.Site,
		Peer: func() []pair.ServiceStatus {
			if fresh := a.overview.Fresh(); fresh != nil {
				return fresh.Services
			}
			return nil
		},
		Idle: func() bool {
			state := a.agent.Decision().State
			return state.Record.Maintenance || state.PeerHeard.Set && state.Peer.Maintenance
		},
		Wall: time.Now, Log: a.log,
	})
}

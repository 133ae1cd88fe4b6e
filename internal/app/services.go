package app

import (
	"context"
	"log/slog"
	"time"

	"baton/internal/pair"
	"baton/internal/probe"
	"baton/internal/service"
	"baton/internal/service/drystart"
	"baton/internal/service/keeper"
	"baton/internal/service/process"
	"baton/internal/service/unit"
	"baton/internal/systemd"
)

// machine has services run. It has more than 8 methods, since all of them
// are of one service on one machine.
type machine interface {
	drystart.Machine
	Runner(of service.Definition) keeper.Runner
	Startable(ctx context.Context, of service.Definition) error
	OfSite(ctx context.Context, of service.Definition) error
	Stop(ctx context.Context, of service.Definition) error
	ByHand(of service.Definition) string // how a person stops one that Baton no longer keeps
	Order(ctx context.Context, list service.List) error
	Log(ctx context.Context, of service.Definition, lines int) ([]service.Line, error)
	Close()
}

// machineOf is systemd, or this daemon where there is none.
func machineOf(appliance pair.ApplianceID, data string) machine {
	if systemd.Runs() {
		return unit.On()
	}
	return process.On(appliance, data)
}

// newServices makes what has the site's services run. They stop after all else has been told to
// end: so the machine is closed with the appliance, and not before.
func newServices(a *Appliance) *keeper.Keeper {
	a.machine = machineOf(a.identity.ID(), a.config.DataDir)
	return keeper.New(keeper.Options{
		Name:      a.config.Name,
		List:      func(ctx context.Context) (service.List, error) { return a.acts.services.List(ctx) },
		Refused:   func(one service.Definition) string { return a.acts.services.Refused(one) },
		MayStop:   func(one service.Definition) bool { return a.acts.services.MayStop(one) },
		Runner:    a.machine.Runner,
		Order:     a.machine.Order,
		Probe:     probe.Site,
		Peer:      func() []pair.ServiceStatus { return a.overview.ServicesThere() },
		SickThere: func() bool { return a.agent.Decision().State.Peer.Sick },
		Idle: func() bool {
			state := a.agent.Decision().State
			return state.Record.Maintenance || state.PeerHeard.Set && state.Peer.Maintenance
		},
		Record: func(event pair.Event) { a.history.Record(event) },
		Wall:   time.Now, Log: a.log,
		Tallies: func() (all keeper.Tallies) {
			if err := a.local.ReadServices(&all); err != nil {
				a.log.Warn("what services did before is not known", slog.String("error", err.Error()))
			}
			return all
		},
		SaveTallies: func(all keeper.Tallies) error { return a.local.SaveServices(all) },
	})
}

// newDryStart makes what finds out whether the services could be started here.
func newDryStart(a *Appliance) *drystart.DryStart {
	return drystart.New(drystart.Options{
		Name:    a.config.Name,
		List:    func(ctx context.Context) (service.List, error) { return a.acts.services.List(ctx) },
		Refused: func(one service.Definition) string { return a.acts.services.Refused(one) },
		Paths: func(ctx context.Context) (paths []string, err error) {
			protected, err := a.site.Data.Here(ctx)
			for _, one := range protected {
				if dir, is := one.Spec.(pair.Directory); is {
					paths = append(paths, string(dir.Path))
				}
			}
			return paths, err
		},
		Peer: func() (string, *pair.Report) {
			pinned, _ := a.link.Paired()
			if fresh := a.overview.Fresh(); fresh != nil {
				return pinned.Name, &fresh.Report
			}
			return pinned.Name, nil
		},
		Backup:  func() bool { return a.agent.Decision().State.Record.Role == pair.Backup },
		Machine: a.machine, Log: a.log,
	})
}

package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"baton/internal/admin"
	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/store/local"
)

// hello describes this appliance to one that it is being paired with.
func (a *Appliance) hello() peer.Hello {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	record := a.local.State().Record
	hello := peer.Hello{Name: a.config.Name, Version: a.version, Role: record.Role, Epoch: record.Epoch, Traffic: a.traffic.InForce()}
	protected, err := a.site.Data.List(ctx)
	if err != nil {
		a.log.Error("protected data not readable", slog.String("error", err.Error()))
		hello.HoldsData = true // rather ask than replace
		return hello
	}
	hello.Pieces = new(len(protected))
	if hello.HoldsData = len(protected) > 0 || !record.Epoch.IsZero(); hello.HoldsData {
		hello.Data = fmt.Sprintf("%s of protected data, epoch %s", pair.Counted(int64(len(protected)), "piece"), record.Epoch)
	}
	return hello
}

// paired makes the role of a new relationship durable.
//
//nolint:revive // the flag is the link's word, not ours
func (a *Appliance) paired(pinned peer.Pinned, hello peer.Hello, asBackup bool) error {
	role := pair.Primary
	if asBackup {
		role = pair.Backup
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	a.agent.Configure(func(c *failover.Config) { a.enforce(c); c.PairID = pinned.PairID })
	if a.agent.Decision().State.Record.Role == role {
		return nil // repeated, after a cut
	}
	if role == pair.Primary {
		here, there := admin.Leased{Name: a.config.Name, InForce: a.traffic.InForce()}, admin.Leased{Name: pinned.Name, InForce: hello.Traffic}
		if err := a.acts.settings.Paired(ctx, here, there); err != nil {
			return err
		}
	}
	return a.agent.Do(ctx, failover.BecomePaired{Role: role})
}

// unpaired makes the end of a relationship durable. A backup keeps its copy of
// the data, but its shared IP is no longer ticked: the other side has it.
func (a *Appliance) unpaired(former peer.Pinned) {
	a.overview.Names.Note(map[pair.ApplianceID]string{former.ID: former.Name})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if a.agent.Decision().State.Record.Role == pair.Backup {
		if err := a.local.Save(ctx, func(s *local.State) { s.SharedIPs = []string{} }); err != nil {
			a.log.Error("shared ips not disabled", slog.String("error", err.Error()))
		}
	}
	a.agent.Configure(a.enforce)
	if err := a.agent.Do(ctx, failover.BecomeStandalone{}); err != nil {
		a.log.Error("relationship not ended", slog.String("error", err.Error()))
	}
}

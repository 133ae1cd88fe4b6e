package app

import (
	"context"
	"log/slog"
	"time"

	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/status"
)

// reportEvery is how often the backup tells how it is, and asks.
const reportEvery = time.Second

// reportSoon is how long a report of a change waits for what comes with it.
const reportSoon = 50 * time.Millisecond

// tell keeps both appliances told of one another while this one is the backup: at
// an interval, and soon after something has changed here.
func (a *Appliance) tell(ctx context.Context) error {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	soon := time.NewTimer(0)
	defer soon.Stop()
	for {
		changed := a.agent.Changed()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			soon.Reset(reportSoon)
			continue
		case <-soon.C:
		case <-ticker.C:
		}
		if a.agent.Look().State.Record.Role == pair.Backup {
			a.tellOnce(ctx)
		}
	}
}

// tellOnce goes with the polls, which find out whether the connection is dead: a
// report on the one for data would keep that from being left in time. It gives up
// by losing interest, since a late one says nothing that polls do not.
func (a *Appliance) tellOnce(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(status.FreshReport, cancel).Stop()
	pinned, paired := a.link.Paired()
	if !paired {
		return
	}
	question := wire.Report{Report: a.overview.Report(ctx, time.Now())}
	answer, err := peer.Call[wire.Report, wire.Report](ctx, a.link.Control(), wire.PathReport, question)
	if err != nil {
		a.log.Debug("peer not told how this appliance is", slog.String("error", err.Error()))
		return
	}
	a.overview.HeardOf(pinned.ID, answer.Report)
}

// reported answers the backup's report.
func (a *Appliance) reported(ctx context.Context, question wire.Report) (wire.Report, error) {
	pinned, paired := a.link.Paired()
	if !paired {
		return wire.Report{}, peer.ErrNotPaired
	}
	a.overview.HeardOf(pinned.ID, question.Report)
	return wire.Report{Report: a.overview.Report(ctx, time.Now())}, nil
}

// learnNames reads what the events tell of names. Without them, ids are shown.
func (a *Appliance) learnNames(ctx context.Context) {
	told, err := a.site.Names(ctx)
	if err != nil {
		a.log.Warn("names of appliances not read", slog.String("error", err.Error()))
		return
	}
	a.overview.Names.Note(told)
}

package exchange

import (
	"context"
	"log/slog"
	"time"

	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
	"baton/internal/status"
	"baton/internal/tick"
)

// reportSoon is how long a report of a change waits for what comes with it.
const reportSoon = 50 * time.Millisecond

// Run keeps both appliances told of one another while this one is the backup: at
// an interval, and soon after something has changed here.
func (x *Exchange) Run(ctx context.Context) error {
	ticker := tick.Every(status.ReportEvery)
	defer ticker.Stop()
	soon := time.NewTimer(0)
	defer soon.Stop()
	for {
		changed := x.Agent.Changed()
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			soon.Reset(reportSoon)
			continue
		case <-soon.C:
		case <-ticker.C:
		}
		if x.Agent.Decision().State.Record.Role == pair.Backup {
			x.reportOnce(ctx)
		}
	}
}

// reportOnce uses the connection of the polls, which find out whether it is dead: a report on
// the connection of the data sync would keep a dead one alive. It stops waiting and sets no
// deadline, since a late report tells nothing that polls do not.
func (x *Exchange) reportOnce(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer time.AfterFunc(status.FreshReport, cancel).Stop()
	pinned, paired := x.Link.Paired()
	if !paired {
		return
	}
	question := wire.Report{Report: x.Overview.Report(ctx, time.Now())}
	answer, err := peer.Call[wire.Report, wire.Report](ctx, x.Link.Control(), wire.PathReport, question)
	if err != nil {
		x.Log.Debug("peer not told how this appliance is", slog.String("error", err.Error()))
		return
	}
	x.Overview.HeardOf(pinned.ID, answer.Report)
}

// Report answers the backup's report.
func (x *Exchange) Report(ctx context.Context, question wire.Report) (wire.Report, error) {
	pinned, paired := x.Link.Paired()
	if !paired {
		return wire.Report{}, peer.ErrNotPaired
	}
	x.Overview.HeardOf(pinned.ID, question.Report)
	return wire.Report{Report: x.Overview.Report(ctx, time.Now())}, nil
}

// ReadNames reads what the events tell of names. Without them, ids are shown.
func (x *Exchange) ReadNames(ctx context.Context) {
	told, err := x.Store.History.Names(ctx)
	if err != nil {
		x.Log.Warn("names of appliances not read", slog.String("error", err.Error()))
		return
	}
	x.Overview.Names.Note(told)
}

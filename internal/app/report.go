package app

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"baton/internal/failover"
	"baton/internal/pair"
	"baton/internal/peer"
	"baton/internal/peer/wire"
)

// reportEvery is how often the backup tells how it is, and asks.
const reportEvery = time.Second

// freshReport is how old a report may be to count as what is now.
const freshReport = 5 * reportEvery

// lastReport is the newest report of the peer.
type lastReport struct{ newest atomic.Pointer[arrived] }

type arrived struct {
	from   pair.ApplianceID
	report pair.Report
	at     failover.Instant
}

func (t *lastReport) keep(from pair.ApplianceID, report pair.Report) {
	t.newest.Store(&arrived{from: from, report: report, at: bootClock()})
}

// by returns the newest report of an appliance; nil if there is none.
func (t *lastReport) by(id pair.ApplianceID) *pair.PeerReport {
	newest := t.newest.Load()
	if newest == nil || newest.from != id {
		return nil
	}
	return &pair.PeerReport{Report: newest.report, AgeMS: bootClock().Sub(newest.at).Milliseconds()}
}

// fresh returns the peer's report if it tells of now; nil otherwise.
func (a *Appliance) fresh() *pair.PeerReport {
	pinned, paired := a.link.Paired()
	if !paired {
		return nil
	}
	report := a.told.by(pinned.ID)
	if report == nil || report.AgeMS > freshReport.Milliseconds() {
		return nil
	}
	return report
}

// tell keeps both appliances told of one another while this one is the backup.
func (a *Appliance) tell(ctx context.Context) error {
	ticker := time.NewTicker(reportEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
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
	defer time.AfterFunc(freshReport, cancel).Stop()
	pinned, paired := a.link.Paired()
	if !paired {
		return
	}
	question := wire.Report{Version: wire.Version, Report: a.report(ctx, time.Now())}
	answer, err := peer.Call[wire.Report, wire.Report](ctx, a.link.Control(), pathReport, question)
	if err != nil {
		a.log.Debug("peer not told how this appliance is", slog.String("error", err.Error()))
		return
	}
	a.told.keep(pinned.ID, answer.Report)
}

// reported answers the backup's report.
func (a *Appliance) reported(ctx context.Context, question wire.Report) (wire.Report, error) {
	pinned, paired := a.link.Paired()
	if !paired {
		return wire.Report{}, peer.ErrNotPaired
	}
	a.told.keep(pinned.ID, question.Report)
	return wire.Report{Version: wire.Version, Report: a.report(ctx, time.Now())}, nil
}

// report tells how this appliance is.
func (a *Appliance) report(ctx context.Context, now time.Time) pair.Report {
	seen := a.agent.Look()
	s := seen.State
	report := pair.Report{
		Version:         a.version,
		Role:            s.Record.Role,
		State:           s.Phase,
		Epoch:           s.Record.Epoch,
		Since:           now.Add(-bootClock().Sub(s.Since)),
		SharedIPs:       a.sharedStatus(ctx),
		Sync:            a.syncStatus(now),
		ProtectionLevel: seen.Config.ProtectionLevel(s, a.guarded()),
		Conditions:      slices.Concat([]pair.Condition{}, a.agent.Conditions()),
	}
	if report.Role == pair.Backup {
		report.Readiness = a.ownReadiness(report.Sync)
	}
	return report
}

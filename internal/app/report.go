package app

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"baton/internal/agent"
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

// keep replaces the report, and says whether the new one tells anything new.
func (t *lastReport) keep(from pair.ApplianceID, report pair.Report) (news bool) {
	report = sound(report)
	before := t.newest.Swap(&arrived{from: from, report: report, at: agent.BootClock()})
	return before == nil || before.from != from || gistOf(before.report) != gistOf(report)
}

// gist is what of a report is worth showing at once.
type gist struct {
	role       pair.Role
	state      pair.Phase
	sync       pair.SyncState
	ready      bool
	nextStep   string
	conditions string
}

func gistOf(r pair.Report) gist {
	g := gist{role: r.Role, state: r.State, sync: r.Sync.State}
	if r.Readiness != nil {
		g.ready, g.nextStep = r.Readiness.Ready, r.Readiness.NextStep
	}
	for _, c := range r.Conditions {
		g.conditions += c.ID + " "
	}
	return g
}

// Bounds of a report, which people read: what is more is left out.
const (
	mostTold  = 64   // conditions, and shared IPs
	mostName  = 64   // bytes of a name
	mostWords = 1024 // bytes of a text
)

// sound is a report as far as this version understands it. The peer may be of
// another version, or broken: what it tells must not keep a page from being shown.
func sound(r pair.Report) pair.Report {
	r.Version = short(r.Version)
	r.Conditions = slices.Clone(r.Conditions[:min(len(r.Conditions), mostTold)])
	for i := range r.Conditions {
		c := &r.Conditions[i]
		if !slices.Contains([]pair.Severity{pair.Info, pair.Warning, pair.Critical}, c.Severity) {
			c.Severity = pair.Warning
		}
		c.ID, c.Text, c.NextStep = short(c.ID), words(c.Text), words(c.NextStep)
	}
	r.SharedIPs = slices.Clone(r.SharedIPs[:min(len(r.SharedIPs), mostTold)])
	for i := range r.SharedIPs {
		r.SharedIPs[i].Address, r.SharedIPs[i].Interface = short(r.SharedIPs[i].Address), short(r.SharedIPs[i].Interface)
	}
	if !slices.Contains([]pair.SyncState{pair.SyncIdle, pair.SyncRunning, pair.SyncFailed}, r.Sync.State) {
		r.Sync.State = pair.SyncIdle
	}
	r.Sync.Error = words(r.Sync.Error)
	if r.Readiness != nil {
		told := *r.Readiness
		told.Text, told.NextStep = words(told.Text), words(told.NextStep)
		r.Readiness = &told
	}
	return r
}

// short cuts a name that is too long.
func short(name string) string { return strings.ToValidUTF8(name[:min(len(name), mostName)], "") }

// words cuts a text that is too long.
func words(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), mostWords)], "")
}

// by returns the newest report of an appliance; nil if there is none.
func (t *lastReport) by(id pair.ApplianceID) *pair.PeerReport {
	newest := t.newest.Load()
	if newest == nil || newest.from != id {
		return nil
	}
	return &pair.PeerReport{Report: newest.report, AgeMS: agent.BootClock().Sub(newest.at).Milliseconds()}
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
	defer time.AfterFunc(freshReport, cancel).Stop()
	pinned, paired := a.link.Paired()
	if !paired {
		return
	}
	question := wire.Report{Report: a.report(ctx, time.Now())}
	answer, err := peer.Call[wire.Report, wire.Report](ctx, a.link.Control(), wire.PathReport, question)
	if err != nil {
		a.log.Debug("peer not told how this appliance is", slog.String("error", err.Error()))
		return
	}
	a.heardOf(pinned.ID, answer.Report)
}

// heardOf keeps the peer's report, and has it shown at once if it tells anything new.
func (a *Appliance) heardOf(peer pair.ApplianceID, report pair.Report) {
	if a.told.keep(peer, report) {
		a.agent.Refresh()
	}
}

// reported answers the backup's report.
func (a *Appliance) reported(ctx context.Context, question wire.Report) (wire.Report, error) {
	pinned, paired := a.link.Paired()
	if !paired {
		return wire.Report{}, peer.ErrNotPaired
	}
	a.heardOf(pinned.ID, question.Report)
	return wire.Report{Report: a.report(ctx, time.Now())}, nil
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
		Since:           a.roleSince(now, s),
		SharedIPs:       a.sharedStatus(ctx),
		Sync:            a.syncStatus(now),
		SyncBegan:       a.agent.SyncBegan(),
		Settings:        a.settings.Get().Sum(),
		SiteChecked:     a.checked(),
		OpeningMS:       a.opening.lasted().Milliseconds(),
		ProtectionLevel: seen.Config.ProtectionLevel(s, a.guarded()),
		Conditions:      slices.Concat([]pair.Condition{}, a.agent.Conditions()),
	}
	if report.Role == pair.Backup {
		report.Readiness = a.ownReadiness(report.Sync)
	}
	return report
}

// roleSince is when the role was taken; of one that an earlier version took without
// noting that, when this daemon came to its present state.
func (a *Appliance) roleSince(now time.Time, s failover.State) time.Time {
	if since := a.local.State().RoleSince; !since.IsZero() {
		return since
	}
	return now.Add(-agent.BootClock().Sub(s.Since))
}

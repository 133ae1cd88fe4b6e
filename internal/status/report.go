package status

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"baton/internal/agent"
	"baton/internal/failover"
	"baton/internal/pair"
)

// ReportEvery is how often the backup tells how it is, and asks.
const ReportEvery = time.Second

// FreshReport is how old a report may be to count as what is now.
const FreshReport = 5 * ReportEvery

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

// gist is the part of a report whose change is shown at once.
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

// sound returns the part of a report that this version understands. The peer may be of
// another version, or broken: every page must still be shown.
func sound(r pair.Report) pair.Report {
	r.Version = short(r.Version)
	r.Conditions = slices.Clone(r.Conditions[:min(len(r.Conditions), mostTold)])
	for i := range r.Conditions {
		c := &r.Conditions[i]
		if !slices.Contains([]pair.Severity{pair.Info, pair.Warning, pair.Critical}, c.Severity) {
			c.Severity = pair.Warning
		}
		c.ID, c.Text, c.NextStep = short(c.ID), Words(c.Text), Words(c.NextStep)
	}
	r.SharedIPs = slices.Clone(r.SharedIPs[:min(len(r.SharedIPs), mostTold)])
	for i := range r.SharedIPs {
		r.SharedIPs[i].Address, r.SharedIPs[i].Interface = short(r.SharedIPs[i].Address), short(r.SharedIPs[i].Interface)
	}
	if !slices.Contains([]pair.SyncState{pair.SyncIdle, pair.SyncRunning, pair.SyncFailed}, r.Sync.State) {
		r.Sync.State = pair.SyncIdle
	}
	r.Sync.Error = Words(r.Sync.Error)
	r.Services = soundServices(r.Services)
	r.Installed = soundInstalled(r.Installed)
	if r.Readiness != nil {
		told := *r.Readiness
		told.Text, told.NextStep = Words(told.Text), Words(told.NextStep)
		r.Readiness = &told
	}
	return r
}

// soundServices is what people read of how the services are there.
func soundServices(there []pair.ServiceStatus) []pair.ServiceStatus {
	services := slices.Clone(there[:min(len(there), mostTold)])
	for i := range services {
		s := &services[i]
		s.Name, s.Wanted, s.State = short(s.Name), short(s.Wanted), short(s.State)
		s.What, s.Check, s.Trouble, s.Refused = Words(s.What), Words(s.Check), Words(s.Trouble), Words(s.Refused)
	}
	return services
}

// soundInstalled is what people read of how the services are installed there.
func soundInstalled(there *pair.Installed) *pair.Installed {
	if there == nil {
		return nil
	}
	services := slices.Clone(there.Services[:min(len(there.Services), mostTold)])
	for i := range services {
		s := &services[i]
		s.Name, s.UnitSum, s.ProgramSum, s.User, s.UserID = short(s.Name), short(s.UnitSum), short(s.ProgramSum), short(s.User), short(s.UserID)
		s.Program, s.Lacks = Words(s.Program), Words(s.Lacks)
		s.Ports = slices.Clone(s.Ports[:min(len(s.Ports), mostTold)])
		for j := range s.Ports {
			s.Ports[j] = short(s.Ports[j])
		}
	}
	owners := slices.Clone(there.Owners[:min(len(there.Owners), mostTold)])
	for i := range owners {
		owners[i].Name = short(owners[i].Name)
	}
	return &pair.Installed{Services: services, Owners: owners}
}

// short cuts a name that is too long.
func short(name string) string { return strings.ToValidUTF8(name[:min(len(name), mostName)], "") }

// Words cuts a text that is too long.
func Words(text string) string {
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

// Fresh returns the peer's report if it tells of now; nil otherwise.
func (o *Overview) Fresh() *pair.PeerReport {
	pinned, paired := o.Link.Paired()
	if !paired {
		return nil
	}
	report := o.reported.by(pinned.ID)
	if report == nil || report.AgeMS > FreshReport.Milliseconds() {
		return nil
	}
	return report
}

// ServicesThere are the services of the peer, as it tells now.
func (o *Overview) ServicesThere() []pair.ServiceStatus {
	if fresh := o.Fresh(); fresh != nil {
		return fresh.Services
	}
	return nil
}

// HeardOf keeps the peer's report, and has it shown at once if it tells anything new.
func (o *Overview) HeardOf(peer pair.ApplianceID, report pair.Report) {
	if o.reported.keep(peer, report) {
		o.Agent.Refresh()
	}
}

// Report tells how this appliance is.
func (o *Overview) Report(ctx context.Context, now time.Time) pair.Report {
	decision := o.Agent.Decision()
	s := decision.State
	report := pair.Report{
		Version:         o.Version,
		Role:            s.Record.Role,
		State:           s.Phase,
		Epoch:           s.Record.Epoch,
		Since:           o.roleSince(now, s),
		SharedIPs:       o.sharedStatus(ctx),
		Sync:            o.SyncStatus(now),
		SyncBegan:       o.Agent.SyncBegan(),
		Settings:        o.Settings.Get().Sum(),
		SiteChecked:     o.checked(),
		Files:           o.Files.Served(),
		OpeningMS:       o.Opening.lasted().Milliseconds(),
		Services:        o.Services.Status(),
		Installed:       o.DryStart.Installed(),
		Reaches:         o.WayBack.Passes(),
		ProtectionLevel: decision.Config.ProtectionLevel(s, o.guarded()),
		Conditions:      slices.Concat([]pair.Condition{}, o.Agent.Conditions()),
	}
	if report.Role == pair.Backup {
		report.Readiness = o.ownReadiness(report.Sync)
	}
	return report
}

// roleSince returns when the role was taken. An earlier version did not note that: then it
// is when this daemon came to its present state.
func (o *Overview) roleSince(now time.Time, s failover.State) time.Time {
	if since := o.Local.State().RoleSince; !since.IsZero() {
		return since
	}
	return now.Add(-agent.BootClock().Sub(s.Since))
}

// checked reports whether this appliance knows whether its site answers: by its check, by that of a service,
// or since Baton serves its files itself, and has them.
func (o *Overview) checked() bool {
	return !o.Settings.Get().SiteCheck.IsZero() || o.Files.Shown() ||
		slices.ContainsFunc(o.Services.Status(), func(s pair.ServiceStatus) bool { return s.Check != "" && !s.Parked && s.Refused == "" })
}

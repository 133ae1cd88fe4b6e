package admin

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"baton/internal/act"
	"baton/internal/agent"
	"baton/internal/api"
	"baton/internal/inforce"
	"baton/internal/pair"
	"baton/internal/report"
	"baton/internal/status"
	"baton/internal/store"
)

// Reports implements api.Reports.
type Reports struct {
	ID       pair.ApplianceID
	Name     string
	Agent    act.Agent
	Link     act.Link
	Store    *store.Site
	Settings *inforce.Settings
	Overview *status.Overview
	Names    func(context.Context) // reads those of the appliances whose events are here
	Now      func() time.Time      // the wall clock
}

// scope is what a report's filter asks for: what to read, and what to tell of it.
type scope struct {
	api.ReportRange
	now     time.Time
	zone    *time.Location
	writers []pair.ApplianceID // none: all
}

// scopeOf works out what a filter asks for now.
func (r *Reports) scopeOf(ctx context.Context, filter api.ReportFilter) (scope, error) {
	s := scope{now: r.Now()}
	s.TimeZone = r.Settings.Get().TimeZone
	s.zone = s.Zone()
	if err := r.rangeOf(ctx, &s, filter); err != nil {
		return s, act.Failure(err)
	}
	s.Step = report.StepOf(filter.Step, s.Since, s.Until)
	heads, err := r.Store.History.Heads(ctx)
	if err != nil {
		return s, act.Failure(err)
	}
	r.Names(ctx)
	s.Appliances = r.named(slices.Collect(maps.Keys(heads)))
	if filter.Appliance == "" {
		return s, nil
	}
	s.writers = []pair.ApplianceID{filter.Appliance}
	if !slices.ContainsFunc(s.Appliances, func(one pair.Named) bool { return one.ID == filter.Appliance }) {
		return s, pair.Refuse(pair.NotFound, "no appliance with the id %.40q has recorded anything here: leave the appliance out", filter.Appliance)
	}
	return s, nil
}

// rangeOf finds when the report begins and ends: at whole quarters of an hour.
func (r *Reports) rangeOf(ctx context.Context, s *scope, filter api.ReportFilter) (err error) {
	s.Since, s.Until = filter.Since, filter.Until
	if s.Until.IsZero() {
		s.Until = s.now
	}
	if s.Since.IsZero() {
		period := filter.Period
		switch {
		case period == "" && !filter.Until.IsZero():
			period = report.Always
		case period == "":
			period = report.Month
		}
		var first time.Time
		if period == report.Always {
			if first, err = r.Store.History.FirstEvent(ctx); err != nil {
				return err
			}
		}
		if s.Since, err = period.Since(s.now, first, s.zone); err != nil {
			return err
		}
	}
	s.Since = s.Since.Truncate(report.Quarter).In(s.zone)
	s.Until = s.Until.Add(report.Quarter - 1).Truncate(report.Quarter).In(s.zone)
	if !s.Since.Before(s.Until) {
		s.Until = s.Since.Add(report.Quarter)
	}
	return nil
}

// named gives appliances their names, as far as they are known; this one first.
func (r *Reports) named(ids []pair.ApplianceID) []pair.Named {
	self := r.ID
	all := []pair.Named{{ID: self, Name: r.Name}}
	pinned, paired := r.Link.Paired()
	if paired {
		all = append(all, pair.Named{ID: pinned.ID, Name: pinned.Name})
	}
	slices.Sort(ids)
	for _, id := range ids {
		if id != self && (!paired || id != pinned.ID) {
			all = append(all, pair.Named{ID: id, Name: r.Overview.Names.Of(id)})
		}
	}
	return all
}

// Availability implements api.Reports.
func (r *Reports) Availability(ctx context.Context, filter api.ReportFilter) (api.Availability, error) {
	s, err := r.scopeOf(ctx, filter)
	if err != nil {
		return api.Availability{}, err
	}
	changes, err := r.changes(ctx, s)
	if err != nil {
		return api.Availability{}, act.Failure(err)
	}
	begun, err := r.Store.History.FirstServed(ctx)
	if err != nil {
		return api.Availability{}, act.Failure(err)
	}
	judged := report.Judge(report.Question{
		Span: s.Span, Now: s.now, Self: r.ID, Begun: begun, Unheard: r.unheard(s.now), Of: filter.Appliance, Step: s.Step, Zone: s.zone,
	}, changes)
	known := api.Availability{
		ReportRange: s.ReportRange, Begun: begun, Total: judged.Total, Parts: judged.Parts,
		Stretches: newest(judged.Stretches, api.MaxStretches), Outages: []api.ToldOutage{},
		Unknown: judged.Unknown[max(len(judged.Unknown)-api.MaxOutages, 0):],
	}
	ids := make([]string, 0, 2*api.MaxOutages)
	shown := judged.Outages[max(len(judged.Outages)-api.MaxOutages, 0):]
	for _, outage := range shown {
		ids = append(ids, outage.Began, outage.Ended)
	}
	said, err := r.Store.History.Texts(ctx, ids)
	for _, outage := range slices.Backward(shown) {
		known.Outages = append(known.Outages, api.ToldOutage{Outage: outage, BeganText: said[outage.Began], EndedText: said[outage.Ended]})
	}
	return known, act.Failure(err)
}

// newest keeps the last of those that are in order of time.
func newest(stretches []report.Stretch, most int) []report.Stretch {
	if len(stretches) <= most {
		return stretches
	}
	kept := slices.Clone(stretches)
	slices.SortStableFunc(kept, func(a, b report.Stretch) int { return b.Since.Compare(a.Since) })
	oldest := kept[most-1].Since
	return slices.DeleteFunc(stretches, func(s report.Stretch) bool { return s.Since.Before(oldest) })
}

// changes reads who served when.
func (r *Reports) changes(ctx context.Context, s scope) ([]report.Change, error) {
	places, err := r.Store.History.Places(ctx, s.Since, s.Until)
	if err != nil {
		return nil, err
	}
	changes := make([]report.Change, 0, len(places))
	for _, p := range places {
		changes = append(changes, report.Change{
			Appliance: p.Appliance, Seq: p.Seq, Time: p.Time, Kind: p.Kind, Place: p.Place, Serves: p.Serves, Gap: p.Down, Alive: p.Alive,
		})
	}
	return changes, nil
}

// unheard returns since when this backup has not heard its primary; zero if it hears
// it, or is no backup.
func (r *Reports) unheard(now time.Time) time.Time {
	s := r.Agent.Decision().State
	if s.Record.Role != pair.Backup || s.Phase != pair.Suspect && s.Phase != pair.Waiting {
		return time.Time{}
	}
	heard := s.Since
	if s.PeerHeard.Set {
		heard = s.PeerHeard.At
	}
	return now.Add(-max(agent.BootClock().Sub(heard), 0))
}

// mostSearched is how many events a page with a text reads at most.
const mostSearched = 3000

// EventReport implements api.Reports.
func (r *Reports) EventReport(ctx context.Context, kind api.ReportKind, filter api.ReportFilter) (api.EventReport, error) {
	s, err := r.scopeOf(ctx, filter)
	if err != nil {
		return api.EventReport{}, err
	}
	made := api.EventReport{ReportRange: s.ReportRange, Events: []api.Reported{}}
	if err := r.sums(ctx, s, kind, filter, &made); err != nil {
		return made, act.Failure(err)
	}
	wanted := s.filter(kind, filter)
	wanted.Before, wanted.Limit = filter.Before, filter.PageSize(kind)
	found, next, err := r.Store.History.Find(ctx, wanted, mostSearched, matching(filter.Text))
	if err != nil {
		return made, act.Failure(err)
	}
	for _, event := range found {
		reported := api.Reported{Event: api.Written(event)}
		if kind == api.FailoverReport {
			if reported.Story, err = r.story(ctx, event); err != nil {
				return made, act.Failure(err)
			}
		}
		made.Events = append(made.Events, reported)
	}
	made.Next = next
	if next != "" && filter.Text != "" {
		made.Reached, err = r.Store.History.Time(ctx, next)
	}
	return made, act.Failure(err)
}

// EachReported implements api.Reports.
func (r *Reports) EachReported(ctx context.Context, kind api.ReportKind, filter api.ReportFilter, do func(api.Event) error) error {
	s, err := r.scopeOf(ctx, filter)
	if err != nil {
		return err
	}
	match := matching(filter.Text)
	return act.Failure(r.Store.History.Each(ctx, s.filter(kind, filter), func(event pair.Event) error {
		if !match(event) {
			return nil
		}
		return do(api.Written(event))
	}))
}

func (s scope) filter(kind api.ReportKind, filter api.ReportFilter) store.Filter {
	return store.Filter{Since: s.Since, Until: s.Until, Kinds: kindsOf(kind, filter), Appliances: s.writers}
}

func kindsOf(kind api.ReportKind, filter api.ReportFilter) []string {
	if len(filter.Kinds) > 0 {
		return filter.Kinds
	}
	return kind.Events()
}

// matching accepts the events that contain the text. Both sides record a planned switch;
// the one that takes the site counts.
func matching(text string) func(pair.Event) bool {
	text = strings.ToLower(strings.TrimSpace(text))
	return func(event pair.Event) bool {
		if event.Kind == pair.KindHandover && strings.HasPrefix(event.Detail["to"], pair.Backup.String()+" ") {
			return false
		}
		return text == "" || strings.Contains(strings.ToLower(event.Text), text) || strings.Contains(strings.ToLower(event.Detail["by"]), text)
	}
}

// sums fills in the figures: of the range, and of each of its parts.
func (r *Reports) sums(ctx context.Context, s scope, kind api.ReportKind, filter api.ReportFilter, made *api.EventReport) error {
	spans := report.Spans(s.Since, s.Until, s.Step, s.zone)
	asked := make([]store.Span, len(spans))
	made.Total = api.ReportSum{Span: s.Span, Counts: map[string]int64{}}
	for i, span := range spans {
		asked[i] = store.Span(span)
		made.Parts = append(made.Parts, api.ReportSum{Span: span, Counts: map[string]int64{}})
	}
	sums, err := r.Store.History.Sums(ctx, asked, kindsOf(kind, filter), s.writers)
	for _, sum := range sums {
		for _, to := range []*api.ReportSum{&made.Total, &made.Parts[sum.Span]} {
			add(to, sum, kind)
		}
	}
	return err
}

func add(to *api.ReportSum, sum store.Sum, kind api.ReportKind) {
	n := sum.Events
	if kind == api.SyncReport {
		n = sum.Runs
	}
	to.Counts[sum.Kind] += n
	if sum.Kind == pair.KindSyncFailed {
		return
	}
	to.Files += sum.Files
	to.Bytes += sum.Bytes
	to.Duration += sum.Took.Milliseconds()
	to.Longest = max(to.Longest, sum.Longest.Milliseconds())
}

// story is what both appliances recorded around a failover, from when the peer was
// last heard.
func (r *Reports) story(ctx context.Context, event pair.Event) ([]api.Event, error) {
	const before, after, most = 30 * time.Second, 90 * time.Second, 200
	since := event.Time.Add(-before)
	if heard, err := time.Parse(time.RFC3339, event.Detail["peer_heard"]); err == nil && heard.Before(since) {
		since = heard.Add(-time.Second)
	}
	around, err := r.Store.History.Events(ctx, store.Filter{Since: since, Until: event.Time.Add(after), Limit: most})
	told := []api.Event{}
	for _, one := range around {
		beside := []string{
			pair.KindDiverged, pair.KindStarted, pair.KindStopped,
			pair.KindServiceFailed, pair.KindServiceRestarted, pair.KindServiceStarted, pair.KindServiceStopped,
		}
		if one.Detail["to"] != "" || slices.Contains(beside, one.Kind) {
			told = append(told, api.Written(one))
		}
	}
	const longest = 20
	return told[max(len(told)-longest, 0):], act.Failure(err)
}

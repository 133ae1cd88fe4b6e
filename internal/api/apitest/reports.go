package apitest

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/report"
)

// Happened appends an event of either appliance, as of a time of its own.
func (a *Appliance) Happened(event pair.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if event.ID == "" {
		event.ID = pair.EventID(event.Appliance, int64(len(a.events)+1))
	}
	a.events = append(a.events, event)
}

// about expects the lock to be held.
func (a *Appliance) about(filter api.ReportFilter) api.ReportRange {
	now := a.now()
	about := api.ReportRange{TimeZone: a.inForce.Get().TimeZone, Appliances: []pair.Named{{ID: ID, Name: "alpha"}}}
	if a.status.Peer != nil {
		about.Appliances = append(about.Appliances, pair.Named{ID: a.status.Peer.ID, Name: a.status.Peer.Name})
	}
	about.Since, about.Until = filter.Since, filter.Until
	if about.Until.IsZero() {
		about.Until = now
	}
	if about.Since.IsZero() {
		period := filter.Period
		if period == "" {
			period = report.Month
		}
		first := now
		if len(a.events) > 0 {
			first = a.events[0].Time
		}
		about.Since, _ = period.Since(now, first, about.Zone()) // the filter has been checked
	}
	about.Since = about.Since.Truncate(report.Quarter)
	about.Until = about.Until.Add(report.Quarter - 1).Truncate(report.Quarter)
	about.Step = report.StepOf(filter.Step, about.Since, about.Until)
	return about
}

// now is the newest instant that has come to pass here.
func (a *Appliance) now() time.Time {
	now := Start()
	for _, event := range a.events {
		if event.Time.After(now) {
			now = event.Time
		}
	}
	return now
}

// Availability implements api.Reporting.
func (a *Appliance) Availability(_ context.Context, filter api.ReportFilter) (api.Availability, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	about := a.about(filter)
	var changes []report.Change
	for i, event := range a.events {
		if to := event.Detail["to"]; to != "" {
			gap, _ := strconv.ParseInt(event.Detail["down_ms"], 10, 64) // absent: none
			changes = append(changes, report.Change{
				Appliance: event.Appliance, Seq: int64(i + 1), Time: event.Time, Kind: event.Kind, Place: to,
				Serves: slices.Contains([]string{"standalone steady", "primary steady", "primary alone", "primary maintenance"}, to),
				Gap:    time.Duration(gap) * time.Millisecond,
			})
		}
	}
	var begun time.Time
	if i := slices.IndexFunc(changes, func(c report.Change) bool { return c.Serves }); i >= 0 {
		begun = changes[i].Time
	}
	judged := report.Judge(report.Question{
		Span: about.Span, Now: a.now(), Begun: begun, Self: ID, Of: filter.Appliance, Step: about.Step, Zone: about.Zone(),
	}, changes)
	known := api.Availability{
		ReportRange: about, Begun: begun, Total: judged.Total, Parts: judged.Parts, Stretches: judged.Stretches,
		Outages: []api.ToldOutage{}, Unknown: judged.Unknown,
	}
	for _, outage := range slices.Backward(judged.Outages) {
		known.Outages = append(known.Outages, api.ToldOutage{Outage: outage, BeganText: a.said(outage.Began), EndedText: a.said(outage.Ended)})
	}
	return known, nil
}

func (a *Appliance) said(id string) string {
	_, number, _ := strings.Cut(id, "-")
	if n, err := strconv.Atoi(number); err == nil && n <= len(a.events) {
		return a.events[n-1].Text
	}
	return ""
}

// selected returns the events of a report, oldest first. It expects the lock to be held.
func (a *Appliance) selected(kind api.ReportKind, filter api.ReportFilter, about api.ReportRange) []pair.Event {
	kinds := filter.Kinds
	if len(kinds) == 0 {
		kinds = kind.Events()
	}
	var found []pair.Event
	for _, event := range a.events {
		if slices.Contains(kinds, event.Kind) && !event.Time.Before(about.Since) && event.Time.Before(about.Until) &&
			(filter.Appliance == "" || filter.Appliance == event.Appliance) {
			found = append(found, event)
		}
	}
	slices.SortStableFunc(found, func(x, y pair.Event) int { return x.Time.Compare(y.Time) })
	return found
}

// EventReport implements api.Reporting.
func (a *Appliance) EventReport(_ context.Context, kind api.ReportKind, filter api.ReportFilter) (api.EventReport, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	about := a.about(filter)
	made := api.EventReport{ReportRange: about, Events: []api.Reported{}, Total: api.ReportSum{Span: about.Span, Counts: map[string]int64{}}}
	for _, span := range report.Spans(about.Since, about.Until, about.Step, about.Zone()) {
		made.Parts = append(made.Parts, api.ReportSum{Span: span, Counts: map[string]int64{}})
	}
	events := a.selected(kind, filter, about)
	for _, event := range events {
		part := slices.IndexFunc(made.Parts, func(p api.ReportSum) bool { return event.Time.Before(p.Until) })
		for _, sum := range []*api.ReportSum{&made.Total, &made.Parts[part]} {
			count(sum, event)
		}
	}
	past := filter.Before == ""
	for _, event := range slices.Backward(events) {
		if past && strings.Contains(strings.ToLower(event.Text), strings.ToLower(filter.Text)) {
			if len(made.Events) == filter.PageSize(kind) {
				made.Next = made.Events[len(made.Events)-1].ID
				break
			}
			made.Events = append(made.Events, api.Reported{Event: api.Written(event), Story: a.story(kind, event)})
		}
		past = past || event.ID == filter.Before
	}
	return made, nil
}

func count(to *api.ReportSum, event pair.Event) {
	figure := func(key string) int64 {
		n, _ := strconv.ParseInt(event.Detail[key], 10, 64) // absent: none
		return n
	}
	to.Counts[event.Kind] += max(figure("runs"), 1)
	to.Files += figure("files")
	to.Bytes += figure("bytes")
	to.Duration += figure("duration_ms")
	to.Longest = max(to.Longest, figure("longest_ms"))
}

func (a *Appliance) story(kind api.ReportKind, event pair.Event) []api.Event {
	if kind != api.FailoverReport {
		return nil
	}
	var told []api.Event
	for _, other := range a.events {
		if other.Detail["to"] != "" && other.Time.Sub(event.Time).Abs() < time.Minute {
			told = append(told, api.Written(other))
		}
	}
	return told
}

// EachReported implements api.Reporting.
func (a *Appliance) EachReported(_ context.Context, kind api.ReportKind, filter api.ReportFilter, do func(api.Event) error) error {
	a.mu.Lock()
	about := a.about(filter)
	events := a.selected(kind, filter, about)
	a.mu.Unlock()
	for _, event := range events {
		if !strings.Contains(strings.ToLower(event.Text), strings.ToLower(filter.Text)) {
			continue
		}
		if err := do(api.Written(event)); err != nil {
			return err
		}
	}
	return nil
}

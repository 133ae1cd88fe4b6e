package reports

import (
	"fmt"
	"strconv"
	"strings"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
)

// eventsPage is the part of a report of events that is its own.
type eventsPage struct {
	api.EventReport
	Failovers []failover // of the report of failovers: the events, explained
}

// showEvents shows one of the reports that list events.
func (p reports) showEvents(kind api.ReportKind) func(*page.Visit) error {
	title := map[api.ReportKind]string{
		api.FailoverReport: "Failovers", api.SyncReport: "Data syncs", api.AuditReport: "Sign-ins and changes",
	}[kind]
	path := "/reports/" + string(kind)
	return func(v *page.Visit) error {
		data, filter := newReport(v, kind, path)
		if !data.Filter.Right() {
			return v.Again(string(kind), title, data)
		}
		report, err := p.backend.Reports.EventReport(v.Context(), kind, filter)
		if err != nil {
			return err
		}
		data.About = report.ReportRange
		shown := eventsPage{EventReport: report}
		if kind == api.FailoverReport {
			shown.Failovers = failovers(v, report.Events)
		}
		data.Data = shown
		if report.Next != "" {
			data.Older = data.Filter.at(path, map[string]string{"before": report.Next})
		}
		data.Figures, data.Chart = figuresOf(kind, report)
		return v.Page(string(kind), title, data)
	}
}

// figuresOf turns the sums of a report into numbers and a chart.
func figuresOf(kind api.ReportKind, report api.EventReport) ([]reportFigure, *chart) {
	switch kind {
	case api.FailoverReport:
		return countChart(report, "Failovers and what else happened to roles", []countSeries{
			{series{"critical", "Takeovers"}, []string{pair.KindTakeover}},
			{series{"good", "Planned switches"}, []string{pair.KindHandover}},
			{series{"warning", "Stepped down"}, []string{pair.KindSteppedDown}},
			{series{"info", "Observed, diverged"}, []string{pair.KindObserved, pair.KindDiverged}},
			{series{"off", "Service failures"}, []string{pair.KindServiceFailed, pair.KindServiceRestarted}},
		})
	case api.AuditReport:
		return countChart(report, "Sign-ins and changes", []countSeries{
			{series{"good", "Sign-ins"}, []string{pair.KindSignedIn}},
			{series{"info", "Changes"}, []string{pair.KindSettingChanged, pair.KindPaired, pair.KindUnpaired}},
			{series{"off", "Signed out"}, []string{pair.KindSignedOut}},
			{series{"critical", "Failed"}, []string{pair.KindSignInFailed, pair.KindPairingFailed}},
		})
	case api.SyncReport:
		return syncChart(report)
	case api.AvailabilityReport:
	}
	return nil, nil
}

// countSeries is a series that counts kinds of events.
type countSeries struct {
	series
	kinds []string
}

func (c countSeries) in(sum api.ReportSum) (n int64) {
	for _, kind := range c.kinds {
		n += sum.Counts[kind]
	}
	return n
}

func countChart(report api.EventReport, title string, kinds []countSeries) ([]reportFigure, *chart) {
	var figures []reportFigure
	var legend []series
	for _, kind := range kinds {
		figures = append(figures, reportFigure{page.Grouped(kind.in(report.Total)), lower(kind.Label)})
		legend = append(legend, kind.series)
	}
	var stacks []stack
	for _, part := range report.Parts {
		one := stack{Span: part.Span}
		tips := []string{spanLabel(part.Span, report.Step, report.Zone())}
		for _, kind := range kinds {
			n := kind.in(part)
			one.Values = append(one.Values, float64(n))
			if n > 0 {
				tips = append(tips, page.Grouped(n)+" "+lower(kind.Label))
			}
		}
		one.Tip = strings.Join(tips, "\n")
		stacks = append(stacks, one)
	}
	drawn := newChart("counts", title+" by "+string(report.Step), legend, stacks, report.Step, report.Zone(), func(n float64) string {
		return strconv.FormatFloat(n, 'f', -1, 64)
	})
	return figures, &drawn
}

func lower(text string) string { return strings.ToLower(text[:1]) + text[1:] }

func syncChart(report api.EventReport) ([]reportFigure, *chart) {
	done, failed := report.Total.Counts[pair.KindSyncDone], report.Total.Counts[pair.KindSyncFailed]
	figures := []reportFigure{
		{page.Grouped(done), "done"},
		{page.Grouped(failed), "failed"},
		{pair.BytesText(report.Total.Bytes), "delivered"},
		{averageText(report.Total.Duration, done), "on average"},
		{pair.MillisText(report.Total.Longest), "the longest"},
	}
	var stacks []stack
	for _, part := range report.Parts {
		n := part.Counts[pair.KindSyncDone]
		tip := fmt.Sprintf("%s\n%s in %s", spanLabel(part.Span, report.Step, report.Zone()), pair.BytesText(part.Bytes), page.Count(n, "data sync", "data syncs"))
		if bad := part.Counts[pair.KindSyncFailed]; bad > 0 {
			tip += "\n" + page.Grouped(bad) + " failed"
		}
		stacks = append(stacks, stack{Span: part.Span, Values: []float64{float64(part.Bytes)}, Tip: tip})
	}
	drawn := newChart("bytes", "Data delivered by "+string(report.Step), []series{{"accent", "Data"}}, stacks, report.Step, report.Zone(), func(n float64) string { return pair.BytesText(int64(n)) })
	return figures, &drawn
}

func averageText(ms, n int64) string {
	if n == 0 {
		return "–"
	}
	return pair.MillisText(ms / n)
}

// KindOptions are the choices of a report's filter by result or kind.
func (p reportPage) KindOptions() []page.Option {
	choices := map[api.ReportKind][]page.Option{
		api.FailoverReport: {
			{Value: "", Label: "All"},
			{Value: pair.KindTakeover, Label: "Takeovers"},
			{Value: pair.KindHandover, Label: "Planned switches"},
			{Value: pair.KindSteppedDown, Label: "Stepped down"},
			{Value: pair.KindObserved, Label: "Observed only"},
			{Value: pair.KindDiverged, Label: "Diverged copies"},
			{Value: pair.KindServiceFailed + "," + pair.KindServiceRestarted, Label: "Service failures"},
		},
		api.SyncReport: {{Value: "", Label: "All"}, {Value: pair.KindSyncDone, Label: "Done"}, {Value: pair.KindSyncFailed, Label: "Failed"}},
		api.AuditReport: {
			{Value: "", Label: "All"},
			{Value: pair.KindSignedIn + "," + pair.KindSignedOut, Label: "Sign-ins and sign-outs"},
			{Value: pair.KindSignInFailed, Label: "Failed sign-ins"},
			{Value: pair.KindSettingChanged, Label: "Changes"},
			{Value: pair.KindPaired + "," + pair.KindUnpaired + "," + pair.KindPairingFailed, Label: "Relationship"},
		},
	}[p.Kind]
	for i := range choices {
		choices[i].Chosen = choices[i].Value == p.Filter.Get("kind")
	}
	return choices
}

// eventLabel is the name of a kind of events on a report, and its colour.
type eventLabel struct{ Class, Label string }

// Label returns the label of a kind of events.
func (p reportPage) Label(kind string) eventLabel { return labelOf(kind) }

func labelOf(kind string) eventLabel {
	labels := map[string]eventLabel{
		pair.KindTakeover:         {"critical", "Takeover"},
		pair.KindHandover:         {"good", "Planned switch"},
		pair.KindSteppedDown:      {"warning", "Stepped down"},
		pair.KindObserved:         {"info", "Observed only"},
		pair.KindDiverged:         {"info", "Diverged copy"},
		pair.KindServiceFailed:    {"critical", "Service failed"},
		pair.KindServiceRestarted: {"warning", "Service restarted"},
		pair.KindSyncDone:         {"good", "Done"},
		pair.KindSyncFailed:       {"critical", "Failed"},
		pair.KindSignedIn:         {"good", "Signed in"},
		pair.KindSignedOut:        {"plain", "Signed out"},
		pair.KindSignInFailed:     {"critical", "Sign-in failed"},
		pair.KindSettingChanged:   {"info", "Changed"},
		pair.KindPaired:           {"good", "Relationship established"},
		pair.KindUnpaired:         {"warning", "Relationship broken"},
		pair.KindPairingFailed:    {"critical", "Relationship not established"},
	}
	if label, ok := labels[kind]; ok {
		return label
	}
	return eventLabel{"plain", kind}
}

// failover is one line of the report of failovers.
type failover struct {
	page.Event
	Kind  eventLabel
	Down  string       // for how long nobody served from then on; empty: unknown
	Story []page.Event // what both appliances recorded around it
}

// failovers explains the events of the report.
func failovers(v *page.Visit, events []api.Reported) []failover {
	all := make([]failover, len(events))
	for i, event := range events {
		one := failover{Event: v.Explain(pair.Event(event.Event)), Kind: labelOf(event.Kind), Down: away(event)}
		for _, part := range event.Story {
			one.Story = append(one.Story, v.Explain(pair.Event(part)))
		}
		all[i] = one
	}
	return all
}

// away is for how long nobody served the site from a failover on: until the first appliance
// served it again, which is not the outage of a later one.
func away(event api.Reported) string {
	if event.Kind == pair.KindServiceFailed || event.Kind == pair.KindServiceRestarted {
		return "" // the site may be up without the service; a switch that follows is a line of its own
	}
	for _, part := range event.Story {
		if part.Time.Before(event.Time) {
			continue
		}
		if ms, err := strconv.ParseInt(part.Detail["down_ms"], 10, 64); err == nil {
			return pair.MillisText(ms)
		}
		if to := part.Detail["to"]; to != pair.Primary.String()+" "+pair.Steady.String() && to != pair.Primary.String()+" "+pair.Alone.String() {
			continue
		}
		if event.Kind == pair.KindSteppedDown && part.Appliance == event.Appliance { // it serves again itself
			return pair.MillisText(part.Time.Sub(event.Time).Milliseconds())
		}
		if part.Time.After(event.Time) {
			return ""
		}
	}
	return ""
}

// syncLine is one line of the report of data syncs.
type syncLine struct{ Runs, Duration, Longest, Bytes, Files, Speed string }

// Sync is the line of an event.
func (p reportPage) Sync(event api.Reported) syncLine {
	figure := func(key string) int64 {
		n, err := strconv.ParseInt(event.Detail[key], 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	text := func(key string, write func(int64) string) string {
		if n := figure(key); n >= 0 {
			return write(n)
		}
		return "–"
	}
	line := syncLine{
		Runs: page.Grouped(max(figure("runs"), 1)), Duration: text("duration_ms", pair.MillisText), Longest: text("longest_ms", pair.MillisText),
		Bytes: text("bytes", pair.BytesText), Files: text("files", page.Grouped), Speed: "–",
	}
	if bytes, ms := figure("bytes"), figure("duration_ms"); bytes > 0 && ms > 0 {
		line.Speed = pair.BytesText(int64(float64(bytes)/float64(ms)*1000)) + "/s"
	}
	return line
}

// Who is the user who did something, and the address from which.
func (p reportPage) Who(event api.Reported) page.Fact {
	by, from := event.Detail["by"], event.Detail["from"]
	if name, address, both := strings.Cut(by, " from "); both && from == "" {
		by, from = name, address
	}
	return page.Fact{Label: by, Text: from}
}

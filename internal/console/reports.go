package console

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/pair"
	"baton/internal/report"
)

func (c *Console) reportRoutes() []route {
	return siteOnly(
		get("/reports", viewer, c.showAvailability),
		get("/reports/failovers", viewer, c.showEvents(api.FailoverReport)),
		get("/reports/syncs", viewer, c.showEvents(api.SyncReport)),
		get("/reports/audit", viewer, c.showEvents(api.AuditReport)),
		get("/reports/{kind}/download", viewer, c.downloadReport),
		post("/reports/note", operator, c.addNote),
	)
}

// addNote writes a note into the history, where the report of changes shows it.
func (c *Console) addNote(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	const back = "/reports/audit"
	if err := c.backend.Upkeep.AddNote(v.ctx(), api.NewNote{Text: f.get("text")}); err != nil {
		return v.warnOf(back, err)
	}
	return v.done(back, "The note is in the history.")
}

// reportTabs are the pages below Reports.
func reportTabs() []tab {
	return []tab{
		{Label: "Availability", Href: "/reports"},
		{Label: "Failovers", Href: "/reports/failovers"},
		{Label: "Data syncs", Href: "/reports/syncs"},
		{Label: "Sign-ins and changes", Href: "/reports/audit"},
	}
}

// reportPage is what every report shows around its own part.
type reportPage struct {
	Kind      api.ReportKind
	Filter    reportFilter
	About     api.ReportRange
	Figures   []reportFigure
	Chart     *chart
	Data      any    // of the report; nil if the filter was refused
	Older     string // address of the next page; empty on the last
	Newest    string // address of the first page; empty on it
	Downloads []link
}

// reportFigure is a number above a report.
type reportFigure struct{ Value, Label string }

// Zone returns the site's time zone.
func (p reportPage) Zone() *time.Location { return p.About.Zone() }

// Named names a part of the report.
func (p reportPage) Named(span report.Span) string { return spanLabel(span, p.About.Step, p.Zone()) }

// Name returns the name of an appliance.
func (p reportPage) Name(id pair.ApplianceID) string { return p.About.NameOf(id) }

// reportFilter is the filter as the page shows it.
type reportFilter struct {
	*form
	Path  string // of the report
	query url.Values
}

// Periods links to the same report over other periods.
func (f reportFilter) Periods() []tab {
	labels := map[report.Period]string{
		report.Day: "24 hours", report.Week: "7 days", report.Month: "30 days", report.Year: "12 months", report.Always: "All",
	}
	var links []tab
	for _, period := range report.Periods() {
		links = append(links, tab{
			Label: labels[period], Href: f.at(f.Path, map[string]string{"period": string(period), "from": "", "to": "", "before": ""}),
			Current: f.period() == period,
		})
	}
	return links
}

// period is the one that is shown; empty if a range is.
func (f reportFilter) period() report.Period {
	if f.get("from") != "" || f.get("to") != "" {
		return ""
	}
	if period := report.Period(f.query.Get("period")); period != "" {
		return period
	}
	return report.Month
}

// Period is what a form repeats, so that it keeps it.
func (f reportFilter) Period() string { return string(f.period()) }

// at is an address with the present filter, but for changes; an empty value is left out.
func (f reportFilter) at(path string, changes map[string]string) string {
	query := url.Values{}
	for _, name := range []string{"period", "from", "to", "appliance", "step", "kind", "text", "before"} {
		value := f.query.Get(name)
		if changed, ok := changes[name]; ok {
			value = changed
		}
		if value != "" {
			query.Set(name, value)
		}
	}
	for name, value := range changes {
		if name == "format" {
			query.Set(name, value)
		}
	}
	if len(query) == 0 {
		return Root + path
	}
	return Root + path + "?" + query.Encode()
}

// readFilter reads the filter of a report from the address. What is wrong with it
// is noted in the form.
func (v *visit) readFilter(kind api.ReportKind, path string) (reportFilter, api.ReportFilter) {
	query := v.r.URL.Query()
	shown := reportFilter{form: &form{Values: query, Errors: map[string]string{}}, Path: path, query: query}
	filter := api.ReportFilter{
		Appliance: pair.ApplianceID(query.Get("appliance")), Step: report.Step(query.Get("step")),
		Text: strings.TrimSpace(query.Get("text")), Before: query.Get("before"), Period: shown.period(),
	}
	if kinds := query.Get("kind"); kinds != "" {
		filter.Kinds = strings.Split(kinds, ",")
	}
	filter.Since = shown.day("from", v.zone, 0)
	filter.Until = shown.day("to", v.zone, 1)
	if !filter.Since.IsZero() && !filter.Until.IsZero() && !filter.Since.Before(filter.Until) {
		shown.refuse("to", "the report would end before it begins: choose a later day, or an earlier one above")
	}
	if err := filter.Check(kind); err != nil && shown.right() {
		shown.Problem = sentence(err.Error())
	}
	return shown, filter
}

// day reads a date of the site's zone, and returns the begin of the day so many
// days after; zero if there is none.
func (f reportFilter) day(name string, zone *time.Location, after int) time.Time {
	text := f.get(name)
	if text == "" {
		return time.Time{}
	}
	date, err := time.Parse(time.DateOnly, text)
	if err != nil {
		f.refuse(name, "write a date as 2030-01-31")
		return time.Time{}
	}
	return report.StartOfDay(time.Date(date.Year(), date.Month(), date.Day()+after, 12, 0, 0, 0, zone), zone)
}

// newReport is the frame of a report's page.
func (v *visit) newReport(kind api.ReportKind, path string) (reportPage, api.ReportFilter) {
	shown, filter := v.readFilter(kind, path)
	made := reportPage{Kind: kind, Filter: shown}
	if filter.Before != "" {
		made.Newest = shown.at(path, map[string]string{"before": ""})
	}
	for _, format := range []string{"csv", "json"} {
		made.Downloads = append(made.Downloads, link{
			Label: strings.ToUpper(format), Href: shown.at("/reports/"+string(kind)+"/download", map[string]string{"before": "", "format": format}),
		})
	}
	return made, filter
}

// refusedFilter shows the page again with what is wrong with its filter.
func (v *visit) refusedFilter(name, title string, page reportPage) error {
	page.Downloads = nil
	return v.again(name, title, page)
}

// downloadReport sends a whole report as a file.
func (c *Console) downloadReport(v *visit) error {
	kind := api.ReportKind(v.r.PathValue("kind"))
	shown, filter := v.readFilter(kind, "/reports")
	if !shown.right() {
		return pair.Refuse(pair.Usage, "the report cannot be downloaded with this filter: go back and correct it")
	}
	download, err := api.NewDownload(v.ctx(), c.backend.Reports, kind, filter, api.ReportFormat(v.r.URL.Query().Get("format")))
	if err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", download.ContentType)
	v.w.Header().Set("Content-Disposition", download.Disposition())
	if err := download.Write(v.ctx(), v.w); err != nil && v.ctx().Err() == nil {
		c.log.Error("report cut", slog.String("report", string(kind)), slog.String("error", err.Error()))
		panic(http.ErrAbortHandler) // nobody may take a part for the whole
	}
	return nil
}

// Right reports whether the filter can be used.
func (f reportFilter) Right() bool { return f.right() }

// Appliance is the one that is asked for; empty: all.
func (f reportFilter) Appliance() string { return f.get("appliance") }

// Narrowed reports whether more is asked for than a period.
func (f reportFilter) Narrowed() bool {
	for _, name := range []string{"from", "to", "appliance", "step", "kind", "text"} {
		if f.get(name) != "" {
			return true
		}
	}
	return false
}

// Lists reports whether the report is a list of events.
func (p reportPage) Lists() bool { return p.Kind != api.AvailabilityReport }

// LastDay is the day with which the report ends.
func (p reportPage) LastDay() string {
	return p.About.Until.Add(-time.Nanosecond).In(p.Zone()).Format(time.DateOnly)
}

// Appliances are those to choose from.
func (p reportPage) Appliances() []option {
	if len(p.About.Appliances) < 2 {
		return nil
	}
	choices := []option{{Label: "Both appliances"}}
	for _, one := range p.About.Appliances {
		choices = append(choices, option{Value: string(one.ID), Label: one.Name, Chosen: p.Filter.get("appliance") == string(one.ID)})
	}
	return choices
}

// StepOptions are the ways to divide the report.
func (p reportPage) StepOptions() []option {
	choices := []option{{Label: "As fits"}}
	for _, step := range report.Steps() {
		choices = append(choices, option{Value: string(step), Label: capital(string(step)), Chosen: p.Filter.get("step") == string(step)})
	}
	return choices
}

// KindLabel is what the choice of kinds is about.
func (p reportPage) KindLabel() string {
	if p.Kind == api.SyncReport {
		return "Result"
	}
	return "Kind"
}

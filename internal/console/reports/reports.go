package reports

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
	"baton/internal/report"
)

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
	Downloads []page.Link
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
	*page.Form
	Path string // of the report
}

// Periods links to the same report over other periods.
func (f reportFilter) Periods() []page.Tab {
	labels := map[report.Period]string{
		report.Day: "24 hours", report.Week: "7 days", report.Month: "30 days", report.Year: "12 months", report.Always: "All",
	}
	var links []page.Tab
	for _, period := range report.Periods() {
		links = append(links, page.Tab{
			Label: labels[period], Href: f.at(f.Path, map[string]string{"period": string(period), "from": "", "to": "", "before": ""}),
			Current: f.period() == period,
		})
	}
	return links
}

// period is the one that is shown; empty if a range is.
func (f reportFilter) period() report.Period {
	if f.Get("from") != "" || f.Get("to") != "" {
		return ""
	}
	if period := report.Period(f.Get("period")); period != "" {
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
		value := f.Get(name)
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
		return page.Root + path
	}
	return page.Root + path + "?" + query.Encode()
}

// readFilter reads the filter of a report from the address. What is wrong with it
// is noted in the form.
func readFilter(v *page.Visit, kind api.ReportKind, path string) (reportFilter, api.ReportFilter) {
	query := v.Request.URL.Query()
	shown := reportFilter{Form: &page.Form{Values: query, Errors: map[string]string{}}, Path: path}
	filter := api.ReportFilter{
		Appliance: pair.ApplianceID(query.Get("appliance")), Step: report.Step(query.Get("step")),
		Text: strings.TrimSpace(query.Get("text")), Before: query.Get("before"), Period: shown.period(),
	}
	if kinds := query.Get("kind"); kinds != "" {
		filter.Kinds = strings.Split(kinds, ",")
	}
	filter.Since = shown.day("from", v.Zone, 0)
	filter.Until = shown.day("to", v.Zone, 1)
	if !filter.Since.IsZero() && !filter.Until.IsZero() && !filter.Since.Before(filter.Until) {
		shown.Refuse("to", "the report would end before it begins: choose a later day, or an earlier one above")
	}
	if err := filter.Check(kind); err != nil && shown.Right() {
		shown.Problem = page.Sentence(err.Error())
	}
	return shown, filter
}

// day reads a date of the site's zone, and returns the begin of the day so many
// days after; zero if there is none.
func (f reportFilter) day(name string, zone *time.Location, after int) time.Time {
	text := f.Get(name)
	if text == "" {
		return time.Time{}
	}
	date, err := time.Parse(time.DateOnly, text)
	if err != nil {
		f.Refuse(name, "write a date as 2030-01-31")
		return time.Time{}
	}
	return report.StartOfDay(time.Date(date.Year(), date.Month(), date.Day()+after, 12, 0, 0, 0, zone), zone)
}

// newReport is the frame of a report's page.
func newReport(v *page.Visit, kind api.ReportKind, path string) (reportPage, api.ReportFilter) {
	shown, filter := readFilter(v, kind, path)
	made := reportPage{Kind: kind, Filter: shown}
	if filter.Before != "" {
		made.Newest = shown.at(path, map[string]string{"before": ""})
	}
	if !shown.Right() {
		return made, filter
	}
	for _, format := range []string{"csv", "json"} {
		made.Downloads = append(made.Downloads, page.Link{
			Label: strings.ToUpper(format), Href: shown.at("/reports/"+string(kind)+"/download", map[string]string{"before": "", "format": format}),
		})
	}
	return made, filter
}

// download sends a whole report as a file.
func (p reports) download(v *page.Visit) error {
	kind := api.ReportKind(v.Request.PathValue("kind"))
	shown, filter := readFilter(v, kind, "/reports")
	if !shown.Right() {
		return pair.Refuse(pair.Usage, "the report cannot be downloaded with this filter: go back and correct it")
	}
	download, err := api.NewDownload(v.Context(), p.backend.Reports, kind, filter, api.ReportFormat(v.Request.URL.Query().Get("format")))
	if err != nil {
		return err
	}
	v.Writer.Header().Set("Content-Type", download.ContentType)
	v.Writer.Header().Set("Content-Disposition", download.Disposition())
	if err := download.Write(v.Context(), v.Writer); err != nil && v.Context().Err() == nil {
		v.Log().Error("report cut", slog.String("report", string(kind)), slog.String("error", err.Error()))
		panic(http.ErrAbortHandler) // nobody may take a part for the whole
	}
	return nil
}

// Appliance is the one that is asked for; empty: all.
func (f reportFilter) Appliance() string { return f.Get("appliance") }

// Narrowed reports whether more is asked for than a period.
func (f reportFilter) Narrowed() bool {
	for _, name := range []string{"from", "to", "appliance", "step", "kind", "text"} {
		if f.Get(name) != "" {
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
func (p reportPage) Appliances() []page.Option {
	if len(p.About.Appliances) < 2 {
		return nil
	}
	choices := []page.Option{{Label: "Both appliances"}}
	for _, one := range p.About.Appliances {
		choices = append(choices, page.Option{Value: string(one.ID), Label: one.Name, Chosen: p.Filter.Get("appliance") == string(one.ID)})
	}
	return choices
}

// StepOptions are the ways to divide the report.
func (p reportPage) StepOptions() []page.Option {
	choices := []page.Option{{Label: "As fits"}}
	for _, step := range report.Steps() {
		choices = append(choices, page.Option{Value: string(step), Label: page.Capital(string(step)), Chosen: p.Filter.Get("step") == string(step)})
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

package reports

import (
	"io"
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

// newReport is the frame of a report's page.
func newReport(v *page.Visit, kind api.ReportKind, path string) (reportPage, api.ReportFilter) {
	shown, filter := readFilter(v, kind, path)
	data := reportPage{Kind: kind, Filter: shown}
	if filter.Before != "" {
		data.Newest = shown.at(path, map[string]string{"before": ""})
	}
	if !shown.Right() {
		return data, filter
	}
	for _, format := range []string{"csv", "json"} {
		data.Downloads = append(data.Downloads, page.Link{
			Label: strings.ToUpper(format), Href: shown.at("/reports/"+string(kind)+"/download", map[string]string{"before": "", "format": format}),
		})
	}
	return data, filter
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
	return v.Download(download.Name, download.ContentType, func(to io.Writer) error { return download.Write(v.Context(), to) })
}

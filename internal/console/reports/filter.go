package reports

import (
	"net/url"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
	"baton/internal/report"
)

// reportFilter is the filter as the page shows it.
type reportFilter struct {
	*page.Form
	Path string // of the report
}

// readFilter reads the filter of a report from the address. The form notes what is wrong
// with it.
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

// day reads a date in the site's zone, and returns the beginning of the day so many days
// after it; zero if there is no date.
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

// at is the address of a page with this filter and some changes; it leaves empty values out.
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
	if format := changes["format"]; format != "" {
		query.Set("format", format)
	}
	if len(query) == 0 {
		return page.Root + path
	}
	return page.Root + path + "?" + query.Encode()
}

// period is the period that is shown; empty if a range of days is.
func (f reportFilter) period() report.Period {
	if f.Get("from") != "" || f.Get("to") != "" {
		return ""
	}
	if period := report.Period(f.Get("period")); period != "" {
		return period
	}
	return report.Month
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

// Period is the period, for a form that has to keep it.
func (f reportFilter) Period() string { return string(f.period()) }

// Appliance is the id of the appliance that is asked for; empty: all.
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

package reports

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"baton/internal/api"
	"baton/internal/console/page"
	"baton/internal/pair"
	"baton/internal/report"
)

// availabilityPage is the part of the report of availability that is its own.
type availabilityPage struct {
	api.Availability
	Strips []strip
}

func (p reports) showAvailability(v *page.Visit) error {
	const name, title = "availability", "Availability"
	data, filter := newReport(v, api.AvailabilityReport, "/reports")
	if !data.Filter.Right() {
		return v.Again(name, title, data)
	}
	a, err := p.backend.Reports.Availability(v.Context(), filter)
	if err != nil {
		return err
	}
	data.About = a.ReportRange
	data.Figures = []reportFigure{
		{shareText(a.Total), "available"},
		{someText(a.Total.Down), "down in all"},
		{strconv.Itoa(a.Total.Outages), plural(a.Total.Outages, "outage", "outages")},
		{someText(a.Total.Longest), "longest outage"},
	}
	data.Data = availabilityPage{Availability: a, Strips: strips(a)}
	return v.Page(name, title, data)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// shareText writes a share so that only all of it is 100 %.
func shareText(f report.Figures) string {
	share, known := f.Share()
	switch {
	case !known:
		return "unknown"
	case f.Down == 0:
		return "100 %"
	}
	for decimals := 2; decimals < 6; decimals++ {
		if text := strconv.FormatFloat(100*share, 'f', decimals, 64); !strings.HasPrefix(text, "100") {
			return text + " %"
		}
	}
	return "99.99999 %"
}

// someText is a duration that may be none.
func someText(ms int64) string {
	if ms == 0 {
		return "none"
	}
	return pair.MillisText(ms)
}

// servedSpan is the time that is drawn: it begins when the site was served first.
func servedSpan(a api.Availability) report.Span {
	over := a.Total.Span
	over.Since = over.Since.Add(time.Duration(a.Total.Before) * time.Millisecond)
	return over
}

// strips draws what the site was, and then each appliance.
func strips(a api.Availability) []strip {
	zone := a.Zone()
	over := servedSpan(a)
	if !over.Since.Before(over.Until) {
		return nil
	}
	pieces := []piece{{over, "good", "Up"}}
	for _, unknown := range a.Unknown {
		pieces = append(pieces, piece{unknown, "unknown", fmt.Sprintf("Unknown, %s, from %s", pair.LastingText(unknown.Until.Sub(unknown.Since)), page.Clock(zone, unknown.Since))})
	}
	for _, outage := range a.Outages {
		class, word := "critical", "Outage"
		if outage.Planned {
			class, word = "warning", "Planned switch"
		}
		pieces = append(pieces, piece{outage.Span, class, fmt.Sprintf("%s: %s, from %s", word, pair.MillisText(outage.Lasted), page.Clock(zone, outage.Since))})
	}
	all := []strip{newStrip("Site", "Up "+shareText(a.Total), over, pieces)}
	for _, appliance := range a.Appliances {
		if one, some := applianceStrip(a, appliance, over, zone); some {
			all = append(all, one)
		}
	}
	return all
}

func applianceStrip(a api.Availability, appliance pair.Named, over report.Span, zone *time.Location) (strip, bool) {
	var pieces []piece
	serving := time.Duration(0)
	for _, stretch := range a.Stretches {
		if stretch.Appliance != appliance.ID || stretch.Apart {
			continue
		}
		if stretch.Serves {
			serving += stretch.Until.Sub(stretch.Since)
		}
		class, word := stretchClass(stretch)
		pieces = append(pieces, piece{stretch.Span, class, fmt.Sprintf("%s, %s, from %s", word, pair.LastingText(stretch.Until.Sub(stretch.Since)), page.Clock(zone, stretch.Since))})
	}
	inWords := "Did not serve"
	if serving > 0 {
		inWords = "Served for " + pair.LastingText(serving)
	}
	return newStrip(appliance.Name, inWords, over, pieces), len(pieces) > 0
}

// stretchClass is the colour of a stretch, and the word for what the appliance was.
func stretchClass(s report.Stretch) (class, word string) {
	role, _, _ := strings.Cut(s.Place, " ")
	switch {
	case s.Place == "":
		return "off", "Not running"
	case s.Serves:
		return "good", "Serving, " + s.Place
	case role == pair.Backup.String():
		return "info", "Backup"
	}
	return "warning", "Not serving, " + s.Place
}

// StripAxis names a few of the times below the strips.
func (p reportPage) StripAxis() []string {
	const labels = 5
	data, ok := p.Data.(availabilityPage)
	if !ok || len(data.Strips) == 0 {
		return nil
	}
	over := servedSpan(data.Availability)
	lasts := over.Until.Sub(over.Since)
	format := "2 Jan 2006"
	switch {
	case lasts < time.Hour:
		format = "15:04:05"
	case lasts < 4*24*time.Hour:
		format = "2 Jan 15:04"
	}
	var named []string
	for i := range labels {
		at := over.Since.Add(time.Duration(i) * (lasts / (labels - 1)))
		named = append(named, at.In(p.Zone()).Format(format))
	}
	return named
}

// Begins says when the site was served first, if that is within the report.
func (p reportPage) Begins() string {
	data, ok := p.Data.(availabilityPage)
	switch {
	case !ok || data.Total.Before == 0:
		return ""
	case !servedSpan(data.Availability).Since.Before(data.Total.Until):
		return "The site was not served yet in this time."
	case data.Begun.Before(servedSpan(data.Availability).Since):
		return "Counted since " + page.Clock(p.Zone(), servedSpan(data.Availability).Since) + ", when the records of this appliance begin."
	}
	return "Counted since " + page.Clock(p.Zone(), data.Begun) + ", when the site was served for the first time."
}

// NewestParts are the figures by step, newest first, as far back as the site was served.
func (p reportPage) NewestParts() []report.Figures {
	data, ok := p.Data.(availabilityPage)
	if !ok {
		return nil
	}
	parts := slices.DeleteFunc(slices.Clone(data.Parts), func(f report.Figures) bool { return f.Up+f.Down+f.Unknown == 0 })
	slices.Reverse(parts)
	return parts
}

// Share writes the share of a part in which the site was up.
func (p reportPage) Share(f report.Figures) string { return shareText(f) }

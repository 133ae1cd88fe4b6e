package api

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"baton/internal/pair"
	"baton/internal/report"
)

// Reports answers the reports. Filters have been checked.
type Reports interface {
	Availability(ctx context.Context, filter ReportFilter) (Availability, error)
	// EventReport answers one page of a report that lists events.
	EventReport(ctx context.Context, kind ReportKind, filter ReportFilter) (EventReport, error)
	// EachReported hands over every event of such a report, oldest first, with few
	// in memory at a time.
	EachReported(ctx context.Context, kind ReportKind, filter ReportFilter, do func(Event) error) error
}

// ReportAvailability answers when the site was up, and who served it: as Availability
// or, with a format, as a file.
func ReportAvailability() Stream[Reports, RangeQuery] {
	r := get("/reports/availability", "report-availability", pair.Viewer, "When the site was up, and who served it").as("text/csv")
	r.or = reflect.TypeFor[Availability]()
	return stream[RangeQuery](r, func(reports Reports, ctx context.Context, query RangeQuery, w *streamWriter) error {
		return writeReport(ctx, reports, AvailabilityReport, query.filter(), query.Format, w)
	})
}

// ReportEvents answers a report that lists events: one page of it, as EventReport, or,
// with a format, all of it as a file.
func ReportEvents(kind ReportKind) Stream[Reports, EventsQuery] {
	summary := map[ReportKind]string{
		FailoverReport: "Takeovers, planned switches and what else happened to roles, each with what was seen",
		SyncReport:     "Data syncs: how many, how long, how much",
		AuditReport:    "Sign-ins and changes",
	}[kind]
	r := get("/reports/"+string(kind), "report-"+string(kind), pair.Viewer, summary).as("text/csv")
	r.or = reflect.TypeFor[EventReport]()
	return stream[EventsQuery](r, func(reports Reports, ctx context.Context, query EventsQuery, w *streamWriter) error {
		return writeReport(ctx, reports, kind, query.filter(), query.Format, w)
	})
}

func (s *Server) serveReports() {
	ReportAvailability().serve(s, s.backend.Reports)
	for _, kind := range []ReportKind{FailoverReport, SyncReport, AuditReport} {
		ReportEvents(kind).serve(s, s.backend.Reports)
	}
}

// writeReport answers a page, or all of a report as a file.
func writeReport(ctx context.Context, reports Reports, kind ReportKind, filter ReportFilter, format ReportFormat, w *streamWriter) error {
	limited, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if format != "" {
		download, err := NewDownload(limited, reports, kind, filter, format)
		if err != nil {
			return err
		}
		w.contentType = download.ContentType
		w.Header().Set("Content-Disposition", download.Disposition())
		return download.Write(ctx, w)
	}
	page, err := reportPage(limited, reports, kind, filter)
	if err != nil {
		return err
	}
	w.contentType = "application/json"
	return json.NewEncoder(w).Encode(page)
}

func reportPage(ctx context.Context, backend Reports, kind ReportKind, filter ReportFilter) (any, error) {
	if err := filter.Check(kind); err != nil {
		return nil, err
	}
	if kind == AvailabilityReport {
		return backend.Availability(ctx, filter)
	}
	return backend.EventReport(ctx, kind, filter)
}

// RangeQuery is what every report takes. It is exported for the library, which
// reads what it is embedded in.
type RangeQuery struct {
	Period    report.Period    `query:"period" enum:"24h,7d,30d,12mo,all" doc:"That ends now; 30d if nothing is said. Whole days of the site's time zone, but for 24h"`
	Since     time.Time        `query:"since" doc:"RFC 3339, instead of a period: this quarter of an hour and later"`
	Until     time.Time        `query:"until" doc:"RFC 3339: before this quarter of an hour"`
	Step      report.Step      `query:"step" enum:"hour,day,month" doc:"By which the figures are divided; as fits if absent, longer if there were too many"`
	Appliance pair.ApplianceID `query:"appliance" maxLength:"64" doc:"Id: only what this appliance recorded"`
	Format    ReportFormat     `query:"format" enum:"csv,json" doc:"Download all of it as a file, instead of one page with figures"`
}

func (q RangeQuery) filter() ReportFilter {
	return ReportFilter{Period: q.Period, Since: q.Since, Until: q.Until, Step: q.Step, Appliance: q.Appliance}
}

// EventsQuery is what a report that lists events takes besides.
type EventsQuery struct {
	RangeQuery
	Kinds  []string `query:"kind" maxItems:"32" doc:"Only these kinds of events of the report, comma separated"`
	Text   string   `query:"text" maxLength:"200" doc:"Only events that say this; the figures do not heed it"`
	Before string   `query:"before" maxLength:"64" doc:"The page that continues one whose next was this"`
	Limit  int      `query:"limit" minimum:"1" maximum:"500" doc:"Events on the page; 50 if absent, and at most with failovers"`
}

func (q EventsQuery) filter() ReportFilter {
	f := q.RangeQuery.filter()
	f.Kinds, f.Text, f.Before, f.Limit = q.Kinds, q.Text, q.Before, q.Limit
	return f
}

// Query asks for the report of a filter; without a format for one page.
func (f ReportFilter) Query(format ReportFormat) EventsQuery {
	return EventsQuery{
		RangeQuery: RangeQuery{Period: f.Period, Since: f.Since, Until: f.Until, Step: f.Step, Appliance: f.Appliance, Format: format},
		Kinds:      f.Kinds, Text: f.Text, Before: f.Before, Limit: f.Limit,
	}
}

// ReportKind names a report.
type ReportKind string

// The reports.
const (
	AvailabilityReport ReportKind = "availability" // when the site was up, and who served it
	FailoverReport     ReportKind = "failovers"
	SyncReport         ReportKind = "syncs"
	AuditReport        ReportKind = "audit" // sign-ins and changes
)

// ReportKinds lists every report.
func ReportKinds() []ReportKind {
	return []ReportKind{AvailabilityReport, FailoverReport, SyncReport, AuditReport}
}

// Events lists the kinds of events that the report is about.
func (k ReportKind) Events() []string {
	switch k {
	case FailoverReport:
		return []string{pair.KindTakeover, pair.KindHandover, pair.KindSteppedDown, pair.KindObserved, pair.KindDiverged, pair.KindServiceFailed, pair.KindServiceRestarted}
	case SyncReport:
		return []string{pair.KindSyncDone, pair.KindSyncFailed}
	case AuditReport:
		return []string{
			pair.KindSignedIn, pair.KindSignedOut, pair.KindSignInFailed, pair.KindSettingChanged,
			pair.KindPaired, pair.KindUnpaired, pair.KindPairingFailed,
		}
	case AvailabilityReport:
	}
	return nil
}

// Bounds of one page of a report.
const (
	defaultReported = 50
	MaxReported     = 500 // events on one page
	MaxTold         = 50  // failovers on one page, each with its story
)

// ReportFilter selects what a report is about. Zero fields select everything of
// the last 30 days.
type ReportFilter struct {
	Period       report.Period // that ends now; not together with Since and Until
	Since, Until time.Time     // to the quarter of an hour
	Step         report.Step   // by which it is divided; empty: as fits
	Appliance    pair.ApplianceID
	Kinds        []string // of events: some of the report's
	Text         string   // part of what an event says or of who did it; the figures do not heed it
	Before       string   // id of an event: the page after the one that named it
	Limit        int      // events on the page
}

// Check refuses what does not fit a report.
func (f ReportFilter) Check(kind ReportKind) error {
	switch {
	case !slices.Contains(ReportKinds(), kind):
		return pair.Refuse(pair.NotFound, "there is no report %q: use availability, failovers, syncs or audit", kind)
	case f.Period != "" && (!f.Since.IsZero() || !f.Until.IsZero()):
		return pair.Refuse(pair.Usage, "a report is of a period or of a range: leave out one of them")
	case f.Period != "" && !slices.Contains(report.Periods(), f.Period):
		return pair.Refuse(pair.Usage, "unknown period %q: use 24h, 7d, 30d, 12mo or all", f.Period)
	case f.Step != "" && !slices.Contains(report.Steps(), f.Step):
		return pair.Refuse(pair.Usage, "unknown step %q: use hour, day or month", f.Step)
	case !f.Since.IsZero() && !f.Until.IsZero() && !f.Since.Before(f.Until):
		return pair.Refuse(pair.Usage, "the report would begin when it has ended: choose an earlier begin or a later end")
	}
	for _, one := range f.Kinds {
		if !slices.Contains(kind.Events(), one) {
			return pair.Refuse(pair.Usage, "the report %s is not about events of the kind %.40q", kind, one)
		}
	}
	return nil
}

// PageSize returns how many events are on a page of the report.
func (f ReportFilter) PageSize(kind ReportKind) int {
	switch {
	case f.Limit <= 0:
		return defaultReported
	case kind == FailoverReport:
		return min(f.Limit, MaxTold)
	}
	return min(f.Limit, MaxReported)
}

// ReportRange says what a report is about, as its filter was understood.
type ReportRange struct {
	report.Span
	Step       report.Step  `json:"step"`
	TimeZone   string       `json:"time_zone"`
	Appliances []pair.Named `json:"appliances" doc:"Whose records are known here"`
}

// NameOf returns the name of an appliance, or its short id if it is not known.
func (r ReportRange) NameOf(id pair.ApplianceID) string {
	for _, one := range r.Appliances {
		if one.ID == id {
			return one.Name
		}
	}
	return id.Short()
}

// Zone returns the site's time zone.
func (r ReportRange) Zone() *time.Location {
	zone, err := time.LoadLocation(r.TimeZone)
	if err != nil {
		return time.UTC // settings are checked when they are saved
	}
	return zone
}

// Bounds of what one answer about availability lists.
const (
	MaxStretches = 2000
	MaxOutages   = 100
)

// Availability says when the site was up, and who served it. Of one appliance
// alone it says when that one served it.
type Availability struct {
	ReportRange
	Begun     time.Time        `json:"begun,omitzero" doc:"When the site was served for the first time; absent: never"`
	Total     report.Figures   `json:"total"`
	Parts     []report.Figures `json:"parts" doc:"By step"`
	Stretches []report.Stretch `json:"stretches" doc:"What each appliance was, when; the newest 2000"`
	Outages   []ToldOutage     `json:"outages" doc:"The newest 100, newest first"`
	Unknown   []report.Span    `json:"unknown" doc:"When nobody can tell whether the site was served; the newest 100"`
}

// ToldOutage is an outage with what was recorded of its begin and its end.
type ToldOutage struct {
	report.Outage
	BeganText string `json:"began_text,omitempty"`
	EndedText string `json:"ended_text,omitempty"`
}

// EventReport is a report that lists events.
type EventReport struct {
	ReportRange
	Total  ReportSum   `json:"total"`
	Parts  []ReportSum `json:"parts" doc:"By step"`
	Events []Reported  `json:"events" doc:"Newest first"`
	// Next continues the list on a further page.
	Next string `json:"next,omitempty" doc:"Ask for the next page with before=this; absent on the last page"`
	// Reached is how far back a text has been looked for on this page.
	Reached time.Time `json:"reached,omitzero" doc:"How far back the text has been looked for, if that is not to the begin"`
}

// ReportSum adds up what happened within a time.
type ReportSum struct {
	report.Span
	Counts   map[string]int64 `json:"counts" doc:"By kind of event; of data syncs, the runs"`
	Files    int64            `json:"files"`
	Bytes    int64            `json:"bytes"`
	Duration int64            `json:"duration_ms" doc:"Of all data syncs together"`
	Longest  int64            `json:"longest_ms" doc:"Of the longest data sync"`
}

// Reported is an event on a page of a report.
type Reported struct {
	Event
	// Story is, for a failover, what both appliances recorded around it, oldest first.
	Story []Event `json:"story,omitempty"`
}

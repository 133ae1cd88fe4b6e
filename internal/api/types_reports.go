package api

import (
	"slices"
	"time"

	"baton/internal/pair"
	"baton/internal/report"
)

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
		return []string{pair.KindTakeover, pair.KindHandover, pair.KindSteppedDown, pair.KindObserved, pair.KindDiverged}
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

package api

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"baton/internal/pair"
	"baton/internal/report"
)

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

// eventsQuery is what a report that lists events takes besides.
type eventsQuery struct {
	RangeQuery
	Kinds  []string `query:"kind" maxItems:"32" doc:"Only these kinds of events of the report, comma separated"`
	Text   string   `query:"text" maxLength:"200" doc:"Only events that say this; the figures do not heed it"`
	Before string   `query:"before" maxLength:"64" doc:"The page that continues one whose next was this"`
	Limit  int      `query:"limit" minimum:"1" maximum:"500" doc:"Events on the page; 50 if absent, and at most with failovers"`
}

func (q eventsQuery) filter() ReportFilter {
	f := q.RangeQuery.filter()
	f.Kinds, f.Text, f.Before, f.Limit = q.Kinds, q.Text, q.Before, q.Limit
	return f
}

func (s *Server) addReports() {
	add(s, endpoint{
		method: http.MethodGet, path: "/reports/availability", name: "report-availability", least: pair.Viewer, replies: "text/csv",
		or: reflect.TypeFor[Availability](), summary: "When the site was up, and who served it",
	}, func(_ context.Context, in *RangeQuery) (*huma.StreamResponse, error) {
		return s.report(AvailabilityReport, in.filter(), in.Format), nil
	})
	for kind, summary := range map[ReportKind]string{
		FailoverReport: "Takeovers, planned switches and what else happened to roles, each with what was seen",
		SyncReport:     "Data syncs: how many, how long, how much",
		AuditReport:    "Sign-ins and changes",
	} {
		add(s, endpoint{
			method: http.MethodGet, path: "/reports/" + string(kind), name: "report-" + string(kind), least: pair.Viewer, replies: "text/csv",
			or: reflect.TypeFor[EventReport](), summary: summary,
		}, func(_ context.Context, in *eventsQuery) (*huma.StreamResponse, error) {
			return s.report(kind, in.filter(), in.Format), nil
		})
	}
}

// report answers a page, or all of it as a file.
func (s *Server) report(kind ReportKind, filter ReportFilter, format ReportFormat) *huma.StreamResponse {
	return s.stream("application/json", func(ctx context.Context, w *streamWriter) error {
		limited, cancel := context.WithTimeout(ctx, answerTimeout)
		defer cancel()
		if format != "" {
			download, err := NewDownload(limited, s.backend.Reports, kind, filter, format)
			if err != nil {
				return err
			}
			w.contentType = download.ContentType
			w.Header().Set("Content-Disposition", download.Disposition())
			return download.Write(ctx, w)
		}
		page, err := reportPage(limited, s.backend.Reports, kind, filter)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(page)
	})
}

func reportPage(ctx context.Context, backend Reporting, kind ReportKind, filter ReportFilter) (any, error) {
	if err := filter.Check(kind); err != nil {
		return nil, err
	}
	if kind == AvailabilityReport {
		return backend.Availability(ctx, filter)
	}
	return backend.EventReport(ctx, kind, filter)
}

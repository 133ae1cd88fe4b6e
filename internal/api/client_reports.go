package api

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Availability tells when the site was up, and who served it.
func (c *Client) Availability(ctx context.Context, filter ReportFilter) (Availability, error) {
	return fetch[Availability](ctx, c, http.MethodGet, reportPath(AvailabilityReport, filter, ""), nil)
}

// EventReport returns one page of a report that lists events.
func (c *Client) EventReport(ctx context.Context, kind ReportKind, filter ReportFilter) (EventReport, error) {
	return fetch[EventReport](ctx, c, http.MethodGet, reportPath(kind, filter, ""), nil)
}

// DownloadReport hands a whole report to take, as it streams in.
func (c *Client) DownloadReport(ctx context.Context, kind ReportKind, filter ReportFilter, format ReportFormat, take func(io.Reader) error) error {
	return c.download(ctx, http.MethodGet, reportPath(kind, filter, format), nil, take)
}

func reportPath(kind ReportKind, filter ReportFilter, format ReportFormat) string {
	query := url.Values{}
	set := func(key, value string) {
		if value != "" {
			query.Set(key, value)
		}
	}
	instant := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339Nano)
	}
	set("period", string(filter.Period))
	set("since", instant(filter.Since))
	set("until", instant(filter.Until))
	set("step", string(filter.Step))
	set("appliance", string(filter.Appliance))
	set("kind", strings.Join(filter.Kinds, ","))
	set("text", filter.Text)
	set("before", filter.Before)
	if filter.Limit > 0 {
		query.Set("limit", strconv.Itoa(filter.Limit))
	}
	set("format", string(format))
	return "/reports/" + url.PathEscape(string(kind)) + "?" + query.Encode()
}

package api

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"baton/internal/pair"
	"baton/internal/report"
)

// ReportFormat is how a whole report is downloaded.
type ReportFormat string

// The formats.
const (
	CSV  ReportFormat = "csv"  // a line for each event or time
	JSON ReportFormat = "json" // a list of events, or what is known of the availability
)

// Download is a whole report as a file.
type Download struct {
	Name        string
	ContentType string
	// Write writes it, with no more than a few events in memory at a time.
	Write func(ctx context.Context, to io.Writer) error
}

// Disposition is the header that has a browser save the file.
func (d Download) Disposition() string {
	return mime.FormatMediaType("attachment", map[string]string{"filename": d.Name})
}

// NewDownload prepares a report for download. The page of the filter is ignored.
func NewDownload(ctx context.Context, backend Reports, kind ReportKind, filter ReportFilter, format ReportFormat) (Download, error) {
	filter.Before, filter.Limit = "", 1
	if err := filter.Check(kind); err != nil {
		return Download{}, err
	}
	if format != CSV && format != JSON {
		return Download{}, pair.Refuse(pair.Usage, "unknown format %q: use csv or json", format)
	}
	if kind == AvailabilityReport {
		return availabilityFile(ctx, backend, filter, format)
	}
	first, err := backend.EventReport(ctx, kind, filter)
	if err != nil {
		return Download{}, err
	}
	filter.Period, filter.Since, filter.Until = "", first.Since, first.Until // as of now
	d := newDownload(kind, first.ReportRange, format)
	d.Write = func(ctx context.Context, to io.Writer) error {
		buffered := bufio.NewWriterSize(to, 32<<10)
		rows := rowsOf(kind, first.ReportRange, format, buffered)
		err := backend.EachReported(ctx, kind, filter, rows.add)
		if err == nil {
			err = rows.end()
		}
		return errors.Join(err, buffered.Flush())
	}
	return d, nil
}

func newDownload(kind ReportKind, about ReportRange, format ReportFormat) Download {
	zone := about.Zone()
	last := about.Until.Add(-time.Nanosecond).In(zone)
	d := Download{
		Name: fmt.Sprintf("baton-%s-%s-to-%s.%s", kind, about.Since.In(zone).Format(time.DateOnly), last.Format(time.DateOnly), format),
	}
	d.ContentType = "application/json"
	if format == CSV {
		d.ContentType = "text/csv; charset=utf-8"
	}
	return d
}

// rows writes events, one after the other.
type rows struct {
	add func(Event) error
	end func() error
}

func rowsOf(kind ReportKind, about ReportRange, format ReportFormat, to io.Writer) rows {
	if format == JSON {
		return jsonRows(to)
	}
	table := newTable(to)
	columns := columnsOf(kind, about)
	names := make([]string, len(columns))
	for i, column := range columns {
		names[i] = column.name
	}
	headed := table.row(names...)
	return rows{
		add: func(event Event) error {
			cells := make([]string, len(columns))
			for i, column := range columns {
				cells[i] = column.cell(event)
			}
			return table.row(cells...)
		},
		end: func() error { return errors.Join(headed, table.flush()) },
	}
}

func jsonRows(to io.Writer) rows {
	n := 0
	return rows{
		add: func(event Event) error {
			text, err := json.Marshal(event)
			if err != nil {
				return err
			}
			lead := ",\n"
			if n++; n == 1 {
				lead = "[\n"
			}
			_, err = to.Write(append([]byte(lead), text...))
			return err
		},
		end: func() error {
			text := "\n]\n"
			if n == 0 {
				text = "[]\n"
			}
			_, err := io.WriteString(to, text)
			return err
		},
	}
}

type column struct {
	name string
	cell func(Event) string
}

func columnsOf(kind ReportKind, about ReportRange) []column {
	zone := about.Zone()
	detail := func(name, key string) column {
		return column{name, func(e Event) string { return e.Detail[key] }}
	}
	columns := []column{
		{"time", func(e Event) string { return e.Time.In(zone).Format(time.RFC3339) }},
		{"appliance", func(e Event) string { return about.NameOf(e.Appliance) }},
		{"kind", func(e Event) string { return e.Kind }},
	}
	switch kind {
	case FailoverReport:
		columns = append(columns, detail("from", "from"), detail("to", "to"), detail("reason", "reason"), detail("epoch", "epoch"),
			detail("peer_last_heard", "peer_heard"), detail("silent_ms", "silent_ms"), detail("data_age_ms", "data_age_ms"))
	case SyncReport:
		columns = append(columns, detail("runs", "runs"), detail("number", "number"), detail("duration_ms", "duration_ms"),
			detail("longest_ms", "longest_ms"), detail("files", "files"), detail("bytes", "bytes"),
			column{"bytes_per_second", speedOf})
	case AuditReport:
		columns = append(columns, detail("by", "by"), detail("from", "from"))
	case AvailabilityReport:
	}
	return append(columns, column{"text", func(e Event) string { return e.Text }})
}

// speedOf returns the bytes per second of a data sync; empty if it brought none,
// or took no time.
func speedOf(e Event) string {
	bytes, err := strconv.ParseInt(e.Detail["bytes"], 10, 64)
	ms, err2 := strconv.ParseInt(e.Detail["duration_ms"], 10, 64)
	if err != nil || err2 != nil || bytes <= 0 || ms <= 0 {
		return ""
	}
	return strconv.FormatFloat(float64(bytes)/float64(ms)*1000, 'f', 0, 64)
}

func availabilityFile(ctx context.Context, backend Reports, filter ReportFilter, format ReportFormat) (Download, error) {
	known, err := backend.Availability(ctx, filter)
	if err != nil {
		return Download{}, err
	}
	d := newDownload(AvailabilityReport, known.ReportRange, format)
	d.Write = func(_ context.Context, to io.Writer) error {
		if format == JSON {
			return json.NewEncoder(to).Encode(known)
		}
		table := newTable(to)
		err := table.row("since", "until", "availability_percent", "up_ms", "down_ms", "unknown_ms", "outages", "longest_outage_ms", "before_ms")
		for _, part := range known.Parts {
			err = errors.Join(err, table.row(figures(part, known.Zone())...))
		}
		return errors.Join(err, table.flush())
	}
	return d, nil
}

func figures(f report.Figures, zone *time.Location) []string {
	share := ""
	if up, known := f.Share(); known {
		share = strconv.FormatFloat(100*up, 'f', 4, 64)
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		f.Since.In(zone).Format(time.RFC3339), f.Until.In(zone).Format(time.RFC3339), share,
		number(f.Up), number(f.Down), number(f.Unknown), strconv.Itoa(f.Outages), number(f.Longest), number(f.Before),
	}
}

// table writes CSV that a spreadsheet program takes for text and numbers only.
type table struct{ csv *csv.Writer }

func newTable(to io.Writer) *table { return &table{csv.NewWriter(to)} }

func (t *table) row(cells ...string) error {
	for i, cell := range cells {
		cells[i] = inert(cell)
	}
	return t.csv.Write(cells)
}

func (t *table) flush() error {
	t.csv.Flush()
	return t.csv.Error()
}

// inert puts an apostrophe ahead of what a spreadsheet program would calculate. Some
// pass over what is not seen ahead of it.
func inert(cell string) string {
	const passedOver = "\t\r\n"
	seen := strings.TrimLeftFunc(cell, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsGraphic(r) })
	first, _ := utf8.DecodeRuneInString(seen)
	if strings.ContainsRune("=+-@|＝＋－＠", first) || cell != "" && strings.ContainsRune(passedOver, rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

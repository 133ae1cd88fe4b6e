package report

import (
	"fmt"
	"time"
)

// Period is a stretch of time that ends now, by name.
type Period string

// The periods.
const (
	Day    Period = "24h"
	Week   Period = "7d"
	Month  Period = "30d"
	Year   Period = "12mo"
	Always Period = "all" // since the first event
)

// Periods lists every period, shortest first.
func Periods() []Period { return []Period{Day, Week, Month, Year, Always} }

// Quarter is the grain of the sums that reports are made of, and so of the
// bounds of a report. Every time zone in use differs from UTC by a multiple of it.
const Quarter = 15 * time.Minute

// Since returns where the period that ends at now begins: at a whole day of the
// zone, or 24 hours ago at a whole quarter of an hour. Always begins with first.
func (p Period) Since(now, first time.Time, zone *time.Location) (time.Time, error) {
	today := StartOfDay(now, zone)
	switch p {
	case Day:
		return now.Add(-24 * time.Hour).Truncate(Quarter), nil
	case Week:
		return dayBefore(today, 6), nil
	case Month:
		return dayBefore(today, 29), nil
	case Year:
		return startOf(today.Year(), today.Month()-11, 1, zone), nil
	case Always:
		if first.IsZero() {
			return today, nil
		}
		return StartOfDay(first, zone), nil
	}
	return time.Time{}, fmt.Errorf("unknown period %q: use 24h, 7d, 30d, 12mo or all", string(p))
}

func dayBefore(day time.Time, days int) time.Time {
	return startOf(day.Year(), day.Month(), day.Day()-days, day.Location())
}

// StartOfDay returns the first instant of the day, in the zone, that t lies in.
func StartOfDay(t time.Time, zone *time.Location) time.Time {
	t = t.In(zone)
	return startOf(t.Year(), t.Month(), t.Day(), zone)
}

// startOf returns the first instant of a date. Where clocks are put forward or
// back at midnight, the instant that the calendar names is a day early.
func startOf(year int, month time.Month, day int, zone *time.Location) time.Time {
	midnight := time.Date(year, month, day, 0, 0, 0, 0, zone)
	wanted := time.Date(year, month, day, 12, 0, 0, 0, zone).Day()
	for midnight.Day() != wanted {
		midnight = midnight.Add(Quarter)
	}
	return midnight
}

// Step is how a report is divided.
type Step string

// The steps.
const (
	Hourly  Step = "hour"
	Daily   Step = "day"
	Monthly Step = "month"
)

// Steps lists every step, shortest first.
func Steps() []Step { return []Step{Hourly, Daily, Monthly} }

// Longest ranges that are divided into hours and into days, so that a report has
// a number of rows that a person can read.
const (
	hourly = 8 * 24 * time.Hour
	daily  = 2 * 366 * 24 * time.Hour
)

// StepOf returns the step that is wanted for a range, or the next longer one
// that does not divide it into too many parts. Without a wish it is hours up to
// two days, and days up to three months.
func StepOf(wanted Step, since, until time.Time) Step {
	const twoDays, threeMonths = 49 * time.Hour, 93 * 24 * time.Hour
	lasts := until.Sub(since)
	switch {
	case wanted == Hourly && lasts <= hourly, wanted == "" && lasts <= twoDays:
		return Hourly
	case wanted != Monthly && wanted != "" && lasts <= daily, wanted == "" && lasts <= threeMonths:
		return Daily
	}
	return Monthly
}

// Span is a stretch of time: from Since until before Until.
type Span struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
}

// within returns the part that lies in another span; an empty one if none does.
func (s Span) within(other Span) Span {
	s.Since, s.Until = later(s.Since, other.Since), earlier(s.Until, other.Until)
	return s
}

// some reports whether the span is any time at all.
func (s Span) some() bool { return s.Since.Before(s.Until) }

// millis is how long the span lasts.
func (s Span) millis() int64 { return max(s.Until.Sub(s.Since), 0).Milliseconds() }

// Spans divides a range by whole hours, days or months of the zone; the first
// and the last may be cut short.
func Spans(since, until time.Time, step Step, zone *time.Location) []Span {
	var spans []Span
	for at := since.In(zone); at.Before(until); {
		next := at
		switch step {
		case Hourly:
			next = at.Add(time.Hour - offsetInHour(at))
		case Daily:
			next = startOf(at.Year(), at.Month(), at.Day()+1, zone)
		case Monthly:
			next = startOf(at.Year(), at.Month()+1, 1, zone)
		}
		if next.After(until) {
			next = until.In(zone)
		}
		spans = append(spans, Span{Since: at, Until: next})
		at = next
	}
	return spans
}

// offsetInHour returns how long the hour lasts already, as the zone's clocks show it.
func offsetInHour(t time.Time) time.Duration {
	return time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
}

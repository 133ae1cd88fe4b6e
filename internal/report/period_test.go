package report

import (
	"strings"
	"testing"
	"time"
)

func zone(t *testing.T, name string) *time.Location {
	t.Helper()
	found, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPeriodsBeginWithWholeDaysOfTheZone(t *testing.T) {
	kathmandu := zone(t, "Asia/Kathmandu")                 // UTC+05:45
	now := time.Date(2026, 3, 31, 20, 10, 30, 0, time.UTC) // the 1st of April there
	first := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	for period, want := range map[Period]string{
		Day:    "2026-03-31T01:45:00+05:45",
		Week:   "2026-03-26T00:00:00+05:45",
		Month:  "2026-03-03T00:00:00+05:45",
		Year:   "2025-05-01T00:00:00+05:45",
		Always: "2025-01-02T00:00:00+05:45",
	} {
		since, err := period.Since(now, first, kathmandu)
		if got := since.In(kathmandu).Format(time.RFC3339); err != nil || got != want {
			t.Errorf("%s begins at %s, want %s (%v)", period, got, want, err)
		}
	}
	if since, err := Always.Since(now, time.Time{}, kathmandu); err != nil || since.Format(time.DateOnly) != "2026-04-01" {
		t.Errorf("without any event, all begins at %s, %v", since, err)
	}
	if _, err := Period("a while").Since(now, first, kathmandu); err == nil {
		t.Error("a period of that name")
	}
}

func TestDaysBeginWhereTheClocksChangeAtMidnight(t *testing.T) {
	for _, test := range []struct{ zone, date, want string }{
		{"America/Sao_Paulo", "2018-11-04", "2018-11-04T01:00:00-02:00"}, // 00:00 does not exist
		{"America/Sao_Paulo", "2018-02-18", "2018-02-18T00:00:00-03:00"}, // 23:00 of the 17th comes twice
		{"Europe/Berlin", "2026-03-29", "2026-03-29T00:00:00+01:00"},
		{"Africa/Cairo", "2026-04-24", "2026-04-24T01:00:00+03:00"},
	} {
		there := zone(t, test.zone)
		noon, err := time.ParseInLocation("2006-01-02 15", test.date+" 12", there)
		if err != nil {
			t.Fatal(err)
		}
		if got := StartOfDay(noon, there).Format(time.RFC3339); got != test.want {
			t.Errorf("%s in %s begins at %s, want %s", test.date, test.zone, got, test.want)
		}
	}
}

func TestSpansCoverARangeWithoutAGap(t *testing.T) {
	for _, name := range []string{"Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Havana"} {
		there := zone(t, name)
		since := time.Date(2017, 12, 30, 13, 15, 0, 0, time.UTC)
		for _, step := range Steps() {
			until := since.Add(500*24*time.Hour + 45*time.Minute)
			spans := Spans(since, until, step, there)
			at := since
			for _, span := range spans {
				if !span.Since.Equal(at) || !span.Until.After(span.Since) {
					t.Fatalf("%s, %s: %v follows %s", name, step, span, at)
				}
				at = span.Until
			}
			if !at.Equal(until) {
				t.Errorf("%s, %s: ends at %s, want %s", name, step, at, until)
			}
			for _, span := range spans[1:] {
				if span.Since.Unix()%int64(Quarter/time.Second) != 0 {
					t.Errorf("%s, %s: %s is no whole quarter of an hour", name, step, span.Since)
				}
			}
			if step == Daily && (len(spans) < 501 || len(spans) > 502) || step == Monthly && len(spans) != 18 {
				t.Errorf("%s: %d %ss", name, len(spans), step)
			}
		}
	}
}

func TestTheStepFitsTheRange(t *testing.T) {
	const day = 24 * time.Hour
	for _, test := range []struct {
		wanted Step
		lasts  time.Duration
		want   Step
	}{
		{"", day, Hourly},
		{"", 30 * day, Daily},
		{"", 365 * day, Monthly},
		{Daily, 365 * day, Daily},
		{Daily, 5000 * day, Monthly},
		{Hourly, 30 * day, Daily},
		{Hourly, 5000 * day, Monthly},
		{Monthly, day, Monthly},
	} {
		if got := StepOf(test.wanted, start, start.Add(test.lasts)); got != test.want {
			t.Errorf("%q over %s gives %s, want %s", test.wanted, test.lasts, got, test.want)
		}
	}
	if spans := Spans(start, start, Hourly, time.UTC); len(spans) != 0 {
		t.Errorf("nothing is divided into %v", strings.TrimSpace(spans[0].Since.String()))
	}
}

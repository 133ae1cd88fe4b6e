package schedule_test

import (
	"testing"
	"time"

	"baton/internal/datasync/schedule"
	"baton/internal/pair"
)

func settings(kind pair.Schedule, zone string, hour, minute int) pair.Settings {
	s := pair.DefaultSettings()
	s.SyncSchedule, s.TimeZone, s.SyncTime = kind, zone, pair.TimeOfDay{Hour: hour, Minute: minute}
	return s
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	instant, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return instant
}

func TestNextDay(t *testing.T) {
	for _, row := range []struct {
		zone         string
		hour, minute int
		after, want  string
	}{
		{"UTC", 3, 0, "2026-05-05T02:59:59Z", "2026-05-05T03:00:00Z"},
		{"UTC", 3, 0, "2026-05-05T03:00:00Z", "2026-05-06T03:00:00Z"},
		{"UTC", 0, 0, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"},
		// Berlin skips 02:00 to 03:00: the first instant after the gap.
		{"Europe/Berlin", 2, 30, "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"Europe/Berlin", 2, 0, "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"Europe/Berlin", 3, 0, "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"Europe/Berlin", 2, 30, "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"},
		// Berlin has 02:00 to 03:00 twice: the first one, once.
		{"Europe/Berlin", 2, 30, "2026-10-24T12:00:00+02:00", "2026-10-25T02:30:00+02:00"},
		{"Europe/Berlin", 2, 30, "2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"},
		{"Europe/Berlin", 2, 30, "2026-10-25T02:10:00+01:00", "2026-10-26T02:30:00+01:00"},
		{"Europe/Berlin", 3, 0, "2026-10-25T02:59:00+01:00", "2026-10-25T03:00:00+01:00"},
		// Lord Howe moves by half an hour; Cairo skips midnight; Samoa lost a day.
		{"Australia/Lord_Howe", 2, 15, "2026-10-03T12:00:00+10:30", "2026-10-04T02:30:00+11:00"},
		{"Africa/Cairo", 0, 30, "2026-04-23T12:00:00+02:00", "2026-04-24T01:00:00+03:00"},
		{"Pacific/Apia", 3, 0, "2011-12-29T12:00:00-10:00", "2011-12-31T03:00:00+14:00"},
		{"America/Sao_Paulo", 0, 0, "2018-11-03T12:00:00-03:00", "2018-11-04T01:00:00-02:00"},
	} {
		got := schedule.Next(settings(pair.ScheduleDaily, row.zone, row.hour, row.minute), at(t, row.after))
		if !got.Equal(at(t, row.want)) {
			t.Errorf("%s %02d:%02d after %s: got %s, want %s", row.zone, row.hour, row.minute, row.after, got.Format(time.RFC3339), row.want)
		}
	}
}

func TestNextWeekAndIntervals(t *testing.T) {
	s := settings(pair.ScheduleWeekly, "Europe/Berlin", 2, 30)
	s.SyncDay = time.Sunday
	if got := schedule.Next(s, at(t, "2026-03-23T00:00:00+01:00")); !got.Equal(at(t, "2026-03-29T03:00:00+02:00")) {
		t.Error(got)
	}
	if got := schedule.Next(s, at(t, "2026-03-29T03:00:00+02:00")); !got.Equal(at(t, "2026-04-05T02:30:00+02:00")) {
		t.Error(got)
	}
	s.SyncSchedule, s.SyncEvery = pair.ScheduleEvery, 7*time.Minute
	start := at(t, "2026-10-25T02:58:00+02:00")
	if got := schedule.Next(s, start); got.Sub(start) != 7*time.Minute {
		t.Error(got)
	}
	s.SyncSchedule = pair.ScheduleContinuous
	if got := schedule.Next(s, start); got.Sub(start) != schedule.ContinuousInterval {
		t.Error(got)
	}
}

// TestOneRunPerLocalDay follows a schedule through years of clock changes.
func TestOneRunPerLocalDay(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "America/Santiago", "Asia/Kathmandu"} {
		for _, clock := range [][2]int{{0, 0}, {0, 30}, {1, 30}, {2, 0}, {2, 30}, {3, 0}, {23, 59}} {
			s := settings(pair.ScheduleDaily, zone, clock[0], clock[1])
			when := at(t, "2025-01-01T00:00:00Z")
			last := ""
			for range 800 {
				when = schedule.Next(s, when)
				day := when.In(s.Location()).Format("2006-01-02")
				if last != "" && !follows(t, last, day) {
					t.Fatalf("%s %v: run on %s, then on %s", zone, clock, last, day)
				}
				last = day
			}
		}
	}
}

func follows(t *testing.T, day, next string) bool {
	t.Helper()
	d, err := time.Parse("2006-01-02", day)
	if err != nil {
		t.Fatal(err)
	}
	return d.AddDate(0, 0, 1).Format("2006-01-02") == next
}

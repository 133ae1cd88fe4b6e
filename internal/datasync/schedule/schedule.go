// Package schedule decides when the next automatic data sync is due. It is
// pure: no clock, no timer; the caller waits.
//
// The rule for daily and weekly syncs is exactly one run per local day that is
// due: a time that the clock skips runs at the first instant after the gap, a
// time that comes twice runs the first time.
package schedule

import (
	"time"

	"baton/internal/pair"
)

// ContinuousInterval is how often a continuous sync runs in this version.
const ContinuousInterval = 2 * time.Second

// Next returns the first instant strictly after the given one at which a sync is
// due. For continuous and every N minutes, after is the last start.
func Next(s pair.Settings, after time.Time) time.Time {
	switch s.SyncSchedule {
	case pair.ScheduleEvery:
		return after.Add(s.SyncEvery)
	case pair.ScheduleDaily:
		return nextDay(s, after, func(time.Weekday) bool { return true })
	case pair.ScheduleWeekly:
		return nextDay(s, after, func(day time.Weekday) bool { return day == s.SyncDay })
	case pair.ScheduleContinuous:
	}
	return after.Add(ContinuousInterval)
}

// nextDay looks from the day before after, whose run can lie after it only if
// the zone moved across the date line, to the first due day whose run lies after it.
func nextDay(s pair.Settings, after time.Time, due func(time.Weekday) bool) time.Time {
	zone := s.Location()
	year, month, day := after.In(zone).Date()
	for offset := -1; ; offset++ {
		date := time.Date(year, month, day+offset, 12, 0, 0, 0, time.UTC) // calendar only
		if !due(date.Weekday()) || !exists(date, zone) {
			continue
		}
		if run := instant(date, s.SyncTime, zone); run.After(after) {
			return run
		}
	}
}

// exists reports whether the zone has the day at all: Samoa had no 2011-12-30.
func exists(date time.Time, zone *time.Location) bool {
	year, month, day := date.Date()
	return time.Date(year, month, day, 12, 0, 0, 0, zone).Day() == day
}

// instant returns the moment at which the zone's clock first shows the time of
// day on the date, or the first moment after the gap that swallowed it.
func instant(date time.Time, at pair.TimeOfDay, zone *time.Location) time.Time {
	year, month, day := date.Date()
	wall := time.Date(year, month, day, at.Hour, at.Minute, 0, 0, time.UTC)
	guess := time.Date(year, month, day, at.Hour, at.Minute, 0, 0, zone)
	before, after := offsetAt(guess.Add(-26*time.Hour), zone), offsetAt(guess.Add(26*time.Hour), zone)
	// The offset in force before a change gives the first of two equal wall times.
	for _, offset := range []time.Duration{max(before, after), min(before, after)} {
		candidate := wall.Add(-offset)
		if offsetAt(candidate, zone) == offset {
			return candidate.In(zone)
		}
	}
	// In a gap: the wall time never shows. The zone's change lies near the guess.
	change, _ := guess.ZoneBounds()
	if _, end := guess.ZoneBounds(); !end.IsZero() && end.Sub(guess) < guess.Sub(change) {
		change = end
	}
	return change.In(zone)
}

func offsetAt(t time.Time, zone *time.Location) time.Duration {
	_, seconds := t.In(zone).Zone()
	return time.Duration(seconds) * time.Second
}

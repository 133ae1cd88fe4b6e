package inforce

import (
	"sync"
	"time"

	"baton/internal/datasync/schedule"
	"baton/internal/pair"
)

// Settings are the settings in force. On a backup they may be newer than its site
// database: a change at the primary counts here before a data sync brings it.
type Settings struct {
	mu      sync.Mutex
	now     pair.Settings
	version int64
	heard   bool // a backup has them from its primary, and they are newer than those of a snapshot
}

// NewSettings returns settings that the site database has, and their version there.
func NewSettings(saved pair.Settings, version int64) *Settings {
	return &Settings{now: saved, version: version}
}

// Get returns the settings in force.
func (s *Settings) Get() pair.Settings {
	now, _ := s.Versioned()
	return now
}

// Versioned returns them and their version in the site database.
func (s *Settings) Versioned() (now pair.Settings, version int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now, s.version
}

// Set brings settings into force that the site database has. A backup that has
// heard from its primary keeps to that: a data sync may bring what is older.
func (s *Settings) Set(saved pair.Settings, version int64, role pair.Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.heard = s.heard && role == pair.Backup; !s.heard {
		s.now, s.version = saved, version
	}
}

// Hear brings into force what the primary says.
func (s *Settings) Hear(told pair.Settings, version int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.version, s.heard = told, version, true
}

// Next returns when a data sync is due after an instant, by the schedule in force.
func (s *Settings) Next(after time.Time) time.Time { return schedule.Next(s.Get(), after) }

// NextDaily returns when it is this time in the site's zone: once every local day, as for
// a daily data sync.
func (s *Settings) NextDaily(at pair.TimeOfDay, after time.Time) time.Time {
	daily := pair.Settings{SyncSchedule: pair.ScheduleDaily, SyncTime: at, TimeZone: s.Get().TimeZone}
	return schedule.Next(daily, after)
}

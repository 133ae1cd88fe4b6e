package pair

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Settings are valid for the pair: saved on either appliance, kept in the site
// database, synced to the backup. JSON names are the setting keys of the
// command line.
type Settings struct {
	BackupOperations  bool          // Enable Backup Operations: automatic data sync and automatic failover may occur
	AutomaticFailover bool          // Enable Automatic Failover
	ObserveOnly       bool          // decide and record, but do not take over
	PrimaryTimeout    time.Duration // Primary Site Instance Timeout, 100 ms to 24 h
	PollInterval      time.Duration // 0: a tenth of the timeout, within 20 ms and 5 s
	TestIPs           []netip.Addr  // Network Connectivity Test IPs
	TestIPsRequired   Required      // how many of them must answer
	SyncSchedule      Schedule
	SyncEvery         time.Duration // for ScheduleEvery, at least 1 min
	SyncDay           time.Weekday  // for ScheduleWeekly
	SyncTime          TimeOfDay     // for ScheduleDaily and ScheduleWeekly
	BandwidthLimit    Rate          // Data-Sync Bandwidth Limit; 0: unlimited
	MaxDataAge        time.Duration // highest data age for automatic failover; 0: no limit
	TimeZone          string        // IANA name, of the site
	SiteCheck         HealthCheck   // how the primary finds out whether its site answers
	RestorePoints     int           // earlier snapshots of which the backup keeps what it takes to restore files, at most
}

// DefaultSettings returns what a new site starts with.
func DefaultSettings() Settings {
	return Settings{
		BackupOperations: true,
		PrimaryTimeout:   UsualTimeout,
		TestIPsRequired:  RequireAny,
		SyncSchedule:     ScheduleContinuous,
		SyncEvery:        15 * time.Minute,
		SyncTime:         TimeOfDay{Hour: 3},
		TimeZone:         "UTC",
		RestorePoints:    3,
	}
}

// Required says how many test IPs must answer.
type Required string

// The two rules.
const (
	RequireAny      Required = "any"
	RequireMajority Required = "majority"
)

// Schedule says when automatic data syncs occur.
type Schedule string

// The schedules.
const (
	ScheduleContinuous Schedule = "continuous"
	ScheduleEvery      Schedule = "every"  // Every N Minutes
	ScheduleDaily      Schedule = "daily"  // Every Day
	ScheduleWeekly     Schedule = "weekly" // Once a Week
)

// TimeOfDay is a wall-clock time in the site's zone.
type TimeOfDay struct{ Hour, Minute int }

// String renders "03:00".
func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", t.Hour, t.Minute) }

// ParseTimeOfDay reads HH:MM.
func ParseTimeOfDay(text string) (TimeOfDay, error) {
	hour, minute, found := strings.Cut(text, ":")
	h, herr := strconv.Atoi(hour)
	m, merr := strconv.Atoi(minute)
	if !found || herr != nil || merr != nil || len(hour) != 2 || len(minute) != 2 || h < 0 || h > 23 || m < 0 || m > 59 {
		return TimeOfDay{}, fmt.Errorf("%q is not a time of day: write HH:MM from 00:00 to 23:59", text)
	}
	return TimeOfDay{Hour: h, Minute: m}, nil
}

// MarshalText implements encoding.TextMarshaler.
func (t TimeOfDay) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *TimeOfDay) UnmarshalText(text []byte) (err error) {
	*t, err = ParseTimeOfDay(string(text))
	return err
}

// Rate is a bandwidth in bytes per second. 0 is unlimited.
type Rate int64

// ParseRate reads "0", "20Mbit" (megabits) or "2MB" (megabytes) per second; also
// kbit, Gbit, kB and GB. Units are decimal, as bandwidth is sold.
func ParseRate(text string) (Rate, error) {
	refusal := fmt.Errorf("%q is not a rate: write 0 for unlimited, or a rate per second like 20Mbit or 2MB", text)
	trimmed := strings.TrimSpace(text)
	if trimmed == "0" {
		return 0, nil
	}
	end := strings.IndexFunc(trimmed, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end <= 0 {
		return 0, refusal
	}
	number, err := strconv.ParseFloat(trimmed[:end], 64)
	if err != nil {
		return 0, refusal
	}
	units := map[string]float64{
		"kbit": 1e3 / 8, "mbit": 1e6 / 8, "gbit": 1e9 / 8,
		"kb": 1e3, "mb": 1e6, "gb": 1e9,
	}
	unit, known := units[strings.ToLower(strings.TrimSpace(trimmed[end:]))]
	bytes := number * unit
	switch {
	case !known:
		return 0, refusal
	case bytes < 1000 || bytes > 1e12:
		return 0, fmt.Errorf("%s is out of range: use 8kbit to 8000Gbit, or 0 for unlimited", text)
	}
	return Rate(bytes + 0.5), nil // rounded: 4.1 million is a little less as a float
}

// String renders the rate so that ParseRate reads it back.
func (r Rate) String() string {
	bits := int64(r) * 8
	switch {
	case r == 0:
		return "0"
	case bits%1e6 == 0:
		return strconv.FormatInt(bits/1e6, 10) + "Mbit"
	default:
		return strconv.FormatFloat(float64(bits)/1e3, 'f', -1, 64) + "kbit"
	}
}

// The Primary Site Instance Timeout of a new pair, unless a person has saved one.
const (
	UsualTimeout  = 5 * time.Second // also of a pair that an earlier version made
	LeasedTimeout = 3 * time.Second // where the traffic lease is in force on both
)

// Limits of the timing settings.
const (
	MinTimeout = 100 * time.Millisecond
	MaxTimeout = 24 * time.Hour
	MinPoll    = 10 * time.Millisecond
	MaxPoll    = 5 * time.Second
	MaxTestIPs = 32
)

// Poll returns the poll interval in force: as set, or a tenth of the timeout
// within MinPoll and MaxPoll.
func (s Settings) Poll() time.Duration {
	if s.PollInterval != 0 {
		return s.PollInterval
	}
	return min(max(s.PrimaryTimeout/10, MinPoll), MaxPoll)
}

// Location returns the site's time zone. Check has found that it exists.
func (s Settings) Location() *time.Location {
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		return time.UTC
	}
	return zone
}

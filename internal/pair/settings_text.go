package pair

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // for machines that have none
)

// Keys implements Keyed.
func (Settings) Keys() []Key[Settings] {
	schedules := []Schedule{ScheduleContinuous, ScheduleEvery, ScheduleDaily, ScheduleWeekly}
	return []Key[Settings]{
		boolKey("backup_operations", "Enable Backup Operations", func(s *Settings) *bool { return &s.BackupOperations }),
		boolKey("automatic_failover", "Enable Automatic Failover", func(s *Settings) *bool { return &s.AutomaticFailover }),
		boolKey("observe_only", "Observe only", func(s *Settings) *bool { return &s.ObserveOnly }),
		durationKey("primary_timeout", "Primary Site Instance Timeout", func(s *Settings) *time.Duration { return &s.PrimaryTimeout }).
			within(func(s Settings) bool { return s.PrimaryTimeout >= MinTimeout && s.PrimaryTimeout <= MaxTimeout }, "use 100ms to 24h"),
		durationKey("poll_interval", "Poll interval", func(s *Settings) *time.Duration { return &s.PollInterval }).
			within(func(s Settings) bool {
				return s.PollInterval == 0 || s.PollInterval >= MinPoll && s.PollInterval <= MaxPoll && s.PollInterval <= s.PrimaryTimeout/4
			}, "use 0 for a tenth of the timeout, or 10ms to 5s and at most a quarter of primary_timeout"),
		listKey("test_ips", "Network Connectivity Test IPs", commasAndSpace, func(s *Settings) *[]netip.Addr { return &s.TestIPs }, netip.Addr.String, parseTestIP).
			checked(func(s Settings) error { return checkTestIPs(s.TestIPs) }),
		textKey("test_ips_required", "How many must answer", func(s *Settings) *Required { return &s.TestIPsRequired }).
			within(func(s Settings) bool { return s.TestIPsRequired == RequireAny || s.TestIPsRequired == RequireMajority }, "use any or majority"),
		textKey("sync_schedule", "Data-Sync Interval", func(s *Settings) *Schedule { return &s.SyncSchedule }).
			within(func(s Settings) bool { return slices.Contains(schedules, s.SyncSchedule) }, "use continuous, every, daily or weekly"),
		durationKey("sync_every", "Time between data syncs", func(s *Settings) *time.Duration { return &s.SyncEvery }).
			within(func(s Settings) bool { return s.SyncEvery >= time.Minute && s.SyncEvery <= 7*24*time.Hour }, "use 1m to 168h"),
		keyOf("sync_day", "Day of data syncs", func(s *Settings) *time.Weekday { return &s.SyncDay }, weekdayText, parseWeekday),
		timeKey("sync_time", "Time of data syncs", func(s *Settings) *TimeOfDay { return &s.SyncTime }),
		keyOf("bandwidth_limit", "Data-Sync Bandwidth Limit", func(s *Settings) *Rate { return &s.BandwidthLimit }, Rate.String, ParseRate),
		durationKey("max_data_age", "Highest data age for automatic failover", func(s *Settings) *time.Duration { return &s.MaxDataAge }),
		textKey("time_zone", "Time zone", func(s *Settings) *string { return &s.TimeZone }).
			within(func(s Settings) bool { return isZone(s.TimeZone) }, "use a name of the time zone database, as Europe/Berlin"),
		keyOf("site_check", "Site check", func(s *Settings) *HealthCheck { return &s.SiteCheck }, HealthCheck.String, ParseSiteCheck),
		numberKey("restore_points", "Restore points", "0 to 100", func(s *Settings) *int { return &s.RestorePoints }).
			within(func(s Settings) bool { return s.RestorePoints >= 0 && s.RestorePoints <= 100 }, "use 0 to 100"),
	}
}

func parseTestIP(text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%q is not an IP address: write addresses like 198.51.100.1 or 2001:db8::1", text)
	}
	return ip.Unmap(), nil
}

func checkTestIPs(ips []netip.Addr) error {
	var refused []error
	if len(ips) > MaxTestIPs {
		refused = append(refused, errors.New("use at most 32 addresses"))
	}
	for i, ip := range ips {
		if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback() {
			refused = append(refused, fmt.Errorf("%s cannot be tested: use the address of another machine, as a gateway or a public resolver", ip))
		}
		if slices.Contains(ips[:i], ip) {
			refused = append(refused, fmt.Errorf("%s is listed twice: name each address once", ip))
		}
	}
	return errors.Join(refused...)
}

func weekdayText(day time.Weekday) string { return strings.ToLower(day.String()) }

func parseWeekday(text string) (time.Weekday, error) {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if strings.EqualFold(day.String(), text) {
			return day, nil
		}
	}
	return 0, fmt.Errorf("%q is not a day: use monday to sunday", text)
}

// isZone reports whether there is a time zone, on every machine: the program brings them along. It
// refuses names that mean something else on each machine, or that only some have.
func isZone(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	if slices.Contains([]string{"", "Local", "localtime", "posixrules", "posix", "right"}, first) {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}

// Sum returns a number that tells these settings from others, and is never 0. A
// setting at its default counts as absent: the sum is the same for a version of
// Baton that does not have it.
func (s Settings) Sum() uint64 {
	sum := fnv.New64a()
	for _, c := range Changes(DefaultSettings(), s) {
		_, _ = fmt.Fprintf(sum, "%s=%s\n", c.Key, c.After) // a hash takes all
	}
	return max(sum.Sum64(), 1)
}

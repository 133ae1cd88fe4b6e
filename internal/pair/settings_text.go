package pair

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settingKey reads and writes one setting as text: the single list behind the
// command line, the API and the site database.
type settingKey struct {
	name string
	get  func(Settings) string
	set  func(*Settings, string) error
}

func settingKeys() []settingKey {
	return []settingKey{
		boolKey("backup_operations", func(s *Settings) *bool { return &s.BackupOperations }),
		boolKey("automatic_failover", func(s *Settings) *bool { return &s.AutomaticFailover }),
		boolKey("observe_only", func(s *Settings) *bool { return &s.ObserveOnly }),
		durationKey("primary_timeout", func(s *Settings) *time.Duration { return &s.PrimaryTimeout }),
		durationKey("poll_interval", func(s *Settings) *time.Duration { return &s.PollInterval }),
		{"test_ips", func(s Settings) string { return joinIPs(s.TestIPs) }, setTestIPs},
		{
			"test_ips_required", func(s Settings) string { return string(s.TestIPsRequired) },
			func(s *Settings, v string) error { s.TestIPsRequired = Required(v); return nil },
		},
		{
			"sync_schedule", func(s Settings) string { return string(s.SyncSchedule) },
			func(s *Settings, v string) error { s.SyncSchedule = Schedule(v); return nil },
		},
		durationKey("sync_every", func(s *Settings) *time.Duration { return &s.SyncEvery }),
		{"sync_day", func(s Settings) string { return strings.ToLower(s.SyncDay.String()) }, setSyncDay},
		{"sync_time", func(s Settings) string { return s.SyncTime.String() }, func(s *Settings, v string) (err error) {
			s.SyncTime, err = ParseTimeOfDay(v)
			return err
		}},
		{"bandwidth_limit", func(s Settings) string { return s.BandwidthLimit.String() }, func(s *Settings, v string) (err error) {
			s.BandwidthLimit, err = ParseRate(v)
			return err
		}},
		durationKey("max_data_age", func(s *Settings) *time.Duration { return &s.MaxDataAge }),
		{
			"time_zone", func(s Settings) string { return s.TimeZone },
			func(s *Settings, v string) error { s.TimeZone = v; return nil },
		},
		{"site_check", func(s Settings) string { return s.SiteCheck.String() }, func(s *Settings, v string) (err error) {
			s.SiteCheck, err = ParseSiteCheck(v)
			return err
		}},
	}
}

func boolKey(name string, field func(*Settings) *bool) settingKey {
	return settingKey{
		name: name,
		get:  func(s Settings) string { return strconv.FormatBool(*field(&s)) },
		set: func(s *Settings, v string) (err error) {
			*field(s), err = parseBool(v)
			return err
		},
	}
}

func parseBool(v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true", "on", "yes", "1":
		return true, nil
	case "false", "off", "no", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", v)
}

func durationKey(name string, field func(*Settings) *time.Duration) settingKey {
	return settingKey{
		name: name,
		get:  func(s Settings) string { return DurationText(*field(&s)) },
		set: func(s *Settings, v string) (err error) {
			*field(s), err = ParseDuration(v)
			return err
		},
	}
}

// DurationText renders a duration without empty units: "5s", "1h", "15m", "200ms", "0".
func DurationText(d time.Duration) string {
	if d == 0 {
		return "0"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// ParseDuration reads a duration like 200ms, 5s, 15m, 1h; also days, as 1d, and a bare 0.
func ParseDuration(text string) (time.Duration, error) {
	if days, found := strings.CutSuffix(text, "d"); found {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= 3650 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration: write it like 200ms, 5s, 15m or 1h", text)
	}
	return d, nil
}

func joinIPs(ips []netip.Addr) string {
	texts := make([]string, len(ips))
	for i, ip := range ips {
		texts[i] = ip.String()
	}
	return strings.Join(texts, ",")
}

func setTestIPs(s *Settings, v string) error {
	ips := []netip.Addr{}
	for _, text := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' || r == '\t' }) {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("%q is not an IP address: write addresses like 198.51.100.1 or 2001:db8::1", text)
		}
		ips = append(ips, ip.Unmap())
	}
	s.TestIPs = ips
	return nil
}

func setSyncDay(s *Settings, v string) error {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if strings.EqualFold(day.String(), v) {
			s.SyncDay = day
			return nil
		}
	}
	return fmt.Errorf("%q is not a day: use monday to sunday", v)
}

// SettingKeys lists every key in the order in which they are shown.
func SettingKeys() []string {
	keys := settingKeys()
	names := make([]string, len(keys))
	for i, key := range keys {
		names[i] = key.name
	}
	return names
}

// Get returns one setting as text.
func (s Settings) Get(key string) (string, error) {
	k, err := findKey(key)
	if err != nil {
		return "", err
	}
	return k.get(s), nil
}

// With returns the settings with one of them changed. The result is not yet
// validated as a whole: see Validate.
func (s Settings) With(key, value string) (Settings, error) {
	k, err := findKey(key)
	if err != nil {
		return s, err
	}
	s.TestIPs = slices.Clone(s.TestIPs)
	if err := k.set(&s, strings.TrimSpace(value)); err != nil {
		return s, RefuseField(key, "%s", err.Error())
	}
	return s, nil
}

// Map returns all settings as text, by key.
func (s Settings) Map() map[string]string {
	all := map[string]string{}
	for _, k := range settingKeys() {
		all[k.name] = k.get(s)
	}
	return all
}

// Sum returns a number that tells these settings from others, and is never 0. A
// setting at its default counts as absent: the sum is the same for a version of
// Baton that does not have it.
func (s Settings) Sum() uint64 {
	all, usual := s.Map(), DefaultSettings().Map()
	sum := fnv.New64a()
	for _, name := range SettingKeys() {
		if all[name] != usual[name] {
			_, _ = fmt.Fprintf(sum, "%s=%s\n", name, all[name]) // a hash takes all
		}
	}
	return max(sum.Sum64(), 1)
}

func findKey(name string) (settingKey, error) {
	keys := settingKeys()
	i := slices.IndexFunc(keys, func(k settingKey) bool { return k.name == name })
	if i < 0 {
		return settingKey{}, RefuseField(name, "%s", "unknown setting: use one of "+strings.Join(SettingKeys(), ", "))
	}
	return keys[i], nil
}

package pair

import (
	"errors"
	"net/netip"
	"testing"
	"time"
)

func TestEverySettingReadsBackWhatItWrites(t *testing.T) {
	values := map[string]string{
		"backup_operations": "false", "automatic_failover": "true", "observe_only": "true",
		"primary_timeout": "1m30s", "poll_interval": "2s", "test_ips": "198.51.100.254,2001:db8::fe",
		"test_ips_required": "majority", "sync_schedule": "weekly", "sync_every": "45m", "sync_day": "friday",
		"sync_time": "23:59", "bandwidth_limit": "20Mbit", "max_data_age": "1h", "time_zone": "Europe/Berlin",
	}
	changed, err := With(DefaultSettings(), values)
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range values {
		if got := Texts(changed)[key]; got != value {
			t.Errorf("%s: wrote %q, reads %q", key, value, got)
		}
	}
	if len(Texts(changed)) != len(Names(changed)) {
		t.Errorf("%d settings, %d keys", len(Texts(changed)), len(Names(changed)))
	}
}

func TestDefaultsAreRight(t *testing.T) {
	s := DefaultSettings()
	if err := Check(s); err != nil {
		t.Error(err)
	}
	if s.Poll() != 500*time.Millisecond {
		t.Errorf("poll interval %s, want a tenth of the timeout", s.Poll())
	}
	if s.AutomaticFailover {
		t.Error("automatic failover is on before an administrator has chosen it")
	}
}

func TestNonsenseIsRefusedByField(t *testing.T) {
	for _, row := range []struct{ key, value string }{
		{"primary_timeout", "99ms"},
		{"primary_timeout", "25h"},
		{"primary_timeout", "-5s"},
		{"primary_timeout", "fast"},
		{"poll_interval", "9ms"},
		{"poll_interval", "4s"},
		{"poll_interval", "6s"},
		{"test_ips", "gateway"},
		{"test_ips", "127.0.0.1"},
		{"test_ips", "0.0.0.0"},
		{"test_ips", "224.0.0.1"},
		{"test_ips", "198.51.100.1,198.51.100.1"},
		{"test_ips_required", "all"},
		{"sync_schedule", "hourly"},
		{"sync_every", "30s"},
		{"sync_every", "8d"},
		{"sync_day", "someday"},
		{"sync_time", "24:00"},
		{"sync_time", "3:00"},
		{"sync_time", "03:60"},
		{"bandwidth_limit", "fast"},
		{"bandwidth_limit", "20"},
		{"bandwidth_limit", "-1MB"},
		{"bandwidth_limit", "1kbit"},
		{"max_data_age", "old"},
		{"time_zone", "Mars/Olympus"},
		{"time_zone", ""},
		{"observe_only", "maybe"},
		{"no_such_key", "1"},
	} {
		_, err := With(DefaultSettings(), map[string]string{row.key: row.value})
		field, ok := errors.AsType[*Refusal](err)
		if !ok || field.Fields[0].Name != row.key || field.Text == "" {
			t.Errorf("%s=%q: %v", row.key, row.value, err)
		}
	}
}

func TestPollIntervalFollowsTheTimeout(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{
		100 * time.Millisecond: 10 * time.Millisecond, 200 * time.Millisecond: 20 * time.Millisecond, 5 * time.Second: 500 * time.Millisecond, time.Hour: 5 * time.Second,
	} {
		s := DefaultSettings()
		s.PrimaryTimeout = timeout
		if got := s.Poll(); got != want {
			t.Errorf("timeout %s: poll every %s, want %s", timeout, got, want)
		}
	}
}

func TestRates(t *testing.T) {
	for text, want := range map[string]Rate{
		"0": 0, "20Mbit": 2_500_000, "2MB": 2_000_000, "8kbit": 1000, "1Gbit": 125_000_000, "1.5MB": 1_500_000, "20 mbit": 2_500_000,
	} {
		got, err := ParseRate(text)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
}

func TestDurationsAreWrittenAsPeopleDo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", 5 * time.Second: "5s", time.Hour: "1h", 15 * time.Minute: "15m", 90 * time.Second: "1m30s",
		200 * time.Millisecond: "200ms", 25 * time.Hour: "25h", time.Hour + 5*time.Minute: "1h5m", 10 * time.Minute: "10m", 20 * time.Hour: "20h",
	} {
		if got := DurationText(d); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}

func TestEpochs(t *testing.T) {
	first := Epoch{}.Next("a")
	if first.Counter != 1 || !first.Above(Epoch{}) || first.Clashes(first) {
		t.Errorf("first: %+v", first)
	}
	a, b := first.Next("a"), first.Next("b")
	if a.Above(b) || b.Above(a) || !a.Clashes(b) {
		t.Error("two promotions at once do not clash")
	}
	lineage := Lineage{}.Begin(first, 0).Begin(a, 7)
	if on := lineage.After(first); on != 7 || lineage.After(a) != AnySnapshot || lineage.After(b) != 0 {
		t.Errorf("the epoch after the first was begun on %d", on)
	}
	if on := lineage.Begin(b.Next("a"), 3).After(first); on != 3 {
		t.Errorf("an epoch that went on from an older state counts up to %d", on)
	}
	if !lineage.Contains(first) || lineage.Contains(b) || lineage.Contains(Epoch{}) {
		t.Errorf("lineage: %+v", lineage)
	}
}

func TestSharedIPsThatCannotBe(t *testing.T) {
	for _, address := range []string{"198.51.100.10", "127.0.0.1/8", "224.0.0.5/4", "0.0.0.0/0", "::ffff:198.51.100.1/120", "nonsense"} {
		if ip, err := ParseSharedIP(address, "eth0"); err == nil {
			t.Errorf("%s is accepted as %s", address, ip)
		}
	}
	ip, err := ParseSharedIP("2001:db8::10/64", "eth0")
	if err != nil || ip.Address != netip.MustParsePrefix("2001:db8::10/64") {
		t.Errorf("%v, %v", ip, err)
	}
	if _, err := ParseSharedIP("198.51.100.10/24", ""); err == nil {
		t.Error("an address without an interface is accepted")
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("bandwidth_limit", "20Mbit")
	f.Add("test_ips", "198.51.100.1 2001:db8::1")
	f.Add("sync_time", "03:00")
	f.Add("primary_timeout", "1d")
	f.Fuzz(func(t *testing.T, key, value string) {
		s, err := With(DefaultSettings(), map[string]string{key: value})
		if err != nil {
			return
		}
		text := Texts(s)[key]
		again, err := With(s, map[string]string{key: text})
		if err != nil {
			t.Fatalf("%s=%q is written %q, which is refused: %v", key, value, text, err)
		}
		if got := Texts(again)[key]; got != text {
			t.Fatalf("%s=%q is written %q, then %q", key, value, text, got)
		}
	})
}

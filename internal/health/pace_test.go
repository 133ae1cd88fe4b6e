package health

import (
	"testing"
	"time"

	"baton/internal/pair"
)

func TestParseStatuses(t *testing.T) {
	for text, want := range map[string]Statuses{
		"":        {},
		"204":     {204, 204},
		"200-399": {200, 399},
		"401\n":   {401, 401},
		"100-599": {100, 599},
	} {
		got, err := ParseStatuses(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
		if again, err := ParseStatuses(got.String()); err != nil || again != got {
			t.Errorf("%q comes back as %+v, %v", text, again, err)
		}
	}
	for _, text := range []string{"-", "200-", "-200", "99", "600", "300-200", "2xx", "200,204", "200 - 204", "0200-0x20", "99999999999"} {
		if got, err := ParseStatuses(text); err == nil {
			t.Errorf("%q is taken as %+v", text, got)
		}
	}
	for status, want := range map[int]bool{199: false, 200: true, 399: true, 400: false} {
		if (Statuses{}).Take(status) != want {
			t.Errorf("by itself %d passes: %v", status, !want)
		}
	}
}

func TestPaceIsBounded(t *testing.T) {
	for _, good := range []Pace{
		{},
		{Every: 500 * time.Millisecond},
		{Every: 500 * time.Millisecond, Wait: 100 * time.Millisecond, Fails: 1, Passes: 1},
		{Every: time.Hour, Wait: time.Minute, Fails: 100, Passes: 100},
		{Wait: 30 * time.Second},
	} {
		if err := good.Valid(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	if usual, want := (Pace{}).OrUsual(), (Pace{2 * time.Second, 2 * time.Second, 3, 2}); usual != want {
		t.Errorf("the usual pace is %+v", usual)
	}
	for _, bad := range []struct {
		pace  Pace
		field string
	}{
		{Pace{Every: 499 * time.Millisecond}, "every"},
		{Pace{Every: -time.Second}, "every"},
		{Pace{Every: time.Hour + 1}, "every"},
		{Pace{Wait: 99 * time.Millisecond}, "wait"},
		{Pace{Wait: -1}, "wait"},
		{Pace{Wait: time.Minute + 1}, "wait"},
		{Pace{Wait: 3 * time.Hour}, "wait"}, // the time between two follows it, and nobody has named that
		{Pace{Every: time.Second, Wait: 1500 * time.Millisecond}, "wait"},
		{Pace{Fails: -1}, "fails"},
		{Pace{Fails: 101}, "fails"},
		{Pace{Passes: -1}, "passes"},
		{Pace{Passes: 101}, "passes"},
	} {
		if fields := pair.FieldsOf(bad.pace.Valid()); len(fields) != 1 || fields[0].Name != bad.field {
			t.Errorf("%+v: %v, want %s", bad.pace, fields, bad.field)
		}
	}
}

package reports

import (
	"testing"
	"time"

	"baton/internal/admin/admintest"
	"baton/internal/report"
)

func TestAShareIsAllOnlyIfNothingIsMissing(t *testing.T) {
	for _, test := range []struct {
		up, down int64
		want     string
	}{
		{0, 0, "unknown"},
		{1, 0, "100 %"},
		{0, 1, "0.00 %"},
		{9996, 4, "99.96 %"},
		{86_399_999, 1, "99.99999 %"},
		{1_000_000, 1, "99.9999 %"},
		{1 << 50, 1, "99.99999 %"},
	} {
		got := shareText(report.Figures{Up: test.up, Down: test.down})
		if got != test.want {
			t.Errorf("%d up, %d down: %q, want %q", test.up, test.down, got, test.want)
		}
	}
}

func TestChartsReachToARoundNumber(t *testing.T) {
	for value, want := range map[float64]float64{0: 2, 1: 2, 2: 2, 3: 4, 5: 6, 7: 8, 9: 10, 11: 20, 41: 60, 99: 100, 101: 200, 7e9: 8e9} {
		if got := roundUp(value); got != want {
			t.Errorf("%v: %v, want %v", value, got, want)
		}
	}
}

func TestAShortOutageIsSeenOnAStrip(t *testing.T) {
	over := report.Span{Since: admintest.Start(), Until: admintest.Start().AddDate(1, 0, 0)}
	second := func(at time.Duration) report.Span {
		return report.Span{Since: over.Since.Add(at), Until: over.Since.Add(at + time.Second)}
	}
	pieces := []piece{{over, "good", "Up"}, {second(time.Hour), "critical", "1"}, {second(2 * time.Hour), "critical", "2"}, {second(5000 * time.Hour), "critical", "3"}}
	drawn := newStrip("Site", "", over, pieces)
	if len(drawn.Bars) != 3 || drawn.Bars[0].Class != "good" || drawn.Bars[1].W < 2 {
		t.Errorf("%+v", drawn.Bars)
	}
	for _, b := range drawn.Bars {
		if b.X < 0 || b.X+b.W > stripWidth+0.001 {
			t.Errorf("%+v is outside", b)
		}
	}
}

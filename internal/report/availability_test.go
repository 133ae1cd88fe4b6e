package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"
)

const (
	alpha = pair.ApplianceID("alpha")
	beta  = pair.ApplianceID("beta")
)

var start = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// record reads "12:00:05 alpha primary steady gap=2s", a change on the day of start.
// The place "started" or "stopped" is of the daemon; kind= overrides the kind.
func record(t *testing.T, line string, seq int64) Change {
	t.Helper()
	fields := strings.Fields(line)
	change := Change{Appliance: pair.ApplianceID(fields[1]), Seq: seq, Time: clock(t, fields[0]), Kind: pair.KindRoleChanged}
	var place []string
	for _, field := range fields[2:] {
		key, value, option := strings.Cut(field, "=")
		var err error
		switch {
		case key == "gap":
			change.Gap, err = time.ParseDuration(value)
		case key == "alive":
			change.Alive = clock(t, value)
		case key == "kind":
			change.Kind = value
		case option:
			t.Fatalf("what is %s?", field)
		case field == pair.KindStarted:
			change.Kind, place = field, []string{"primary", "waiting"}
		case field == pair.KindStopped:
			change.Kind = field
		default:
			place = append(place, field)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	change.Place = strings.Join(place, " ")
	change.Serves = strings.HasSuffix(change.Place, " steady") && place[0] != "backup" || strings.HasSuffix(change.Place, " alone")
	return change
}

func clock(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05", "2026-05-04 "+text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func records(t *testing.T, text string) []Change {
	t.Helper()
	var changes []Change
	seq := map[string]int64{}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		name := strings.Fields(line)[1]
		seq[name]++
		changes = append(changes, record(t, line, seq[name]))
	}
	return changes
}

// told writes outages as "12:00:10-12:00:12 planned alpha-3 beta-4".
func told(a Availability) string {
	var lines []string
	for _, o := range a.Outages {
		words := []string{o.Since.UTC().Format(time.TimeOnly) + "-" + o.Until.UTC().Format(time.TimeOnly)}
		if o.Planned {
			words = append(words, "planned")
		}
		if o.Ongoing {
			words = append(words, "ongoing")
		}
		if o.Unsure > 0 {
			words = append(words, "unsure")
		}
		lines = append(lines, strings.TrimSpace(strings.Join(append(words, o.Began, o.Ended), " ")))
	}
	return strings.Join(lines, "; ")
}

func TestWhenTheSiteWasUp(t *testing.T) {
	const pairedUp = `
		12:00:00 alpha primary steady
		12:00:01 beta backup steady
	`
	for name, test := range map[string]struct {
		records         string
		self            pair.ApplianceID
		unheard         string
		want            string
		before, unknown time.Duration // of the hour
	}{
		"nothing recorded":        {"", alpha, "", "", time.Hour, 0},
		"one that serves":         {"12:10:00 alpha standalone steady", alpha, "", "", 10 * time.Minute, 0},
		"one that starts":         {"12:10:00 alpha started \n 12:11:00 alpha standalone steady", alpha, "", "", 11 * time.Minute, 0},
		"one that never serves":   {"12:10:00 alpha started", alpha, "", "", time.Hour, 0},
		"nobody serves at last":   {pairedUp + "12:30:00 alpha primary isolated", alpha, "", "12:30:00-13:00:00 ongoing alpha-2", 0, 0},
		"alone is up":             {pairedUp + "12:30:00 alpha primary alone", alpha, "", "", 0, 0},
		"stopped and started":     {pairedUp + "12:30:00 alpha stopped \n 12:31:00 alpha started alive=12:30:00 \n 12:31:02 alpha primary steady", alpha, "", "12:30:00-12:31:02 alpha-2 alpha-4", 0, 0},
		"died and started":        {pairedUp + "12:31:00 alpha started alive=12:29:50 \n 12:31:02 alpha primary steady", alpha, "", "12:29:51-12:31:02 unsure alpha-2 alpha-3", 0, time.Second},
		"died, started at once":   {pairedUp + "12:30:01 alpha started alive=12:30:00 \n 12:30:03 alpha primary steady", alpha, "", "12:30:01-12:30:03 unsure alpha-2 alpha-3", 0, time.Second},
		"died, no sign of life":   {pairedUp + "12:31:00 alpha started \n 12:31:02 alpha primary steady", alpha, "", "12:31:00-12:31:02 alpha-2 alpha-3", 0, 0},
		"isolated and back":       {pairedUp + "12:30:00 alpha primary isolated kind=stepped-down \n 12:30:20 alpha primary claiming \n 12:30:21 alpha primary steady", alpha, "", "12:30:00-12:30:21 alpha-2 alpha-4", 0, 0},
		"the backup is restarted": {pairedUp + "12:20:00 beta stopped \n 12:40:00 beta started \n 12:40:01 beta backup steady", alpha, "", "", 0, 0},
		"takeover from a dead one": {
			pairedUp + "12:30:05 beta primary claiming kind=takeover \n 12:30:06 beta primary alone gap=6s",
			beta, "", "12:30:00-12:30:06  beta-3", 0, 0,
		},
		"takeover from a dead one that returns": {
			pairedUp + "12:30:05 beta primary claiming kind=takeover \n 12:30:06 beta primary alone gap=6s \n" +
				"12:50:00 alpha started alive=12:29:58 \n 12:50:01 alpha backup releasing kind=stepped-down",
			beta, "", "12:30:00-12:30:06 alpha-2 beta-3", 0, 0, // it was heard after its last sign of life
		},
		"takeover from one that served on unheard, died and returns": {
			pairedUp + "12:30:05 beta primary claiming kind=takeover \n 12:30:06 beta primary alone gap=6s \n" +
				"12:50:00 alpha started alive=12:30:02 \n 12:50:01 alpha backup releasing kind=stepped-down",
			beta, "", "12:30:02-12:30:06 alpha-2 beta-3", 0, 0,
		},
		"died, returned without serving, and was relieved later": {
			pairedUp + "12:11:00 alpha started alive=12:10:00 \n 12:30:00 alpha backup releasing kind=handover \n 12:30:01 beta primary steady gap=1s",
			beta, "", "12:10:01-12:30:01 unsure alpha-2 beta-2", 0, time.Second,
		},
		"died long after it was relieved": {
			pairedUp + "12:10:00 alpha backup releasing kind=handover \n 12:10:01 beta primary steady gap=1s \n 12:40:00 alpha started alive=12:30:00 \n 12:41:00 alpha backup steady",
			beta, "", "12:10:00-12:10:01 planned alpha-2 beta-2", 0, 0,
		},
		"takeover from one that stepped down": {
			pairedUp + "12:30:03 alpha primary isolated kind=stepped-down \n 12:30:05 beta primary claiming kind=takeover \n 12:30:06 beta primary alone gap=6s",
			beta, "", "12:30:00-12:30:06 alpha-2 beta-3", 0, 0, // as the taker says, and a client saw it
		},
		"takeover, recorded by the loser only so far": {
			pairedUp + "12:30:03 alpha primary isolated kind=stepped-down", alpha, "", "12:30:03-13:00:00 ongoing alpha-2", 0, 0,
		},
		"both primary at once": {
			pairedUp + "12:30:06 beta primary alone gap=6s \n 12:32:00 alpha backup releasing kind=stepped-down", beta, "", "12:30:00-12:30:06 alpha-2 beta-2", 0, 0,
		},
		"planned switch": {
			pairedUp + "12:30:00 alpha primary handover \n 12:30:01 alpha backup releasing kind=handover \n" +
				"12:30:01 beta primary claiming kind=handover \n 12:30:02 beta primary steady gap=2s",
			beta, "", "12:30:00-12:30:02 planned alpha-2 beta-3", 0, 0,
		},
		"planned switch, the giver's clock is behind": {
			pairedUp + "12:29:30 alpha primary handover \n 12:29:31 alpha backup releasing kind=handover \n" +
				"12:30:01 beta primary claiming kind=handover \n 12:30:02 beta primary steady gap=2s",
			beta, "", "12:30:00-12:30:02 planned alpha-2 beta-3", 0, 0,
		},
		"planned switch, the giver's clock is ahead": {
			pairedUp + "12:30:30 alpha primary handover \n 12:30:31 alpha backup releasing kind=handover \n" +
				"12:30:01 beta primary claiming kind=handover \n 12:30:02 beta primary steady gap=2s",
			beta, "", "12:30:00-12:30:02 planned alpha-2 beta-3", 0, 0,
		},
		"planned switch rolled back": {
			pairedUp + "12:30:00 alpha primary handover \n 12:30:09 alpha primary steady", alpha, "", "12:30:00-12:30:09 planned alpha-2 alpha-3", 0, 0,
		},
		"there and back again": {
			pairedUp + "12:30:00 alpha backup releasing kind=handover \n 12:30:01 beta primary steady gap=1s \n" +
				"12:40:00 beta backup releasing kind=handover \n 12:40:03 alpha primary steady gap=3s",
			beta, "", "12:30:00-12:30:01 planned alpha-2 beta-2; 12:40:00-12:40:03 planned beta-3 alpha-3", 0, 0,
		},
		"a sick primary hands over long after it closed": {
			pairedUp + "12:10:00 alpha primary waiting \n 12:30:00 alpha backup releasing kind=handover \n 12:30:01 beta primary steady gap=1s",
			beta, "", "12:10:00-12:30:01 alpha-2 beta-2", 0, 0,
		},
		"a clock set back":        {pairedUp + "12:30:00 alpha primary isolated \n 12:10:00 alpha primary steady \n 12:40:00 alpha primary isolated \n 12:41:00 alpha primary steady", alpha, "", "12:40:00-12:41:00 alpha-4 alpha-5", 0, 0},
		"a primary not heard":     {pairedUp, beta, "12:50:00", "", 0, 10 * time.Minute},
		"seen by itself it is up": {pairedUp, alpha, "", "", 0, 0},
		"after an unpairing": {
			pairedUp + "12:30:00 beta standalone waiting \n 12:31:00 beta standalone steady", beta, "", "", 0, time.Minute,
		},
		"the other one after an unpairing": {
			pairedUp + "12:30:00 beta standalone waiting", beta, "", "", 0, 30 * time.Minute,
		},
		"a site of its own before the pairing": {
			"12:00:00 beta standalone steady \n 12:10:00 alpha standalone steady \n 12:15:00 alpha standalone waiting \n 12:16:00 alpha standalone steady \n" +
				"12:20:00 alpha primary steady \n 12:20:00 beta backup releasing", alpha, "", "12:15:00-12:16:00 alpha-2 alpha-3", 10 * time.Minute, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			changes := records(t, test.records)
			q := Question{Span: Span{start, start.Add(time.Hour)}, Now: start.Add(time.Hour), Self: test.self, Step: Hourly, Zone: time.UTC}
			q.Begun = firstServed(changes)
			if test.unheard != "" {
				q.Unheard = clock(t, test.unheard)
			}
			got := Judge(q, changes)
			if told(got) != test.want {
				t.Errorf("outages %q, want %q", told(got), test.want)
			}
			for what, lasted := range map[string][2]time.Duration{
				"unknown": {time.Duration(got.Total.Unknown) * time.Millisecond, test.unknown}, "before": {time.Duration(got.Total.Before) * time.Millisecond, test.before},
			} {
				if lasted[0] != lasted[1] {
					t.Errorf("%s for %s, want %s", what, lasted[0], lasted[1])
				}
			}
			adds(t, q.Span, got)
		})
	}
}

// firstServed is when the site was served first: not by one whose own was replaced.
func firstServed(changes []Change) (first time.Time) {
	for _, c := range changes {
		own := slices.ContainsFunc(changes, func(other Change) bool {
			return other.Appliance == c.Appliance && strings.HasPrefix(other.Place, "backup") && strings.HasPrefix(c.Place, "standalone") && other.Seq > c.Seq
		})
		if c.Serves && !own && (first.IsZero() || c.Time.Before(first)) {
			first = c.Time
		}
	}
	return first
}

// adds checks that no time is counted twice or left out.
func adds(t *testing.T, span Span, a Availability) {
	t.Helper()
	lasted := span.Until.Sub(span.Since).Milliseconds()
	if got := a.Total.Up + a.Total.Down + a.Total.Unknown + a.Total.Before; got != lasted {
		t.Errorf("up, down, unknown and before add up to %d ms of %d", got, lasted)
	}
	var parts Figures
	for _, part := range a.Parts {
		parts.Up, parts.Down, parts.Unknown = parts.Up+part.Up, parts.Down+part.Down, parts.Unknown+part.Unknown
		parts.Before += part.Before
		parts.Longest = max(parts.Longest, part.Longest)
	}
	if parts.Up != a.Total.Up || parts.Down != a.Total.Down || parts.Unknown != a.Total.Unknown || parts.Before != a.Total.Before || parts.Longest > a.Total.Longest {
		t.Errorf("the parts add up to %+v, the total is %+v", parts, a.Total)
	}
}

func TestEachDayOfTheZoneHasItsOwnLength(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	since, until := time.Date(2026, 3, 28, 0, 0, 0, 0, berlin), time.Date(2026, 3, 31, 0, 0, 0, 0, berlin)
	// Nobody serves from 23:00 of the 28th to 05:00 of the 29th, on which 02:00 becomes 03:00.
	changes := []Change{
		{Appliance: alpha, Seq: 1, Time: since.Add(-time.Hour), Place: "primary steady", Serves: true},
		{Appliance: alpha, Seq: 2, Time: time.Date(2026, 3, 28, 23, 0, 0, 0, berlin), Place: "primary isolated"},
		{Appliance: alpha, Seq: 3, Time: time.Date(2026, 3, 29, 5, 0, 0, 0, berlin), Place: "primary steady", Serves: true},
	}
	got := Judge(Question{Span: Span{since, until}, Now: until.Add(time.Hour), Begun: firstServed(changes), Self: alpha, Step: Daily, Zone: berlin}, changes)
	var days []string
	for _, day := range got.Parts {
		up, down := time.Duration(day.Up)*time.Millisecond, time.Duration(day.Down)*time.Millisecond
		days = append(days, fmt.Sprintf("%s %s %s %d", day.Since.Format("01-02T15:04"), up, down, day.Outages))
	}
	want := "03-28T00:00 23h0m0s 1h0m0s 1, 03-29T00:00 19h0m0s 4h0m0s 1, 03-30T00:00 24h0m0s 0s 0"
	if strings.Join(days, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(days, ", "), want)
	}
	if got.Total.Outages != 1 || got.Total.Longest != (5*time.Hour).Milliseconds() {
		t.Errorf("total %+v", got.Total)
	}
	if share, known := got.Parts[1].Share(); !known || share != 19.0/23 {
		t.Errorf("share %v, %v", share, known)
	}
	adds(t, Span{since, until}, got)
}

func TestAPlannedSwitchIsKnownByItsPlace(t *testing.T) {
	if want := pair.Primary.String() + " " + pair.Handover.String(); switching != want {
		t.Errorf("it is %q, want %q", switching, want)
	}
}

func TestTheFutureIsNotJudged(t *testing.T) {
	q := Question{Span: Span{start, start.Add(24 * time.Hour)}, Now: start.Add(time.Hour), Begun: start, Self: alpha, Step: Hourly, Zone: time.UTC}
	got := Judge(q, records(t, "12:00:00 alpha primary steady"))
	if len(got.Parts) != 1 || got.Total.Up != time.Hour.Milliseconds() {
		t.Errorf("%d parts, total %+v", len(got.Parts), got.Total)
	}
	q.Span = Span{start.Add(2 * time.Hour), start.Add(3 * time.Hour)}
	if got = Judge(q, records(t, "12:00:00 alpha primary steady")); got.Total.Up+got.Total.Down+got.Total.Unknown+got.Total.Before != 0 {
		t.Errorf("a range to come: %+v", got.Total)
	}
}

func TestOnlyTheRangeIsTold(t *testing.T) {
	q := Question{Span: Span{start.Add(30 * time.Minute), start.Add(time.Hour)}, Now: start.Add(2 * time.Hour), Begun: start, Self: alpha, Step: Hourly, Zone: time.UTC}
	got := Judge(q, records(t, "12:00:00 alpha primary steady \n 12:20:00 alpha primary isolated \n 12:40:00 alpha primary steady"))
	if told(got) != "12:30:00-12:40:00 alpha-2 alpha-3" || len(got.Stretches) != 2 || !got.Stretches[0].Since.Equal(q.Since) {
		t.Errorf("outages %q, stretches %+v", told(got), got.Stretches)
	}
	adds(t, q.Span, got)
}

func BenchmarkJudge(b *testing.B) {
	const n = 100_000
	changes := make([]Change, n)
	for i := range changes {
		places := []string{"primary steady", "primary isolated"}
		changes[i] = Change{Appliance: alpha, Seq: int64(i + 1), Time: start.Add(time.Duration(i) * time.Minute), Place: places[i%2], Serves: i%2 == 0}
	}
	q := Question{Span: Span{start, start.Add(n * time.Minute)}, Now: start.Add(n * time.Minute), Begun: start, Self: alpha, Step: Monthly, Zone: time.UTC}
	for b.Loop() {
		Judge(q, changes)
	}
}

func TestASiteThatWasReplacedIsToldApart(t *testing.T) {
	q := Question{Span: Span{start, start.Add(time.Hour)}, Now: start.Add(time.Hour), Begun: start, Self: beta, Step: Hourly, Zone: time.UTC}
	got := Judge(q, records(t, "12:00:00 beta standalone steady \n 12:05:00 beta stopped \n 12:06:00 beta standalone waiting kind=started \n 12:07:00 beta standalone steady \n 12:20:00 beta backup releasing \n 12:30:00 beta standalone steady"))
	var apart []string
	for _, s := range got.Stretches {
		if s.Apart {
			apart = append(apart, s.Since.Format(time.TimeOnly))
		}
	}
	if strings.Join(apart, " ") != "12:00:00 12:05:00 12:06:00 12:07:00" {
		t.Errorf("apart are those since %v", apart)
	}
}

func TestOfOneApplianceAlone(t *testing.T) {
	changes := records(t, "12:00:00 alpha primary steady \n 12:00:01 beta backup steady \n 12:30:05 beta primary claiming kind=takeover \n 12:30:06 beta primary alone gap=6s")
	q := Question{Span: Span{start, start.Add(time.Hour)}, Now: start.Add(time.Hour), Begun: start, Self: beta, Step: Hourly, Zone: time.UTC}
	for of, want := range map[pair.ApplianceID]string{
		alpha: "12:30:00-13:00:00 ongoing", // what the taker saw of it counts
		beta:  "12:00:01-12:30:06  beta-3",
	} {
		q.Of = of
		got := Judge(q, changes)
		if told(got) != want {
			t.Errorf("%s alone: outages %q, want %q", of, told(got), want)
		}
		if slices.ContainsFunc(got.Stretches, func(s Stretch) bool { return s.Appliance != of }) {
			t.Errorf("%s alone: %+v", of, got.Stretches)
		}
		adds(t, q.Span, got)
	}
}

func TestWhatIsUnknownLastsBeyondTheRecords(t *testing.T) {
	q := Question{
		Span: Span{start.Add(time.Hour), start.Add(2 * time.Hour)}, Now: start.Add(2 * time.Hour), Begun: start,
		Self: beta, Unheard: start.Add(30 * time.Minute), Step: Hourly, Zone: time.UTC,
	}
	got := Judge(q, records(t, "12:00:00 alpha primary steady \n 12:00:01 beta backup steady"))
	if len(got.Outages) != 0 || len(got.Unknown) != 1 || got.Total.Unknown != time.Hour.Milliseconds() {
		t.Errorf("total %+v, outages %+v", got.Total, got.Outages)
	}
}

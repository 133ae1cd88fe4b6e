package store

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"baton/internal/pair"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func moved(at time.Duration, kind, from, to string, more ...string) pair.Event {
	detail := map[string]string{"from": from, "to": to}
	for i := 0; i < len(more); i += 2 {
		detail[more[i]] = more[i+1]
	}
	return pair.Event{Time: noon.Add(at), Kind: kind, Text: from + " → " + to, Detail: detail}
}

func synced(at time.Duration, kind string, detail ...string) pair.Event {
	event := pair.Event{Time: noon.Add(at), Kind: kind, Text: "sync", Detail: map[string]string{}}
	for i := 0; i < len(detail); i += 2 {
		event.Detail[detail[i]] = detail[i+1]
	}
	return event
}

// eventful are events of one appliance that reports make something of.
func eventful() []pair.Event {
	return []pair.Event{
		{Time: noon, Kind: pair.KindStarted, Text: "started", Detail: map[string]string{"role": "primary"}},
		moved(time.Second, pair.KindRoleChanged, "primary waiting", "primary claiming"),
		moved(2*time.Second, pair.KindRoleChanged, "primary claiming", "primary steady"),
		moved(3*time.Second, pair.KindRoleChanged, "primary steady", "primary alone"), // serves before and after
		synced(time.Minute, pair.KindSyncDone, "took", "812ms", "bytes", "100", "files", "3", "number", "1"),
		synced(16*time.Minute, pair.KindSyncDone, "took", "1.5s", "bytes", "200"),
		synced(17*time.Minute, pair.KindSyncDone, "took", "1m2.25s", "bytes", "300", "files", "x"),
		synced(18*time.Minute, pair.KindSyncDone, "took", "1h0m1s"),
		synced(19*time.Minute, pair.KindSyncDone, "duration_ms", "500", "longest_ms", "50", "runs", "10", "bytes", "1000", "took", "9h"),
		synced(19*time.Minute, pair.KindSyncFailed, "took", "0s"),
		synced(20*time.Minute, pair.KindSyncFailed),
		moved(21*time.Minute, pair.KindRoleChanged, "primary alone", "primary handover"),
		moved(22*time.Minute, pair.KindHandover, "primary handover", "backup releasing"),
		moved(23*time.Minute, pair.KindRoleChanged, "backup releasing", "backup steady"), // serves neither before nor after
		moved(24*time.Minute, pair.KindTakeover, "backup suspect", "primary claiming"),
		moved(25*time.Minute, pair.KindRoleChanged, "primary claiming", "primary alone", "down_ms", "6000"),
		{Time: noon.Add(26 * time.Minute), Kind: pair.KindStarted, Text: "started", Detail: map[string]string{"role": "primary", "alive_ms": strconv.FormatInt(noon.Add(25*time.Minute+30*time.Second).UnixMilli(), 10)}},
		{Time: noon.Add(27 * time.Minute), Kind: pair.KindStarted, Text: "started", Detail: map[string]string{"alive_ms": "99999999999999999999"}},
		{Time: noon.Add(28 * time.Minute), Kind: pair.KindStopped, Text: "stopped"},
		moved(29*time.Minute, pair.KindObserved, "backup suspect", "backup suspect"),
		{Time: noon.Add(30 * time.Minute), Kind: pair.KindRoleChanged, Text: "of an older version"},
	}
}

// summedUp renders all that the reports are made of.
func summedUp(t *testing.T, s *Site) string {
	t.Helper()
	var lines []string
	for _, query := range []string{
		`SELECT concat_ws(' ', kind, quarter - ?1, events, runs, files, bytes, took, longest, substr(appliance, 1, 1)) FROM event_sum ORDER BY kind, quarter, appliance`,
		`SELECT concat_ws(' ', seq, (time - ?1 * 900000) / 1000, kind, quote(place), serves, down, iif(alive, (alive - ?1 * 900000) / 1000, '-'), substr(appliance, 1, 1)) FROM event_place ORDER BY appliance, seq`,
	} {
		rows, err := s.db.reader.QueryContext(t.Context(), query, quarter(noon))
		err = each(rows, err, func(row scanner) error {
			var line string
			err := row.Scan(&line)
			lines = append(lines, line)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(lines, "\n")
}

func appendAll(t *testing.T, s *Site, events []pair.Event) {
	t.Helper()
	for _, event := range events {
		if _, err := s.History.Append(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
}

func TestEventsAreSummedUpAsTheyAreWritten(t *testing.T) {
	s := openSite(t, alpha)
	appendAll(t, s, eventful())
	want := strings.Join([]string{
		"handed-over 1 1 1 0 0 0 0 a",
		"observed 1 1 1 0 0 0 0 a",
		"role-changed 0 3 3 0 0 0 0 a",
		"role-changed 1 3 3 0 0 0 0 a",
		"role-changed 2 1 1 0 0 0 0 a",
		"started 0 1 1 0 0 0 0 a",
		"started 1 2 2 0 0 0 0 a",
		"stopped 1 1 1 0 0 0 0 a",
		"sync-done 0 1 1 3 100 812 812 a",
		"sync-done 1 4 13 0 1500 3665250 3601000 a",
		"sync-failed 1 2 2 0 0 0 0 a",
		"takeover 1 1 1 0 0 0 0 a",
		"1 0 started 'primary waiting' 0 0 - a",
		"3 2 role-changed 'primary steady' 1 0 - a",
		"12 1260 role-changed 'primary handover' 0 0 - a",
		"13 1320 handover 'backup releasing' 0 0 - a",
		"15 1440 takeover 'primary claiming' 0 0 - a",
		"16 1500 role-changed 'primary alone' 1 6000 - a",
		"17 1560 started 'primary waiting' 0 0 1530 a",
		"18 1620 started 'waiting' 0 0 1620 a",
		"19 1680 stopped '' 0 0 - a",
	}, "\n")
	want = strings.Replace(want, "3 2 role-changed", "2 1 role-changed 'primary claiming' 0 0 - a\n3 2 role-changed", 1)
	if diff := cmp.Diff(want, summedUp(t, s)); diff != "" {
		t.Error(diff)
	}
}

// TestTheSumsOfAnOldDatabaseAreMadeOnce compares a database that was full of events
// when the reports came with one in which they were there from the start.
func TestTheSumsOfAnOldDatabaseAreMadeOnce(t *testing.T) {
	fresh := openSite(t, alpha)
	appendAll(t, fresh, eventful())
	path := filepath.Join(t.TempDir(), "site.db")
	text, err := os.ReadFile("testdata/version-2.sql")
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", dsn(path, ""))
	if err != nil {
		t.Fatal(err)
	}
	empty, _, _ := strings.Cut(string(text), "INSERT INTO event VALUES")
	_, err = db.ExecContext(t.Context(), empty+"PRAGMA application_id = 0x62746f6e; PRAGMA user_version = 2;")
	if err != nil {
		t.Fatal(err)
	}
	copyEvents(t, db, fresh)
	old := reopenSite(t, path, alpha)
	want := summedUp(t, fresh)
	if diff := cmp.Diff(want, summedUp(t, old)); diff != "" {
		t.Error(diff)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, summedUp(t, reopenSite(t, path, alpha))); diff != "" {
		t.Errorf("opened again: %s", diff)
	}
}

func copyEvents(t *testing.T, to *sql.DB, from *Site) {
	t.Helper()
	for _, event := range history(t, from, Filter{}) {
		_, seq, err := parseEventID(event.ID)
		if err != nil {
			t.Fatal(err)
		}
		detail, err := detailText(event)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := to.ExecContext(t.Context(), `INSERT INTO event VALUES (?, ?, ?, ?, ?, ?)`,
			event.Appliance, seq, event.Time.UnixMilli(), event.Kind, event.Text, detail); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestMergingKeepsTheSumsRight(t *testing.T) {
	a, b := openSite(t, alpha), openSite(t, beta)
	appendAll(t, a, eventful())
	appendAll(t, b, eventful()[3:])
	pull(t, a, b)
	pull(t, b, a)
	pull(t, a, b)
	events := history(t, b, Filter{})
	if _, err := a.History.Merge(t.Context(), events); err != nil { // once more, all of them
		t.Fatal(err)
	}
	if diff := cmp.Diff(summedUp(t, a), summedUp(t, b)); diff != "" {
		t.Error(diff)
	}
	sums, err := a.History.Sums(t.Context(), []Span{{noon, noon.Add(Quarter)}, {noon.Add(Quarter), noon.Add(4 * Quarter)}}, []string{pair.KindSyncDone, pair.KindTakeover}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const ms = time.Millisecond
	want := []Sum{
		{Span: 0, Kind: pair.KindSyncDone, Events: 2, Runs: 2, Files: 6, Bytes: 200, Took: 1624 * ms, Longest: 812 * ms},
		{Span: 1, Kind: pair.KindSyncDone, Events: 8, Runs: 26, Bytes: 3000, Took: 7330500 * ms, Longest: 3601000 * ms},
		{Span: 1, Kind: pair.KindTakeover, Events: 2, Runs: 2},
	}
	if diff := cmp.Diff(want, sums); diff != "" {
		t.Error(diff)
	}
	sums, err = a.History.Sums(t.Context(), []Span{{noon, noon.Add(Quarter)}}, []string{pair.KindSyncDone}, []pair.ApplianceID{beta})
	if err != nil || len(sums) != 1 || sums[0].Bytes != 100 {
		t.Errorf("of one appliance: %+v, %v", sums, err)
	}
}

func TestNoDetailStopsAnEvent(t *testing.T) {
	a, b := openSite(t, alpha), openSite(t, beta)
	for _, value := range []string{"", "-5", "9223372036854775807", "99999999999999999999", "1e400", "NaN", "h", "m", "hms", "\x00", "'); DROP TABLE event", strings.Repeat("9", 4000)} {
		for _, kind := range []string{pair.KindSyncDone, pair.KindStarted, pair.KindTakeover} {
			detail := map[string]string{}
			for _, key := range []string{"took", "duration_ms", "longest_ms", "runs", "files", "bytes", "from", "to", "role", "down_ms", "alive_ms"} {
				detail[key] = value
			}
			for range 3 {
				if _, err := b.History.Append(t.Context(), pair.Event{Time: noon, Kind: kind, Detail: detail}); err != nil {
					t.Errorf("%s %.20q: %v", kind, value, err)
				}
			}
		}
	}
	pull(t, a, b)
	if _, err := a.History.Sums(t.Context(), []Span{{noon, noon.Add(Quarter)}}, []string{pair.KindSyncDone}, nil); err != nil {
		t.Error(err)
	}
	places, err := a.History.Places(t.Context(), noon, noon.Add(time.Hour))
	if err != nil || len(places) == 0 {
		t.Errorf("%d places, %v", len(places), err)
	}
}

func TestPlacesBeginBeforeTheRange(t *testing.T) {
	s := openSite(t, alpha)
	appendAll(t, s, eventful())
	for name, test := range map[string]struct {
		since, until time.Duration
		want         []int64
	}{
		"all":                {-time.Hour, time.Hour, []int64{1, 2, 3, 12, 13, 15, 16, 17, 18, 19}},
		"from within":        {21*time.Minute + 30*time.Second, time.Hour, []int64{12, 13, 15, 16, 17, 18, 19}},
		"until within":       {-time.Hour, 22 * time.Minute, []int64{1, 2, 3, 12}},
		"between two":        {10 * time.Minute, 11 * time.Minute, []int64{3}},
		"after the last":     {2 * time.Hour, 3 * time.Hour, []int64{19}},
		"before the history": {-2 * time.Hour, -time.Hour, nil},
	} {
		t.Run(name, func(t *testing.T) {
			places, err := s.History.Places(t.Context(), noon.Add(test.since), noon.Add(test.until))
			if err != nil {
				t.Fatal(err)
			}
			var got []int64
			for _, place := range places {
				got = append(got, place.Seq)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestFindGoesOnWhereItStopped(t *testing.T) {
	s := openSite(t, alpha)
	if found, next, err := s.History.Find(t.Context(), Filter{Limit: 3, Kinds: []string{pair.KindStarted}}, 10, all); err != nil || len(found) != 0 || next != "" {
		t.Errorf("in an empty history: %v, %q, %v", found, next, err)
	}
	for i := range 100 {
		note(t, s, strconv.Itoa(i))
	}
	even := func(event pair.Event) bool { return strings.ContainsAny(event.Text[len(event.Text)-1:], "02468") }
	rare := func(event pair.Event) bool { return event.Text == "7" }
	for name, test := range map[string]struct {
		limit, look int
		match       func(pair.Event) bool
		pages       []string
	}{
		"all, in pages":          {40, 1000, all, []string{"99..60", "59..20", "19..0"}},
		"exactly the last page":  {50, 1000, all, []string{"99..50", "49..0"}},
		"every second":           {30, 1000, even, []string{"98..40", "38..0"}},
		"one, looked for in two": {3, 60, rare, []string{"", "7..7"}},
		"none":                   {3, 1000, func(pair.Event) bool { return false }, []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			filter := Filter{Limit: test.limit, Kinds: []string{pair.KindStarted}}
			var pages []string
			for {
				found, next, err := s.History.Find(t.Context(), filter, test.look, test.match)
				if err != nil {
					t.Fatal(err)
				}
				page := ""
				if len(found) > 0 {
					page = found[0].Text + ".." + found[len(found)-1].Text
				}
				pages = append(pages, page)
				if filter.Before = next; next == "" || len(pages) > 10 {
					break
				}
			}
			if !slices.Equal(pages, test.pages) {
				t.Errorf("got %q, want %q", pages, test.pages)
			}
		})
	}
}

func all(pair.Event) bool { return true }

func TestEachEventIsHandedOverOnceInOrder(t *testing.T) {
	s := openSite(t, alpha)
	writeMany(t, s, 2500, func(i int) pair.Event {
		return pair.Event{Time: noon.Add(time.Duration(i/7) * time.Second), Kind: pair.KindStarted, Text: strconv.Itoa(i)}
	})
	n := 0
	err := s.History.Each(t.Context(), Filter{Kinds: []string{pair.KindStarted}}, func(event pair.Event) error {
		if event.Text != strconv.Itoa(n) {
			return fmt.Errorf("%s comes at %d", event.Text, n)
		}
		n++
		return nil
	})
	if err != nil || n != 2500 {
		t.Errorf("%d events, %v", n, err)
	}
}

// writeMany writes many events of this appliance in one transaction.
func writeMany(tb testing.TB, s *Site, n int, event func(int) pair.Event) {
	tb.Helper()
	err := s.db.write(tb.Context(), "fill the history", func(tx *sql.Tx) error {
		for i := range n {
			if _, err := s.History.append(context.Background(), tx, event(i)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func TestWhenTheSiteWasServedFirst(t *testing.T) {
	s := openSite(t, alpha)
	served := func() string {
		t.Helper()
		first, err := s.History.FirstServed(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if first.IsZero() {
			return "never"
		}
		return first.Sub(noon).String()
	}
	if got := served(); got != "never" {
		t.Errorf("without events: %s", got)
	}
	// beta had a site of its own until it became alpha's backup.
	theirs := []pair.Event{
		moved(time.Minute, pair.KindRoleChanged, "standalone waiting", "standalone steady"),
		moved(9*time.Minute, pair.KindRoleChanged, "standalone steady", "backup releasing"),
		moved(20*time.Minute, pair.KindRoleChanged, "primary claiming", "primary alone"),
	}
	for i := range theirs {
		theirs[i].Appliance, theirs[i].ID = beta, pair.EventID(beta, int64(i+1))
	}
	if _, err := s.History.Merge(t.Context(), theirs); err != nil {
		t.Fatal(err)
	}
	if got := served(); got != "20m0s" {
		t.Errorf("by beta: %s after noon", got)
	}
	appendAll(t, s, []pair.Event{
		{Time: noon.Add(5 * time.Minute), Kind: pair.KindStarted, Text: "started", Detail: map[string]string{"role": "standalone"}},
		moved(6*time.Minute, pair.KindRoleChanged, "standalone waiting", "standalone steady"),
		moved(9*time.Minute, pair.KindRoleChanged, "standalone steady", "primary steady"),
	})
	if got := served(); got != "6m0s" {
		t.Errorf("by alpha: %s after noon", got)
	}
}

func TestNamesAreThoseOfTheLastStart(t *testing.T) {
	s := openSite(t, alpha)
	started := func(at time.Duration, name string) pair.Event {
		return pair.Event{Time: noon.Add(at), Kind: pair.KindStarted, Text: "started", Detail: map[string]string{"name": name}}
	}
	theirs := started(time.Minute, "paris")
	theirs.Appliance, theirs.ID = beta, pair.EventID(beta, 1)
	if _, err := s.History.Merge(t.Context(), []pair.Event{theirs}); err != nil {
		t.Fatal(err)
	}
	appendAll(t, s, []pair.Event{started(0, "rome"), started(time.Hour, "milan"), {Time: noon.Add(2 * time.Hour), Kind: pair.KindStarted, Text: "of an older version"}})
	names, err := s.History.Names(t.Context())
	if diff := cmp.Diff(map[pair.ApplianceID]string{alpha: "milan", beta: "paris"}, names); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

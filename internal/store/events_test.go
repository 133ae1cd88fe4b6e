package store

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
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

func note(t *testing.T, s *Site, text string) pair.Event {
	t.Helper()
	event, err := s.History.Append(t.Context(), pair.Event{Kind: pair.KindStarted, Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return event
}

func history(t *testing.T, s *Site, filter Filter) []pair.Event {
	t.Helper()
	events, err := s.History.Events(t.Context(), filter)
	if err != nil {
		t.Fatal(err)
	}
	return events
}

func texts(events []pair.Event) string {
	var all []string
	for _, event := range events {
		all = append(all, event.Text)
	}
	return strings.Join(all, " ")
}

// pull brings to what it lacks of from, in small batches, as the pair does.
func pull(t *testing.T, to, from *Site) (added int) {
	t.Helper()
	const batch = 7
	for {
		heads, err := to.History.Heads(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		events, err := from.History.After(t.Context(), heads, batch)
		if err != nil {
			t.Fatal(err)
		}
		n, err := to.History.Merge(t.Context(), events)
		if err != nil {
			t.Fatal(err)
		}
		added += n
		if len(events) < batch {
			return added
		}
	}
}

func TestAnEventIsNumberedAndComesBackAsItWas(t *testing.T) {
	s := openSite(t, alpha)
	at := time.Date(2026, 5, 1, 10, 0, 0, 123_456_789, time.FixedZone("", 3600))
	got, err := s.History.Append(t.Context(), pair.Event{ID: "x", Appliance: beta, Time: at, Kind: pair.KindTakeover, Text: "took over", Detail: map[string]string{"why": "silence"}})
	if err != nil {
		t.Fatal(err)
	}
	want := pair.Event{
		ID: string(alpha) + "-1", Appliance: alpha, Time: time.Date(2026, 5, 1, 9, 0, 0, 123_000_000, time.UTC),
		Kind: pair.KindTakeover, Text: "took over", Detail: map[string]string{"why": "silence"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]pair.Event{want}, history(t, s, Filter{})); diff != "" {
		t.Error(diff)
	}
	if second := note(t, s, "b"); second.ID != string(alpha)+"-2" || second.Time.IsZero() {
		t.Errorf("got %+v", second)
	}
	long := note(t, s, strings.Repeat("é", maxEventText))
	if len(long.Text) != maxEventText {
		t.Errorf("a text of %d bytes", len(long.Text))
	}
	_, err = s.History.Append(t.Context(), pair.Event{Kind: "No Kind"})
	wantCode(t, err, pair.Refused, "kind")
	if fourth := note(t, s, "d"); fourth.ID != string(alpha)+"-4" {
		t.Errorf("a refused event took a number: %+v", fourth)
	}
}

func TestTheHistoryIsOnlyAddedTo(t *testing.T) {
	s := openSite(t, alpha)
	note(t, s, "a")
	for _, statement := range []string{`UPDATE event SET text = 'b'`, `DELETE FROM event`, `INSERT OR REPLACE INTO event SELECT * FROM event`} {
		if _, err := s.db.writer.ExecContext(t.Context(), statement); err == nil {
			t.Errorf("%s passed", statement)
		}
	}
	if got := texts(history(t, s, Filter{})); got != "a" {
		t.Errorf("got %q", got)
	}
}

func TestTheHistoryIsFiltered(t *testing.T) {
	s := openSite(t, alpha)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ids := map[string]string{}
	for i, kind := range []string{"started", "sync-done", "takeover", "sync-done", "sync-failed", "sync-done", "stopped"} {
		text := string(rune('a' + i))
		event, err := s.History.Append(t.Context(), pair.Event{Time: start.Add(time.Duration(i/2) * time.Hour), Kind: kind, Text: text})
		if err != nil {
			t.Fatal(err)
		}
		ids[text] = event.ID
	}
	sync := []string{"sync-done", "sync-failed", "sync-done"}
	for name, test := range map[string]struct {
		filter Filter
		want   string
	}{
		"all":               {Filter{}, "a b c d e f g"},
		"newest":            {Filter{Limit: 2}, "f g"},
		"since":             {Filter{Since: start.Add(2 * time.Hour)}, "e f g"},
		"until excludes":    {Filter{Until: start.Add(2 * time.Hour)}, "a b c d"},
		"before, same time": {Filter{Before: ids["d"], Limit: 2}, "b c"},
		"after, same time":  {Filter{After: ids["c"], Limit: 2}, "d e"},
		"between":           {Filter{After: ids["a"], Before: ids["d"]}, "b c"},
		"kinds":             {Filter{Kinds: sync}, "b d e f"},
		"newest of kinds":   {Filter{Kinds: sync, Limit: 2}, "e f"},
		"kinds after":       {Filter{Kinds: sync, Limit: 2, After: ids["b"]}, "d e"},
		"kinds before":      {Filter{Kinds: sync, Limit: 2, Before: ids["f"]}, "d e"},
		"no such kind":      {Filter{Kinds: []string{"x' OR 1"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := texts(history(t, s, test.filter)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	_, err := s.History.Events(t.Context(), Filter{After: eventID(beta, 1)})
	wantCode(t, err, pair.NotFound, "no event")
	_, err = s.History.Events(t.Context(), Filter{After: "1"})
	wantCode(t, err, pair.Refused, "not the id")
}

func TestReadingTheHistoryNeverSortsOrScansIt(t *testing.T) {
	s := openSite(t, alpha)
	event := note(t, s, "a")
	for _, filter := range []Filter{
		{},
		{Since: time.Now(), Until: time.Now(), Before: event.ID},
		{After: event.ID},
		{Kinds: []string{"started"}, Before: event.ID},
		{Kinds: []string{"started"}, Appliances: []pair.ApplianceID{alpha}},
	} {
		query, args, err := s.History.query(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		if len(filter.Kinds) > 0 { // the walk of one kind; what they give is sorted, and small
			walk := strings.Index(query, "(SELECT time")
			query = query[walk+1 : walk+strings.Index(query[walk:], "LIMIT ?")+len("LIMIT ?")]
			args = args[:len(args)-1]
		}
		rows, err := s.db.reader.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+query, args...)
		err = each(rows, err, func(row scanner) error {
			var id, parent, unused int
			var plan string
			err := row.Scan(&id, &parent, &unused, &plan)
			if strings.Contains(plan, "TEMP B-TREE") || !strings.Contains(plan, "time>? AND time<?)") {
				t.Errorf("%+v: %s", filter, plan)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestHistoriesOfBothSidesBecomeTheirUnion(t *testing.T) {
	a, b := openSite(t, alpha), openSite(t, beta)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 40 {
		switch random.IntN(4) {
		case 0, 1:
			site := []*Site{a, b}[random.IntN(2)]
			for range random.IntN(12) {
				note(t, site, strconv.Itoa(random.Int()))
			}
		case 2:
			pull(t, a, b)
		case 3:
			pull(t, b, a)
		}
	}
	pull(t, a, b)
	pull(t, b, a)
	ours, theirs := history(t, a, Filter{Limit: maxEvents}), history(t, b, Filter{Limit: maxEvents})
	if diff := cmp.Diff(ours, theirs); diff != "" || len(ours) == 0 {
		t.Errorf("seed %d: %d events: %s", seed, len(ours), diff)
	}
	if again := pull(t, a, b) + pull(t, b, a); again != 0 {
		t.Errorf("seed %d: merging again added %d", seed, again)
	}
}

func TestWhatIsNoHistoryIsRefusedWhole(t *testing.T) {
	s := openSite(t, alpha)
	good := pair.Event{ID: eventID(beta, 1), Appliance: beta, Time: time.Unix(1, 0), Kind: "started", Text: "a"}
	change := func(by func(*pair.Event)) []pair.Event {
		bad := good
		bad.ID = eventID(beta, 2)
		by(&bad)
		return []pair.Event{good, bad}
	}
	for name, events := range map[string][]pair.Event{
		"no id":             change(func(e *pair.Event) { e.ID = "" }),
		"number zero":       change(func(e *pair.Event) { e.ID = string(beta) + "-0" }),
		"odd number":        change(func(e *pair.Event) { e.ID = string(beta) + "-02" }),
		"huge number":       change(func(e *pair.Event) { e.ID = string(beta) + "-99999999999999999999" }),
		"no appliance":      change(func(e *pair.Event) { e.ID, e.Appliance = "x-2", "x" }),
		"other appliance":   change(func(e *pair.Event) { e.Appliance = alpha }),
		"no kind":           change(func(e *pair.Event) { e.Kind = "" }),
		"no time":           change(func(e *pair.Event) { e.Time = time.Time{} }),
		"too long":          change(func(e *pair.Event) { e.Text = strings.Repeat("x", maxEventText+1) }),
		"too long a detail": change(func(e *pair.Event) { e.Detail = map[string]string{"a": strings.Repeat("x", maxEventText+1)} }),
		"no restore's gap":  change(func(e *pair.Event) { e.ID = eventID(beta, 9_223_372_036_854_000_001) }),
		"gap":               change(func(e *pair.Event) { e.ID = eventID(beta, 4) }),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.History.Merge(t.Context(), events)
			wantCode(t, err, pair.Refused, "event")
			if got := history(t, s, Filter{}); len(got) != 0 {
				t.Errorf("added %v", got)
			}
		})
	}
	if n, err := s.History.Merge(t.Context(), append(change(func(*pair.Event) {}), good)); n != 2 || err != nil {
		t.Errorf("added %d, %v", n, err)
	}
}

// TestARestoredApplianceUsesNoNumberTwice goes back to a copy after its peer has
// seen what came later: nothing of it may be lost or share an id.
func TestARestoredApplianceUsesNoNumberTwice(t *testing.T) {
	a, b := openSite(t, alpha), openSite(t, beta)
	note(t, a, "a1")
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := a.Copy(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		note(t, a, fmt.Sprint("late", i))
	}
	pull(t, b, a)

	restored := reopenSite(t, copied, alpha)
	if first := note(t, restored, "after restore"); first.ID != eventID(alpha, restartAt+1) {
		t.Errorf("got number %s", first.ID)
	}
	for range 2 {
		pull(t, restored, b)
		pull(t, b, restored)
	}
	note(t, restored, "later")
	pull(t, b, restored)
	pull(t, restored, b)
	ours, theirs := history(t, restored, Filter{}), history(t, b, Filter{})
	if diff := cmp.Diff(ours, theirs); diff != "" || len(ours) != 23 {
		t.Errorf("%d events: %s", len(ours), diff)
	}
	heads, err := restored.History.Heads(t.Context())
	if err != nil || heads[alpha] != restartAt+2 {
		t.Errorf("heads %v, %v", heads, err)
	}
	if events, err := b.History.After(t.Context(), heads, 100); len(events) != 0 || err != nil {
		t.Errorf("sent again: %v, %v", events, err)
	}
}

func TestNumbersGoOnBehindTheStoredOneEvenIfRowsAreLost(t *testing.T) {
	s := openSite(t, alpha)
	for range 3 {
		note(t, s, "a")
	}
	if _, err := s.db.writer.ExecContext(t.Context(), `DROP TRIGGER event_is_never_deleted; DELETE FROM event WHERE seq > 1`); err != nil {
		t.Fatal(err)
	}
	if got := note(t, s, "b"); got.ID != eventID(alpha, 4) {
		t.Errorf("got %s", got.ID)
	}
}

func FuzzMerge(f *testing.F) {
	seed, err := json.Marshal([]pair.Event{{ID: eventID(beta, 1), Appliance: beta, Time: time.Unix(1, 0), Kind: "started", Text: "a", Detail: map[string]string{"a": "b"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte(`[{"id":"-1"}]`))
	s, err := OpenSite(f.Context(), filepath.Join(f.TempDir(), "site.db"), alpha, quiet())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.Close() })
	f.Fuzz(func(t *testing.T, text []byte) {
		var events []pair.Event
		if json.Unmarshal(text, &events) != nil {
			return
		}
		if _, err := s.History.Merge(t.Context(), events); err != nil {
			return
		}
		for _, event := range history(t, s, Filter{}) {
			if err := checkEvent(event); err != nil {
				t.Error(err)
			}
		}
	})
}

// BenchmarkEvents reads from a history of a million events.
func BenchmarkEvents(b *testing.B) {
	s, err := OpenSite(b.Context(), filepath.Join(b.TempDir(), "site.db"), alpha, quiet())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	_, err = s.db.writer.ExecContext(b.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
		INSERT INTO event SELECT ?, i, 1700000000000 + i * 1000, iif(i % 100000, 'sync-done', 'takeover'), 'Data sync ' || i || ' is done.', '{"bytes":"1234567"}' FROM n`, alpha)
	if err != nil {
		b.Fatal(err)
	}
	if info, err := os.Stat(s.db.path); err == nil {
		b.Logf("%d MB", info.Size()>>20)
	}
	middle := eventID(alpha, 500_000)
	for name, filter := range map[string]Filter{
		"newest": {Limit: 100}, "rare kind": {Kinds: []string{"takeover", "handover"}, Limit: 100},
		"middle": {Before: middle, Limit: 100}, "kind in the middle": {Kinds: []string{"sync-done"}, After: middle, Limit: 100},
		"since": {Since: time.UnixMilli(1700000000000 + 900_000_000), Limit: 100},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				events, err := s.History.Events(b.Context(), filter)
				if err != nil || len(events) == 0 || !slices.IsSortedFunc(events, func(a, b pair.Event) int { return a.Time.Compare(b.Time) }) {
					b.Fatal(len(events), err)
				}
			}
		})
	}
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.History.Append(b.Context(), pair.Event{Kind: "sync-done", Text: "done"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package store

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"baton/internal/pair"
)

// Quarter is the grain of Sums.
const Quarter = 15 * time.Minute

// Place is what an appliance was from an event on: see schema/0005-reports.sql.
type Place struct {
	Appliance pair.ApplianceID
	Seq       int64 // running number of the event
	Time      time.Time
	Kind      string // of the event
	Place     string // role and phase, as "primary steady"; empty: its daemon had stopped
	Serves    bool
	Down      time.Duration // for how long nobody had served before it took over; 0: it did not
	Alive     time.Time     // started: last sign of life before; zero: none
}

func scanPlace(row scanner) (p Place, err error) {
	var at, down, alive int64
	if err := row.Scan(&p.Appliance, &p.Seq, &at, &p.Kind, &p.Place, &p.Serves, &down, &alive); err != nil {
		return p, err
	}
	p.Time, p.Down = time.UnixMilli(at).UTC(), time.Duration(down)*time.Millisecond
	if alive > 0 {
		p.Alive = time.UnixMilli(alive).UTC()
	}
	return p, nil
}

// Places returns what each appliance was before until, by appliance and running
// number: from the newest place before since on.
func (h History) Places(ctx context.Context, since, until time.Time) ([]Place, error) {
	places, err := list(ctx, h.db.reader, scanPlace, `SELECT appliance, seq, time, kind, place, serves, down, alive FROM event_head AS head
		CROSS JOIN event_place AS place USING (appliance)
		WHERE place.seq >= coalesce((SELECT earlier.seq FROM event_place AS earlier
				WHERE earlier.appliance = head.appliance AND earlier.time < ?1 ORDER BY earlier.time DESC, earlier.seq DESC LIMIT 1), 0)
			AND place.time < ?2
		ORDER BY appliance, seq`, since.UnixMilli(), until.UnixMilli())
	return places, h.db.explain("read who served when", err)
}

// Span is a stretch of time, from Since until before Until. Sums takes whole
// quarters of an hour.
type Span struct{ Since, Until time.Time }

// Sum is what the events of one kind within one span add up to. Of the kind
// handover only the taker's are counted; those of the other side are of the kind
// handed-over.
type Sum struct {
	Span    int // index
	Kind    string
	Events  int64
	Runs    int64 // data syncs that they tell of
	Files   int64
	Bytes   int64
	Took    time.Duration // all together
	Longest time.Duration // the longest of them
}

// Sums adds the events of these kinds up, by span and kind. Of none there is no
// Sum. Appliances as in Filter.
func (h History) Sums(ctx context.Context, spans []Span, kinds []string, appliances []pair.ApplianceID) ([]Sum, error) {
	sums := []Sum{}
	if len(spans) == 0 || len(kinds) == 0 {
		return sums, nil
	}
	var args []any
	for i, span := range spans {
		args = append(args, i, quarter(span.Since), quarter(span.Until))
	}
	rowsOf := `(?, ?, ?)` + strings.Repeat(`, (?, ?, ?)`, len(spans)-1)
	kindIn, kindArgs := oneOf("kind", kinds)
	byIn, byArgs := oneOf("appliance", appliances)
	rows, err := h.db.reader.QueryContext(ctx, `WITH span (i, since, until) AS (VALUES `+rowsOf+`)
		SELECT i, kind, sum(events), total(runs), total(files), total(bytes), total(took), max(longest)
		FROM span CROSS JOIN event_sum ON quarter >= since AND quarter < until`+kindIn+byIn+`
		GROUP BY i, kind ORDER BY i, kind`, append(append(args, kindArgs...), byArgs...)...)
	err = each(rows, err, func(row scanner) error {
		var sum Sum
		var runs, files, bytes, took float64 // as sums they may leave the range of an integer
		var longest int64
		if err := row.Scan(&sum.Span, &sum.Kind, &sum.Events, &runs, &files, &bytes, &took, &longest); err != nil {
			return err
		}
		const most = 1e18
		sum.Runs, sum.Files, sum.Bytes = int64(min(runs, most)), int64(min(files, most)), int64(min(bytes, most))
		sum.Took = time.Duration(min(took, most/1e6)) * time.Millisecond
		sum.Longest = time.Duration(longest) * time.Millisecond
		sums = append(sums, sum)
		return nil
	})
	return sums, h.db.explain("add the history up", err)
}

func quarter(t time.Time) int64 { return t.UnixMilli() / Quarter.Milliseconds() }

// FirstEvent returns when the history begins; zero if it is empty.
func (h History) FirstEvent(ctx context.Context) (time.Time, error) {
	var ms sql.NullInt64
	err := h.db.reader.QueryRowContext(ctx, `SELECT min(time) FROM event`).Scan(&ms)
	return fromMillis(ms), h.db.explain("read how far the history goes back", err)
}

// FirstServed returns when the site was served for the first time; zero if it never
// was. What an appliance served before its data was replaced by the other's, as
// the backup of its first pair, was a site of its own.
func (h History) FirstServed(ctx context.Context) (time.Time, error) {
	var ms sql.NullInt64
	err := h.db.reader.QueryRowContext(ctx, `SELECT min(first) FROM (SELECT (
			SELECT served.time FROM event_place AS served
			WHERE served.appliance = head.appliance AND served.serves AND served.seq > coalesce((
				SELECT iif(paired.place LIKE 'backup %', paired.seq, 0) FROM event_place AS paired
				WHERE paired.appliance = head.appliance AND (paired.place LIKE 'primary %' OR paired.place LIKE 'backup %')
				ORDER BY paired.seq LIMIT 1), 0)
			ORDER BY served.seq LIMIT 1) AS first
		FROM event_head AS head)`).Scan(&ms)
	return fromMillis(ms), h.db.explain("read when the site was served first", err)
}

// Names returns what the appliances whose events are here called themselves when
// they last started. One that has not told its name is left out.
func (h History) Names(ctx context.Context) (map[pair.ApplianceID]string, error) {
	names := map[pair.ApplianceID]string{}
	rows, err := h.db.reader.QueryContext(ctx, `SELECT appliance, name FROM (SELECT head.appliance, (
			SELECT substr(detail ->> '$.name', 1, 100) FROM event
			WHERE event.kind = ?1 AND event.appliance = head.appliance AND detail ->> '$.name' <> ''
			ORDER BY time DESC, seq DESC LIMIT 1) AS name
		FROM event_head AS head) WHERE name IS NOT NULL`, pair.KindStarted)
	err = each(rows, err, func(row scanner) error {
		var id pair.ApplianceID
		var name string
		err := row.Scan(&id, &name)
		names[id] = name
		return err
	})
	return names, h.db.explain("read the names of the appliances", err)
}

// Time returns when an event happened; pair.NotFound if it is not here.
func (h History) Time(ctx context.Context, id string) (time.Time, error) {
	at, err := h.cursor(ctx, id)
	return time.UnixMilli(at.ms).UTC(), h.db.explain("read an event", err)
}

// Texts returns what events say, by id. What is no id, or of no event here,
// says nothing.
func (h History) Texts(ctx context.Context, ids []string) (map[string]string, error) {
	texts := map[string]string{}
	var args []any
	for _, id := range unique(ids) {
		if appliance, seq, err := parseEventID(id); err == nil {
			args = append(args, appliance, seq)
		}
	}
	if len(args) == 0 {
		return texts, nil
	}
	rows, err := h.db.reader.QueryContext(ctx, `WITH wanted (appliance, seq) AS (VALUES (?, ?)`+strings.Repeat(`, (?, ?)`, len(args)/2-1)+`)
		SELECT appliance, seq, text FROM wanted CROSS JOIN event USING (appliance, seq)`, args...)
	err = each(rows, err, func(row scanner) error {
		var appliance pair.ApplianceID
		var seq int64
		var text string
		err := row.Scan(&appliance, &seq, &text)
		texts[eventID(appliance, seq)] = text
		return err
	})
	return texts, h.db.explain("read events", err)
}

// Find returns the newest events that the filter selects and match accepts, the
// newest first. It looks at no more than look events; if that was not all, it
// goes on where Before is next.
func (h History) Find(ctx context.Context, filter Filter, look int, match func(pair.Event) bool) (found []pair.Event, next string, err error) {
	limit := filter.Limit
	filter.Limit = limit + 1
	for {
		events, err := h.Events(ctx, filter)
		if err != nil {
			return nil, "", err
		}
		for _, event := range slices.Backward(events) {
			if len(found) == limit {
				return found, next, nil
			}
			next = event.ID
			if match(event) {
				found = append(found, event)
			}
		}
		look -= len(events)
		switch {
		case len(events) < filter.Limit:
			return found, "", nil
		case look <= 0:
			return found, next, nil
		}
		filter.Before, filter.Limit = next, min(look, 1000)
	}
}

// Each hands over every event that the filter selects and that is there when
// it is asked for, oldest first, with no more than a few in memory at a time.
func (h History) Each(ctx context.Context, filter Filter, do func(pair.Event) error) error {
	const few = 1000
	filter.Limit, filter.Oldest = few, true
	for {
		events, err := h.Events(ctx, filter)
		if err != nil {
			return err
		}
		for _, event := range events {
			if err := do(event); err != nil {
				return err
			}
			filter.After = event.ID
		}
		if len(events) < few {
			return nil
		}
	}
}
